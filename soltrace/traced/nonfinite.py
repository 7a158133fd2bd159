"""The first value of a step that is not finite: in which of the things that a solver computes, and where in it.

Traced side; evaluated in the body of a loop, for one lane. Where it was, is told by two numbers, which `Place` makes
words of on the host.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from soltrace import host
from soltrace.traced._jax import lenient
from soltrace.traced.observed import Observed
from soltrace.traced.state_paths import state_path


class Found(NamedTuple):
    """Scalars: what is not finite in a step, if anything is."""

    bad: Any
    """bool: whether anything is."""
    place: Any
    """int32: in which of the places."""
    element: Any
    """int32: which element of it."""
    value: Any
    """What it is."""
    before: Any
    """What was there in the state when the step began."""


def nothing_found(dtype: Any = jnp.float32) -> Found:
    """Return what is found where all is finite."""
    nothing = jnp.zeros((), jnp.int32)
    return Found(jnp.zeros((), bool), nothing, nothing, jnp.zeros((), dtype), jnp.zeros((), dtype))


def with_found(ints: list[Any], floats: list[Any], found: Found) -> tuple[list[Any], list[Any]]:
    """Add what was found to what is noted of a step."""
    step, code, largest = ints
    code = code | jnp.where(found.bad, jnp.int32(host.StepCode.NONFINITE), jnp.int32(0))
    return [step, code, largest, found.place, found.element], [*floats, found.value, found.before]


class _Looked(NamedTuple):
    """An array that is looked through, and the leaf of the state that its elements belong to."""

    place: host.Place
    array: jax.Array
    state: jax.Array | None


@lenient
def first_nonfinite(
    before: Any, observed: Observed, roots: tuple[str, ...] = ()
) -> tuple[Found, tuple[host.Place, ...]]:
    """Find the first value of a step that is not finite, in the order in which a solver computes them.

    Args:
        before: diffrax's state when it began.
        observed: What was seen meanwhile.
        roots: As of `state_path`.

    Returns:
        What was found, and what its `place` counts.
    """
    looked = list(_looked(before.y, observed, roots))
    dtype = jnp.result_type(jnp.float32, *[x.array.real.dtype for x in looked])
    found = nothing_found(dtype)
    for place, one in reversed(list(enumerate(looked))):
        array = one.array.ravel()
        # The first that is odd, or none: one reduction over integers, which is cheaper than `argmax` and `any`.
        element = jnp.min(jnp.where(jnp.isfinite(array), array.size, jnp.arange(array.size, dtype=jnp.int32)))
        pick: Callable[[jax.Array], jax.Array] = lambda x, i=element: x.ravel()[i % max(x.size, 1)].real.astype(dtype)
        then = jnp.zeros((), dtype) if one.state is None else pick(one.state)
        new = Found(element < array.size, jnp.asarray(place, jnp.int32), element, pick(array), then)
        found = Found(found.bad | new.bad, *(jnp.where(new.bad, a, b) for a, b in zip(new[1:], found[1:], strict=True)))
    return found, tuple(x.place for x in looked)


def _looked(y: Any, observed: Observed, roots: tuple[str, ...]) -> Any:
    yield from _leaves("initial state", y, None, roots)
    if observed.outcome is None:
        return
    y1, error, dense, *_ = observed.outcome
    stages = dense.get("k") if isinstance(dense, dict) else None
    if jtu.tree_structure(stages) == jtu.tree_structure(y):
        yield from _leaves("vector field", stages, y, roots, staged=True)
    yield from _leaves("state", y1, y, roots)
    if error is not None:
        # Of a step whose nonlinear solver has failed, diffrax makes the error estimate infinite itself.
        solved = observed.result == dfx.RESULTS.successful
        yield from _leaves("error estimate", jtu.tree_map(lambda x: jnp.where(solved, x, 0), error), y, roots)


def _leaves(found_in: str, tree: Any, y: Any, roots: tuple[str, ...], *, staged: bool = False) -> Any:
    leaves = jtu.tree_leaves_with_path(tree)
    states = jtu.tree_leaves(y) if y is not None and jtu.tree_structure(y) == jtu.tree_structure(tree) else None
    for i, (path, leaf) in enumerate(leaves):
        if eqx.is_inexact_array(leaf) and leaf.size:
            place = host.Place(found_in, state_path(path, roots), leaf.shape, staged)
            state = None if states is None else jax.lax.stop_gradient(states[i])
            yield _Looked(place, jax.lax.stop_gradient(leaf), state)
