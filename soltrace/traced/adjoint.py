"""`TracedAdjoint`: the adjoint that wraps another one and tells when a solve starts, what it does and how it ends.

Traced side. `diffrax.diffeqsolve` hands everything to `adjoint.loop(...)` after its own checks and takes the final
state back, so this is where a solve can be seen whole without touching diffrax.
"""

from collections.abc import Mapping
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu

from soltrace import host
from soltrace.traced._jax import lenient
from soltrace.traced.describe import describe, time_direction, tolerances
from soltrace.traced.emit import emit, witness
from soltrace.traced.final_time import save_states, save_the_end, time_reached, without_ours
from soltrace.traced.instrument import BesideMeter, Meter, Reports, instrument, report_of
from soltrace.traced.meter import has_started, silenced_state
from soltrace.traced.shards import shard
from soltrace.traced.solve_attributes import NO_ATTRIBUTES, SolveAttributes
from soltrace.traced.tap import tap

Signal = host.Signal


class TracedAdjoint(dfx.AbstractAdjoint):
    """Wrap an adjoint, so that the solve it is given to reports its forward and backward passes.

    For those who call `diffrax.diffeqsolve` themselves: `diffeqsolve(..., adjoint=TracedAdjoint())`. Values and
    gradients are those of `inner`, to the bit. Under `jit` the reports come whenever the compiled program runs; under
    `vmap` one report carries all lanes; under `grad` the backward pass is reported as a pass of its own.

    Args:
        inner: The adjoint to wrap; diffrax's default if it is left out.
        attributes: Names and values to put on every line and span of this solve. A value is a bool, int, float, str or
            a list of them, or an array, which may be traced: it is sent along when the solve starts.

    Raises:
        soltrace.AttributeValueError: An attribute is of no such type.
    """

    inner: dfx.AbstractAdjoint
    attributes: SolveAttributes
    context: Any
    enabled: bool = eqx.field(static=True)

    def __init__(
        self,
        inner: dfx.AbstractAdjoint | None = None,
        *,
        attributes: Mapping[str, Any] | SolveAttributes | None = None,
        context: Any = 0,
    ) -> None:
        self.inner = dfx.RecursiveCheckpointAdjoint() if inner is None else inner
        given = isinstance(attributes, SolveAttributes)
        self.attributes = attributes if given else NO_ATTRIBUTES.updated(attributes)
        self.context = context
        self.enabled = host.enabled()

    def loop(self, **kwargs: Any) -> Any:
        """Run the solve; diffrax calls this."""
        if not self.enabled:
            return self.inner.loop(**kwargs)
        state = kwargs["init_state"].progress_meter_state
        if has_started(state):  # without jit it has told its start by now, and tells the rest
            return self.inner.loop(**kwargs)
        return _forward(self, **kwargs | {"init_state": _with_meter_state(kwargs["init_state"], silenced_state(state))})


class _Stretch(dfx.AbstractAdjoint):
    """A solve that is a part of a backward pass (`BacksolveAdjoint`), never a pass of its own."""

    inner: dfx.AbstractAdjoint
    forward: jax.Array
    """int32 scalar: handle of the forward pass. Data, for a `custom_vjp` closes over no tracer."""

    def loop(self, **solve: Any) -> Any:
        """Run the solve; diffrax calls this."""
        info = describe(self.inner, solve)
        floats = [solve["t0"], solve["t1"], time_direction(solve["terms"]), witness(solve["init_state"].y)]
        start = emit(Signal.STRETCH_START, info, [self.forward], floats)
        reports = Reports(Signal.STRETCH_STEP, info, backward=False)
        adjoint = _reporting(self.inner, solve["saveat"], reports, self.forward)
        final, aux, _ = _run(adjoint, solve, start, Signal.STRETCH_END, info)
        return _with_users_meter(final), aux


def is_part_of_a_pass(adjoint: dfx.AbstractAdjoint) -> bool:
    """Say whether this is the adjoint of a solve that is a part of a backward pass."""
    return isinstance(adjoint, _Stretch)


def _forward(self: TracedAdjoint, **solve: Any) -> Any:
    info, start = _start(self, solve)
    # These integrate backwards, or not at all: their backward pass is not the loop's, so it is tapped around them.
    around = isinstance(self.inner, dfx.BacksolveAdjoint | dfx.ImplicitAdjoint)
    outside = jnp.zeros(2, jnp.float32)
    if around:
        inputs = (solve["init_state"].y, solve["args"], solve["terms"])
        (y, args, terms), outside = tap(Signal.BACKWARD_END, info, inputs, outside, [start[0]])
        state = eqx.tree_at(lambda s: s.y, solve["init_state"], y)
        solve |= {"init_state": state, "args": args, "terms": terms}
    adjoint = _reporting(self.inner, solve["saveat"], Reports(Signal.FORWARD_STEP, info, backward=not around), start[0])
    final, aux, done = _run(adjoint, solve, start, Signal.FORWARD_END, info)
    pace = outside if around else final.progress_meter_state.pace
    ys, _ = tap(Signal.BACKWARD_START, info, _saved(final), pace, [done], hold=around)
    return _with_users_meter(eqx.tree_at(_saved, final, ys)), aux


def _start(self: TracedAdjoint, solve: dict[str, Any]) -> tuple[host.SolveInfo, tuple[jax.Array, ...]]:
    """Tell that a solve starts, and return its description and the host's answer: handle, first step wanted."""
    arrays, plain = self.attributes.arrays, self.attributes.plain
    place, sharded = shard()
    info = describe(
        self.inner,
        solve,
        attributes=plain.constants,
        registered_attributes=plain.registered,
        traced_attributes=tuple(arrays),
        sharded=sharded,
    )
    floats = [solve["t0"], solve["t1"], time_direction(solve["terms"]), *tolerances(solve["stepsize_controller"])]
    floats.append(witness(solve["init_state"].y))
    others = [x for x in jtu.tree_leaves((solve["args"], solve["terms"])) if eqx.is_array(x)]
    ints = [*place, self.context, self.attributes.token]
    return info, emit(Signal.FORWARD_START, info, ints, floats, extras=[*arrays.values()], witnesses=others)


def _with_meter_state(state: Any, meter: Any) -> Any:
    return eqx.tree_at(lambda s: s.progress_meter_state, state, meter, is_leaf=lambda x: x is None)


def _with_users_meter(final: Any) -> Any:
    return _with_meter_state(final, final.progress_meter_state.user)


def _reporting(inner: Any, saveat: dfx.SaveAt, reports: Reports, forward: jax.Array) -> Any:
    unread = tuple(name for name in ("controller_state", "solver_state", "made_jump") if not getattr(saveat, name))
    if not isinstance(inner, dfx.BacksolveAdjoint):
        return instrument(inner, reports, unread)
    # Each stretch of its backward pass is a solve, by an adjoint that it lets the user choose.
    stretch = _Stretch(inner.kwargs.get("adjoint", inner), forward)
    return instrument(inner, reports, unread, kwargs=inner.kwargs | {"adjoint": stretch})


def _run(adjoint: Any, solve: dict[str, Any], start: tuple[jax.Array, ...], end: host.Signal, info: Any) -> Any:
    """Run the loop between its start and its end.

    Returns:
        The final state, diffrax's auxiliary statistics, and the host's answer to the end (the handle again).
    """
    solve = save_the_end(solve)
    state, meter = solve["init_state"], solve["progress_meter"]
    ours = Meter(state.progress_meter_state, start)
    state = _with_meter_state(state, ours)
    final, aux = adjoint.loop(**solve | {"init_state": state, "progress_meter": BesideMeter(meter)})
    # The loop doesn't count them: a variable less.
    final = eqx.tree_at(lambda s: s.num_rejected_steps, final, final.num_steps - final.num_accepted_steps)
    *counts, _ = report_of(final)
    t = time_reached(final, solve)
    (done,) = emit(end, info, [start[0], *counts], [t], witnesses=[final.progress_meter_state.pace])
    return _after(done, without_ours(final)), aux, done


def _after(done: jax.Array, final: Any) -> Any:
    """Let the result wait for the end to be told: a failed solve may stop the program with its error."""
    result = final.result._value
    waiting = lenient(lambda: jnp.where(done == -1, -1, result).astype(result.dtype))()
    return eqx.tree_at(lambda s: s.result._value, final, waiting)


def _saved(state: Any) -> list[Any]:
    return [s.ys for s in save_states(state)]
