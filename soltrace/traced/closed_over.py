"""What a solve's functions close over, its vector field and what it saves: an enclosing vmap may batch nothing else.

Traced side. A solve's start is told before they are evaluated. That one closes over something which differs from lane
to lane would show only in the solve's steps, and of which vmap those lanes are would not. (An event has been evaluated
by then: what came of it is in the state.)
"""

import contextlib
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import diffrax as dfx
import equinox as eqx
import jax
import jax.tree_util as jtu
from jax.core import ShapedArray, Tracer

OBJECTS_AT_MOST: Final = 1000
"""Objects that are looked at: what a function reaches may be anything, and large."""


def closed_over(solve: dict[str, Any]) -> list[Any]:
    """Find what the functions of a solve close over, as far as it is traced; nothing where that can't be said.

    Args:
        solve: What diffrax has handed to its adjoint.
    """
    at = solve["t0"], solve["init_state"].y, solve["args"]
    subs = jtu.tree_leaves(solve["saveat"].subs, is_leaf=lambda x: isinstance(x, dfx.SubSaveAt))
    found = _closed_over(solve["terms"], lambda: solve["solver"].func(solve["terms"], *at))
    return found + [x for sub in subs for x in _closed_over(sub.fn, partial(sub.fn, *at))]


def _closed_over(functions: Any, evaluated: Callable[[], Any]) -> list[Any]:
    # What they reach is not all used: they may remember tracers of programs that were traced long ago.
    with contextlib.suppress(Exception):  # where one fails, the solve will say so
        if _may_close_over_tracers(functions):
            traced = jax.make_jaxpr(lambda: eqx.filter(evaluated(), eqx.is_array))()
            # Not a mutable array: that is no value, and nothing can be computed from it without reading it.
            return [x for x in traced.consts if isinstance(x, Tracer) and isinstance(jax.typeof(x), ShapedArray)]
    return []


def _may_close_over_tracers(functions: Any) -> bool:
    """Say whether a function in a pytree reaches a tracer. Without one, it isn't evaluated once more."""
    waiting = [leaf for leaf in jtu.tree_leaves(functions) if callable(leaf)]
    seen: set[int] = set()
    while waiting and len(seen) < OBJECTS_AT_MOST:
        function = waiting.pop()
        if id(function) in seen:
            continue
        seen.add(id(function))
        held = jtu.tree_leaves(list(_held_by(function)))
        if any(isinstance(part, Tracer) for part in held):
            return True
        waiting += [part for part in held if callable(part)]
    return False


def _held_by(function: Any) -> Iterator[Any]:
    """What a function was made with: in its closure and defaults, by a partial, as a method, or around another one."""
    for cell in getattr(function, "__closure__", None) or ():
        with contextlib.suppress(ValueError):  # it has none yet
            yield cell.cell_contents
    yield [getattr(function, name, None) for name in ("__defaults__", "__kwdefaults__", "__wrapped__", "__func__")]
    if isinstance(function, partial):
        yield function.func, function.args, function.keywords  # pyright: ignore[reportUnknownMemberType]
    owner = getattr(function, "__self__", function)  # of a method, or what can be called itself
    yield owner if owner is not function else None, dict(getattr(owner, "__dict__", ()))
