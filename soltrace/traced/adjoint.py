"""`TracedAdjoint`: an adjoint that wraps another one and reports when its solve starts, what it does and how it ends.

Traced side. `diffrax.diffeqsolve` hands everything to `adjoint.loop(...)` after its own checks and takes the final
state back, so this is where a solve can be seen whole without touching diffrax.
"""

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax.core import Tracer

from soltrace import host
from soltrace.callers import CALLERS
from soltrace.traced._jax import lenient, on_device
from soltrace.traced.closed_over import closed_over
from soltrace.traced.compiling import tracing
from soltrace.traced.cotangents import Cotangents
from soltrace.traced.describe import describe_solve, time_direction, tolerances
from soltrace.traced.emit import emit, witness
from soltrace.traced.fallback import or_bare
from soltrace.traced.final_time import save_the_end, time_reached, without_ours
from soltrace.traced.instrument import LoopSignals, PassCarry, report_of, run_loop
from soltrace.traced.meter import has_started, silenced_state
from soltrace.traced.note import Wanted
from soltrace.traced.shards import shard
from soltrace.traced.solution_parts import fields_unread, parts_read
from soltrace.traced.solve_attributes import NO_ATTRIBUTES, SolveAttributes
from soltrace.traced.state_paths import OF_A_STRETCH
from soltrace.traced.tap import tap
from soltrace.traced.watch import Watchable, Watching, watch_of
from soltrace.traced.ways import Way, way_of
from soltrace.traced.widen import for_each_lane
from soltrace.wire.warn import warn_once


class TracedAdjoint(dfx.AbstractAdjoint):
    """Wraps an adjoint, so that a solve reports its forward and backward passes.

    Pass it to `diffrax.diffeqsolve` where you call that yourself, or where a library lets you choose the adjoint.
    Values and gradients are equal to those of the wrapped adjoint, to the bit. Under `jit` the solve reports whenever
    the compiled program runs; under `vmap` one report carries all lanes; under `grad` the backward pass is a pass of
    its own. A `soltrace.ProgressMeter` beside it reports nothing.

    Args:
        inner: The adjoint to wrap. Defaults to diffrax's default, `diffrax.RecursiveCheckpointAdjoint()`.
        attributes: Names and values to put on every line and span of the solve. A value is a bool, an int, a float, a
            string, a list of them, or an array with at most one axis of its own, which may be traced. No value causes
            a recompilation, except that inside a program of your own a value that is no array is a constant of it.
        context: int32 scalar, which may be traced: the `token` of the experiment that the solve belongs to. Defaults to
            0, the experiment that whoever calls the program is in.
        detail: What is told of single steps: `"steps"`, every one; `"failures"`, the last ones of each lane that fails;
            or `"none"`. Defaults to what `soltrace.configure` was told.
        watch: `"nonfinite"`: tell the first value that is not finite, of the solve and of its gradient, and whether it
            has exploded. A mapping of names to functions of `t`, `y` and `args` that return a scalar: tell what each
            is, whenever progress is told. Or a list of both.

    Raises:
        soltrace.AttributeValueError: An attribute is of another type.
        soltrace.ConfigurationError: There is no such detail, or nothing of the kind can be watched.

    Example:
        >>> import diffrax
        >>> import jax
        >>> import jax.numpy as jnp
        >>> import soltrace
        >>> from soltrace.testing import capture
        >>> @jax.jit
        ... @jax.grad
        ... def gradient(y0):
        ...     adjoint = soltrace.TracedAdjoint(diffrax.DirectAdjoint(), attributes={"seed": 3})
        ...     term = diffrax.ODETerm(lambda t, y, args: -y)
        ...     return diffrax.diffeqsolve(term, diffrax.Tsit5(), 0.0, 1.0, 0.1, y0, adjoint=adjoint).ys[0]
        >>> with capture() as told:
        ...     print(f"{gradient(jnp.array(1.0)):.3f}")
        ...     print([record.pass_id for record in told.records if type(record).__name__ == "PassEnded"])
        0.368
        ['run.1.forward', 'run.1.backward']
    """

    inner: dfx.AbstractAdjoint
    attributes: SolveAttributes
    context: Any
    enabled: bool = eqx.field(static=True)
    detail: host.Detail = eqx.field(static=True)
    watch: Watching

    def __init__(
        self,
        inner: dfx.AbstractAdjoint | None = None,
        *,
        attributes: Mapping[str, Any] | SolveAttributes | None = None,
        context: Any = 0,
        detail: str | None = None,
        watch: Watchable | Watching = None,
    ) -> None:
        base = NO_ATTRIBUTES
        if isinstance(inner, TracedAdjoint):  # one solve is one pass, however often it is wrapped
            base, detail, watch = inner.attributes, detail or inner.detail, watch or inner.watch
            inner, context = inner.inner, inner.context if _is_default(context) else context
        elif (held := _held_by(inner)) is not None:  # by an adjoint of the user's
            base, detail, watch = held.attributes, detail or held.detail, watch or held.watch
            context = held.context if _is_default(context) else context
        self.inner = dfx.RecursiveCheckpointAdjoint() if inner is None else inner
        self.attributes = attributes if isinstance(attributes, SolveAttributes) else base.updated(attributes)
        # Data, where it names anything: a Python number would compile an eager solve anew for each experiment.
        self.context = on_device(context) if isinstance(context, int) and context else context
        self.enabled = host.enabled()
        self.detail = host.detail(detail)
        self.watch = watch_of(watch)

    def loop(self, **kwargs: Any) -> Any:
        """Run the solve; diffrax calls this."""
        if not self.enabled:
            return self.inner.loop(**kwargs)
        tracing(anew=False)
        state = kwargs["init_state"].progress_meter_state
        if isinstance(state, PassCarry):  # an adjoint around this one reports
            return self.inner.loop(**kwargs)
        if has_started(state):  # without jit our meter has reported the start by now, so it reports the rest
            return self.inner.loop(**kwargs)
        silenced = kwargs | {"init_state": _with_meter_state(kwargs["init_state"], silenced_state(state))}
        return or_bare(lambda: _forward(self, **silenced), lambda: self.inner.loop(**silenced))

    def _wanted(self, info: host.SolveInfo) -> Wanted | None:
        """What is told of each step; None: nothing."""
        steps = None if self.detail == "none" else host.Signal.FORWARD_STEPS
        nonfinite = host.Signal.FORWARD_NONFINITE if self.watch.nonfinite else None
        return (
            None
            if steps is None and nonfinite is None
            else Wanted(info, steps, nonfinite, only_failures=self.detail == "failures")
        )


class _StretchAdjoint(dfx.AbstractAdjoint):
    """The adjoint of a solve inside a backward pass, of which it is a stretch and never a pass of its own.

    A backward pass of `BacksolveAdjoint` consists of such solves.
    """

    inner: dfx.AbstractAdjoint
    forward: jax.Array
    """int32 scalar, the handle of the forward pass. A field, because a `custom_vjp` must not close over a tracer."""
    steps: host.Signal | None = eqx.field(static=True)
    """What tells of every step; None: that is not wanted."""
    nonfinite: host.Signal | None = eqx.field(static=True)
    """What tells of values that are not finite; likewise."""

    def loop(self, **solve: Any) -> Any:
        """Run the solve; diffrax calls this."""
        info = describe_solve(self.inner, solve)
        floats = [solve["t0"], solve["t1"], time_direction(solve["terms"]), witness(solve["init_state"].y)]
        start = emit(host.Signal.STRETCH_START, info, [self.forward], floats)
        wanted = Wanted(info, self.steps, self.nonfinite, roots=OF_A_STRETCH)
        wanted = None if self.steps is self.nonfinite is None else wanted
        signals = LoopSignals(host.Signal.STRETCH_STEP, info, backward=False, in_chunks=False, wanted=wanted)
        final, aux, done = _run(self.inner, solve, start, signals, host.Signal.STRETCH_END)
        # The pass must not end before its stretches; where they don't throw, nothing else keeps it from that.
        no_pace = jnp.zeros(2, jnp.float32)
        return _tapped(None, info, solve["saveat"], final, no_pace, done, hold=not solve["throw"]), aux


def _held_by(adjoint: dfx.AbstractAdjoint | None) -> TracedAdjoint | None:
    """Find the one inside an adjoint, which reports nothing there: what it was given is its solve's all the same."""
    is_ours = lambda part: isinstance(part, TracedAdjoint)
    held: list[TracedAdjoint] = [part for part in jtu.tree_leaves(adjoint, is_leaf=is_ours) if is_ours(part)]
    if len(held) > 1:
        warn_once(
            f"{type(adjoint).__name__} holds several TracedAdjoints: the attributes of the first are its solves'."
        )
    return held[0] if held else None


def _is_default(context: Any) -> bool:
    return isinstance(context, int) and context == 0


def is_part_of_a_pass(adjoint: dfx.AbstractAdjoint) -> bool:
    """Say whether this is the adjoint of a solve inside a backward pass."""
    return isinstance(adjoint, _StretchAdjoint)


def _forward(self: TracedAdjoint, **solve: Any) -> Any:
    info, start = _start(self, solve)
    watch = self.watch if self.watch.quantities else None
    way, outside, row = way_of(self.inner), jnp.zeros(2, jnp.float32), None
    cotangents = Cotangents(info) if self.watch.nonfinite else None
    if way is not Way.THROUGH:
        inputs = (solve["init_state"].y, solve["args"], solve["terms"])
        (y, args, terms), outside = tap(host.Signal.BACKWARD_END, info, inputs, outside, [start[0]])
        if cotangents is not None:
            given = {"y0": y, "args": args, "terms": terms}
            (y, args, terms), row, outside = cotangents.leaving_trees(given, outside)
        state = eqx.tree_at(lambda s: s.y, solve["init_state"], y)
        solve |= {"init_state": state, "args": args, "terms": terms}
    # Of an adjoint of the user's, nobody knows what it reads.
    unread = fields_unread(solve["saveat"]) if way is not Way.UNKNOWN else None
    signals = LoopSignals(
        host.Signal.FORWARD_STEP,
        info,
        backward=way is not Way.AROUND,
        unread=unread,
        wanted=self._wanted(info),
        cotangents=cotangents,
    )
    inner = _with_stretches(
        self.inner,
        start[0],
        steps=host.Signal.STRETCH_STEPS if self.detail == "steps" else None,
        nonfinite=host.Signal.STRETCH_NONFINITE if self.watch.nonfinite else None,
    )
    final, aux, done = _run(inner, solve, start, signals, host.Signal.FORWARD_END, watch)
    around = way is Way.AROUND or (way is Way.UNKNOWN and not signals.run.is_handed_on(final.progress_meter_state))
    pace, row = (outside, row) if around else (final.progress_meter_state.pace, final.progress_meter_state.row)
    if cotangents is not None and row is not None:
        final = cotangents.arriving(final, row)
    info = dataclasses.replace(
        info, recomputed=None if around else signals.run.recomputed, backward=info.backward if around else "steps"
    )
    return _tapped(host.Signal.BACKWARD_START, info, solve["saveat"], final, pace, done, hold=around), aux


def _tapped(signal: Any, info: Any, saveat: Any, final: Any, pace: jax.Array, done: jax.Array, **hold: bool) -> Any:
    """Tap what is read of the final state, and give the user's progress meter its place again.

    All in one tap: with any of them the end is told, and whichever have cotangents begin one backward pass.
    """
    read = parts_read(saveat)
    parts, _ = tap(signal, info, read(final), pace, [for_each_lane(done, pace)], **hold)
    return _with_users_meter(eqx.tree_at(read, final, parts, is_leaf=lambda x: x is None))


def _start(self: TracedAdjoint, solve: dict[str, Any]) -> tuple[host.SolveInfo, tuple[jax.Array, ...]]:
    """Report the start, and return the solve's description and the host's answer: handle, first step wanted."""
    arrays, plain = self.attributes.arrays, self.attributes.plain
    place, sharded = shard()
    info = describe_solve(
        self.inner,
        solve,
        attributes=plain.constants,
        registered=plain.registered,
        traced_attributes=tuple(arrays),
        watched=self.watch.names,
        sharded=sharded,
    )
    floats = [solve["t0"], solve["t1"], time_direction(solve["terms"]), *tolerances(solve["stepsize_controller"])]
    floats.append(witness(solve["init_state"].y))
    # Of what enclosing vmaps may batch, which of it does not matter: a step size, a tolerance, a threshold of an event.
    handed = solve | {"init_state": _with_meter_state(solve["init_state"], None), "adjoint": self.inner}
    others = [*filter(eqx.is_array, jtu.tree_leaves(handed)), *closed_over(solve)]
    ints = [*place, self.context, self.attributes.token, CALLERS.traced()]
    return info, emit(host.Signal.FORWARD_START, info, ints, floats, extras=[*arrays.values()], witnesses=others)


def _with_meter_state(state: Any, meter: Any) -> Any:
    return eqx.tree_at(lambda s: s.progress_meter_state, state, meter, is_leaf=lambda x: x is None)


def _with_users_meter(final: Any) -> Any:
    ours = final.progress_meter_state
    return _with_meter_state(final, ours.user) if isinstance(ours, PassCarry) else final


def _with_stretches(
    adjoint: dfx.AbstractAdjoint, forward: jax.Array, **told: host.Signal | None
) -> dfx.AbstractAdjoint:
    """Let each solve of which a backward pass of `BacksolveAdjoint` consists report, wherever that one is held.

    Args:
        adjoint: May be one, or hold one.
        forward: int32 scalar, the handle of the forward pass.
        **told: What tells of their steps.
    """
    is_backsolve = lambda part: isinstance(part, dfx.BacksolveAdjoint)

    def reporting(part: Any) -> Any:
        if not is_backsolve(part):
            return part
        # The user may have chosen their adjoint.
        stretch = _StretchAdjoint(part.kwargs.get("adjoint", part), forward, **told)
        copy = object.__new__(type(part))
        for field in dataclasses.fields(part):
            object.__setattr__(copy, field.name, getattr(part, field.name))
        object.__setattr__(copy, "kwargs", part.kwargs | {"adjoint": stretch})
        return copy

    return jtu.tree_map(reporting, adjoint, is_leaf=is_backsolve)


def _run(
    adjoint: Any,
    solve: dict[str, Any],
    start: tuple[jax.Array, ...],
    signals: LoopSignals,
    end: host.Signal,
    watch: Watching | None = None,
) -> Any:
    """Run the loop, and report the end.

    Returns:
        The final state, diffrax's auxiliary statistics, and the host's answer to the end, which is the handle again.
    """
    known = way_of(adjoint) is not Way.UNKNOWN
    solve = save_the_end(solve) if known else solve
    try:
        final, aux = run_loop(adjoint, solve, start, signals, known=known, watch=watch)
    except Exception:
        _end_at_once(end, signals.info, start[0], solve["t0"])
        raise
    if known:  # not counted in the loop, which is spared a variable
        final = eqx.tree_at(lambda s: s.num_rejected_steps, final, final.num_steps - final.num_accepted_steps)
    *counts, _ = report_of(final)
    t = time_reached(final, solve)
    pace = getattr(final.progress_meter_state, "pace", None)
    handle = start[0] if pace is None or signals.wanted is None else _when_told(start[0], pace)
    # Of an `ImplicitAdjoint` the state does not come out as arrays.
    arrays = pace is not None and all(map(eqx.is_array, jtu.tree_leaves(final.y)))
    watched = watch.at(final, time_direction(solve["terms"]), solve["args"]) if watch is not None and arrays else []
    (done,) = emit(end, signals.info, [handle, *counts], [t, *watched], witnesses=jtu.tree_leaves(pace))
    return _after(done, without_ours(final)), aux, done


@lenient
def _when_told(handle: jax.Array, pace: jax.Array) -> jax.Array:
    """Let the end wait for what is told of the last steps: it has an influence on the pace, and on nothing else."""
    return jnp.where(jax.lax.stop_gradient(pace)[0] == -1, -1, handle)


def _end_at_once(end: host.Signal, info: host.SolveInfo, handle: jax.Array, t: Any) -> None:
    """Report the end of a solve that has raised, where it has begun: without jit, its start has been told by now."""
    if not isinstance(handle, Tracer):
        with contextlib.suppress(Exception):  # what the solve has raised is what the user is to see
            emit(end, info, [handle, 0, 0, dfx.RESULTS.internal_error._value], [t])


def _after(done: jax.Array, final: Any) -> Any:
    """Let the result wait until the end is reported: a failed solve may stop the program with its error."""
    result = final.result._value
    waiting = lenient(lambda: jnp.where(done == -1, -1, result).astype(result.dtype))()
    return eqx.tree_at(lambda s: s.result._value, final, waiting)
