"""The cotangents of a solve by name: those of the result arrive, those of the state go on, those of inputs leave.

Traced side. What is looked at is known by a number on the way, which the host makes words of.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from diffrax._integrate import SaveState  # no public name

from soltrace import host
from soltrace.traced.cotangent_row import empty_row
from soltrace.traced.note import Wanted
from soltrace.traced.sight import echo, sight
from soltrace.wire.step_fields import OF_A_RESULT, OF_A_STATE, OF_AN_INPUT


class Cotangents:
    """Those of one solve, which are watched."""

    def __init__(self, info: host.SolveInfo) -> None:
        """Nothing has been looked at yet."""
        self._places: list[host.Place] = []
        info = dataclasses.replace(info, places=self._places)
        self._wanted = Wanted(info, None, host.Signal.BACKWARD_NONFINITE)

    def _numbers(self, found_in: str, paths: Sequence[str], values: Sequence[Any]) -> tuple[int, ...]:
        """Number what is looked at; a body that is traced again has the numbers that it had."""
        return tuple(
            self._number(host.Place(found_in, p, v.shape, staged=False)) for p, v in zip(paths, values, strict=True)
        )

    def _number(self, place: host.Place) -> int:
        if place not in self._places:
            self._places.append(place)
        return self._places.index(place)

    def arriving(self, final: Any, row: jax.Array) -> Any:
        """Look at those of what is saved, where they arrive.

        Args:
            final: diffrax's state in the end.
            row: As it has come out of the solve.
        """
        is_save: Callable[[Any], bool] = lambda x: isinstance(x, SaveState)
        saves: Any = [
            (path, x) for path, x in jtu.tree_leaves_with_path(final.save_state, is_leaf=is_save) if is_save(x)
        ]
        paths: list[str] = []
        values: list[jax.Array] = []
        times: list[jax.Array] = []
        for path, save in saves:
            for name, leaf in _inexact(f"ys{jtu.keystr(path)}", save.ys):
                paths, values, times = [*paths, name], [*values, leaf], [*times, save.ts]
        numbers = self._numbers(OF_A_RESULT, paths, values)
        seen, *_ = sight(values, numbers, row, times=times, begins=True)
        rest = iter(seen)
        put: Callable[[Any], Any] = lambda save: (
            eqx.tree_at(lambda s: s.ys, save, _put(save.ys, rest)) if is_save(save) else save
        )
        saved = jtu.tree_map(put, final.save_state, is_leaf=is_save)
        return eqx.tree_at(lambda s: s.save_state, final, saved, is_leaf=lambda x: x is None)

    def stepping(self, state: Any, row: jax.Array) -> tuple[Any, jax.Array, Callable[[Any], Any]]:
        """Look at those of the state, where a step begins.

        Returns:
            The state, the row, and what the state is to be put through when the step is over.
        """
        named = _inexact("y", state.y)
        values = [leaf for _, leaf in named]
        numbers = self._numbers(OF_A_STATE, [name for name, _ in named], values)
        sent = [state.num_steps, state.tprev, state.tnext]
        seen, row, zeros = sight(values, numbers, row, sent, states=len(values), echoes=True)
        replace: Callable[[Any, Any], Any] = lambda s, ys: eqx.tree_at(lambda s: s.y, s, _put(s.y, iter(ys)))
        of_y: Callable[[Any], list[Any]] = lambda s: [leaf for _, leaf in _inexact("y", s.y)]
        return replace(state, seen), row, lambda after: replace(after, echo(of_y(after), zeros)) if zeros else after

    def leaving(
        self, named: Sequence[tuple[str, jax.Array]], row: jax.Array, pace: jax.Array, states: int
    ) -> tuple[list[jax.Array], jax.Array, jax.Array]:
        """Look at those of what went in, where they leave, and tell the host what has been found.

        Args:
            named: Inexact arrays, with what they are.
            row: float[ROW].
            pace: float32[2], of the pass.
            states: How many of the arrays, the first, are of the initial state.

        Returns:
            The arrays, the row and the pace.
        """
        values = [value for _, value in named]
        numbers = self._numbers(OF_AN_INPUT, [name for name, _ in named], values)
        seen, row, (pace,) = sight(values, numbers, row, states=states, telling=(pace, self._wanted))
        return seen, row, pace

    def leaving_trees(self, trees: Mapping[str, Any], pace: jax.Array) -> tuple[list[Any], jax.Array, jax.Array]:
        """Do so with pytrees, the first of the initial state, and begin a row; as returned, with row and pace."""
        named = [_inexact(name, tree) for name, tree in trees.items()]
        flat = [pair for own in named for pair in own]
        seen, row, pace = self.leaving(flat, empty_row([value for _, value in flat]), pace, len(named[0]))
        rest = iter(seen)
        return [_put(tree, rest) for tree in trees.values()], row, pace


def names(**trees: Any) -> Callable[[Any], str]:
    """Make what names an array that a loop closes over: by where the user has given it, if that is known."""
    known = {id(leaf): path for name, tree in trees.items() for path, leaf in _inexact(name, tree)}

    def name(leaf: Any) -> str:
        return known.get(id(leaf), f"({leaf.dtype}{list(leaf.shape)} that the vector field closes over)")

    return name


def _inexact(name: str, tree: Any) -> list[tuple[str, Any]]:
    leaves = jtu.tree_leaves_with_path(tree)
    return [(f"{name}{jtu.keystr(path)}", leaf) for path, leaf in leaves if _is_seen(leaf)]


def _put(tree: Any, values: Iterator[Any]) -> Any:
    """Replace what is looked at."""
    return jtu.tree_map(lambda leaf: next(values) if _is_seen(leaf) else leaf, tree)


def _is_seen(leaf: Any) -> bool:
    return eqx.is_inexact_array(leaf) and jnp.size(leaf) > 0
