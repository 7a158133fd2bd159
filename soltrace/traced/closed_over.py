"""What a vector field closes over: an enclosing vmap may batch nothing else.

Traced side. A solve's start is told before its vector field is evaluated. That the field closes over something which
differs from lane to lane would show only in its steps, and of which vmap those lanes are would not.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any, Final

import equinox as eqx
import jax
import jax.tree_util as jtu
from jax.core import Tracer

OBJECTS_AT_MOST: Final = 1000
"""Objects that are looked at: what a function reaches may be anything, and large."""


def closed_over(solve: dict[str, Any]) -> list[Any]:
    """Find what the vector field of a solve closes over, as far as it is traced; nothing where that can't be said.

    Args:
        solve: What diffrax has handed to its adjoint.
    """
    terms, y = solve["terms"], solve["init_state"].y
    # What the field reaches is not all used: it may remember tracers of programs that were traced long ago.
    evaluated = lambda: eqx.filter(solve["solver"].func(terms, solve["t0"], y, solve["args"]), eqx.is_array)
    with contextlib.suppress(Exception):  # where the field fails, the solve will say so
        if _may_close_over_tracers(terms):
            return [x for x in jax.make_jaxpr(evaluated)().consts if isinstance(x, Tracer)]
    return []


def _may_close_over_tracers(terms: Any) -> bool:
    """Say whether a function in a pytree reaches a tracer. Without one, it isn't evaluated once more."""
    waiting = [leaf for leaf in jtu.tree_leaves(terms) if callable(leaf)]
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
    if isinstance(function, functools.partial):
        yield function.func, function.args, function.keywords  # pyright: ignore[reportUnknownMemberType]
    owner = getattr(function, "__self__", function)  # of a method, or what can be called itself
    yield owner if owner is not function else None, dict(getattr(owner, "__dict__", ()))
