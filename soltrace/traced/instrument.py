"""The loop that every adjoint of diffrax runs, with reports in it, and otherwise the same.

Traced side. Whatever an adjoint does, it runs its solve by one function of diffrax's: through `self._loop`, through an
adjoint that it holds or has just made, or by name. So that function is the place to stand. It is replaced once, by one
that looks at the state that goes in: where that carries a `PassCarry`, the loop gets a `while_loop` whose body has a
gate (which reports on the way forwards) and a tap (which reports on the way back). Any other loop is left alone.

Not a subclass of each adjoint, with a `_loop` of its own: that is never read where the adjoint hands its work to
another one, and jax keeps every class for good.
"""

import dataclasses
import weakref
from collections.abc import Callable
from functools import wraps
from typing import Any, Final

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from diffrax import _integrate  # no public name
from jax.core import eval_jaxpr

from soltrace import host
from soltrace.traced._jax import join_arrays, split_arrays, stage
from soltrace.traced.blocks import in_blocks
from soltrace.traced.chunk import has_chunks
from soltrace.traced.cotangent_row import empty_row
from soltrace.traced.cotangents import Cotangents, names
from soltrace.traced.describe import time_direction
from soltrace.traced.forward_half import in_forward_half
from soltrace.traced.gate import first_pace, gate
from soltrace.traced.loop import bind_loop
from soltrace.traced.marks import over
from soltrace.traced.nonfinite import first_nonfinite, nothing_found, with_found
from soltrace.traced.note import Wanted, note
from soltrace.traced.observed import Observed, step_noted
from soltrace.traced.recompute import Scheme, scheme
from soltrace.traced.tap import tap
from soltrace.traced.watch import Watching
from soltrace.wire.warn import warn_once


class LoopRun:
    """What is learned of a loop while it is traced."""

    def __init__(self) -> None:
        """Nothing is known before."""
        self._pace: Callable[[], Any] = lambda: None
        self.recomputed: Scheme | None = None
        """How often a backward pass through it evaluates a step again."""

    def ended_with(self, pace: jax.Array) -> None:
        """Note what came out of it: weakly, because a tracer must not outlive its trace."""
        self._pace = weakref.ref(pace)

    def is_handed_on(self, state: Any) -> bool:
        """Say whether this state is what came out, and nothing stands between the two that is differentiated first.

        Out of a function with derivatives of its own, which an adjoint may have put around the loop, comes a copy.
        """
        return isinstance(state, PassCarry) and state.pace is not None and self._pace() is state.pace


@dataclasses.dataclass(frozen=True)
class LoopSignals:
    """What a loop sends to the host."""

    step: host.Signal
    """At the steps that the host asks for."""
    info: host.SolveInfo
    backward: bool
    """Whether it is tapped too, for a backward pass that goes through it."""
    in_chunks: bool = True
    """Whether it may run in chunks where nothing differentiates it."""
    unread: tuple[str, ...] | None = ()
    """Fields of the final state that neither the adjoint nor diffrax reads; None: all may be read."""
    wanted: Wanted | None = None
    """What is told of each step, if anything is."""
    cotangents: Cotangents | None = None
    """Looks at those of a backward pass, if they are watched."""
    run: LoopRun = dataclasses.field(default_factory=LoopRun)


class PassCarry(eqx.Module):
    """What a solve's state carries of ours, in the field of its progress meter's state."""

    user: Any
    """The state of the user's progress meter."""
    start: tuple[jax.Array, ...] | None
    """The host's answer to the start, int32 scalars (handle of the pass, first step wanted); None inside the loop."""
    signals: LoopSignals = eqx.field(static=True)
    watch: Watching | None = None
    """What the user watches; None inside the loop."""
    pace: jax.Array | None = None
    """float32[2], once a loop has begun: see `soltrace.traced.gate` and `soltrace.traced.tap`."""
    row: jax.Array | None = None
    """Where cotangents are watched: see `soltrace.traced.cotangent_row`."""


class UsersMeter(dfx.AbstractProgressMeter[Any]):
    """Steps the user's progress meter, whose state is inside a `PassCarry`."""

    meter: dfx.AbstractProgressMeter[Any]

    def init(self) -> Any:
        """Begin a solve that isn't ours: of an adjoint that solves by itself, with the meter that it was given."""
        return self.meter.init()

    def step(self, state: Any, progress: Any) -> Any:
        """Step the user's meter."""
        if not isinstance(state, PassCarry):
            return self.meter.step(state, progress)
        return dataclasses.replace(state, user=self.meter.step(state.user, progress))

    def close(self, state: Any) -> None:
        """End a solve that isn't ours."""
        self.meter.close(state)


def _reporting(loop: Callable[..., Any]) -> Callable[..., Any]:
    """Make a loop of diffrax's report, where it is that of a pass."""

    @wraps(loop)
    def run(*, init_state: Any, outer_while_loop: Any, t0: Any, args: Any, terms: Any, **kwargs: Any) -> Any:
        # Closes over no tracer: backsolve calls it inside a `custom_vjp` of its own.
        carry = init_state.progress_meter_state
        if isinstance(carry, PassCarry) and carry.start is not None:
            carry.signals.run.recomputed = scheme(outer_while_loop, kwargs.get("max_steps"))
            observed = None
            if carry.signals.wanted is not None:
                observed = Observed()
                watched = observed.watch(kwargs["solver"], kwargs["stepsize_controller"])
                kwargs |= dict(zip(("solver", "stepsize_controller"), watched, strict=True))
            direction = time_direction(terms)
            quantities = lambda state: [] if carry.watch is None else carry.watch.at(state, direction, args)
            name: Callable[[Any], str] = str
            if carry.signals.cotangents is not None:
                name = names(args=args, terms=terms, t0=t0, **{given: kwargs.get(given) for given in _GIVEN})
            outer_while_loop = _ReportingWhile(outer_while_loop, carry.signals, t0, observed, quantities, name)
            if _is_eager() and carry.signals.backward:
                init_state, args, terms = _end_of_backward(init_state, args, terms)
        return loop(init_state=init_state, outer_while_loop=outer_while_loop, t0=t0, args=args, terms=terms, **kwargs)

    return run


_integrate.loop = _reporting(_integrate.loop)
_GIVEN: Final = ("t1", "dt0", "saveat", "stepsize_controller", "solver", "event")
"""What else a loop may close over."""


def _is_eager() -> bool:
    return jax.config.jax_disable_jit  # pyright: ignore[reportAttributeAccessIssue]


def _end_of_backward(init: Any, args: Any, terms: Any) -> tuple[Any, Any, Any]:
    """Tap what goes into the loop; without a trace, it isn't known what else its body closes over."""
    carry: PassCarry = init.progress_meter_state
    start: Any = carry.start
    inputs = (_with_meter(init, None), args, terms)
    inputs, pace = tap(host.Signal.BACKWARD_END, carry.signals.info, inputs, first_pace(start), start[:1])
    (state, args, terms), row = inputs, None
    if carry.signals.cotangents is not None:
        given = {"y0": state.y, "args": args, "terms": terms}
        (y, args, terms), row, pace = carry.signals.cotangents.leaving_trees(given, pace)
        state = dataclasses.replace(state, y=y)
    return _with_meter(state, dataclasses.replace(carry, pace=pace, row=row)), args, terms


def run_loop(
    adjoint: dfx.AbstractAdjoint,
    solve: dict[str, Any],
    start: tuple[jax.Array, ...],
    signals: LoopSignals,
    *,
    known: bool,
    watch: Watching | None = None,
) -> Any:
    """Run an adjoint's loop as that of a pass; or bare, where an adjoint of the user's can't bear what that adds.

    Args:
        adjoint: The adjoint.
        solve: What diffrax has handed to it.
        start: The host's answer to the start, int32 scalars (handle of the pass, first step wanted).
        signals: What the loop sends to the host.
        known: Whether its `loop` is one of diffrax's.
        watch: What the user watches.

    Returns:
        The final state and diffrax's auxiliary statistics.
    """
    state = _with_meter(solve["init_state"], PassCarry(solve["init_state"].progress_meter_state, start, signals, watch))
    try:
        return adjoint.loop(**solve | {"init_state": state, "progress_meter": UsersMeter(solve["progress_meter"])})
    except Exception as error:
        if known:
            raise
        cause = f"{type(error).__name__}: {error}"
    outcome = adjoint.loop(**solve)  # raises too, if it is the solve that is at fault
    warn_once(
        f"steps of solves by {type(adjoint).__name__} are not reported, for its loop fails with ours in it: {cause}"
    )
    return outcome


def report_of(state: Any) -> list[Any]:
    """Pick what a report tells from diffrax's state: steps attempted, steps accepted, code of the result, t."""
    return [state.num_steps, state.num_accepted_steps, state.result._value, state.tprev]


@dataclasses.dataclass(frozen=True)
class _ReportingWhile:
    """A `while_loop` of equinox's whose body reports."""

    while_loop: Any
    signals: LoopSignals
    t0: Any
    observed: Observed | None
    """Where it is seen what the body computes, if that is told."""
    quantities: Callable[[Any], list[Any]]
    """What the user watches, of a state."""
    name: Callable[[Any], str]
    """Names an array that the body closes over, where cotangents are watched."""

    def __call__(self, cond: Any, body: Any, init: Any, **kwargs: Any) -> Any:
        meter: PassCarry = init.progress_meter_state
        final = self._run(cond, body, init, meter.start, **kwargs)
        ended = final.progress_meter_state
        if ended.pace is not None:
            self.signals.run.ended_with(ended.pace)
        return _with_meter(final, dataclasses.replace(ended, start=meter.start, watch=meter.watch))

    def _run(self, cond: Any, body: Any, init: Any, start: Any, **kwargs: Any) -> Any:
        given: PassCarry = init.progress_meter_state
        watched = self.signals.cotangents is not None and self.signals.backward
        row = empty_row(list(filter(eqx.is_inexact_array, jtu.tree_leaves(init.y)))) if watched else None
        own = {"pace": given.pace, "row": given.row} if _is_eager() and given.pace is not None else {}
        meter = dataclasses.replace(
            given, **{"start": None, "watch": None, "pace": first_pace(start), "row": row} | own
        )
        init = jtu.tree_map(lambda x: jnp.asarray(x) if eqx.is_array_like(x) else x, _with_meter(init, meter))
        body = self._reporting(cond, body)
        if _is_eager():  # a staged loop would round differently from the single operations
            return self.while_loop(cond, body, init, **kwargs)
        return self._staged(lambda state: self.while_loop(cond, body, state, **kwargs), init, start)

    def _reporting(self, cond: Any, body: Any) -> Any:
        signals = self.signals

        def reporting(state: Any) -> Any:
            # The state as it comes in: under vmap that of a finished lane stays as it is, what goes out does not.
            meter = state.progress_meter_state
            told = [*report_of(state), *self.quantities(state)]
            pace = gate(meter.pace, signals.step, signals.info, told)
            if signals.backward:
                sent = [state.num_steps, state.tprev, self.t0]
                _, pace = tap(host.Signal.BACKWARD_STEP, signals.info, None, pace, sent)
            over: Callable[[Any], Any] = lambda after: after
            row = meter.row
            if row is not None and signals.cotangents is not None:
                state, row, over = signals.cotangents.stepping(state, row)
            into = _with_meter(state, dataclasses.replace(meter, pace=pace, row=row))
            return over(body(into) if self.observed is None else self._noting(cond, body, into, self.observed))

        return reporting

    def _noting(self, cond: Any, body: Any, state: Any, observed: Observed) -> Any:
        """Note at the end of a step what it was like."""
        observed.look()
        after = body(state)
        meter, wanted = after.progress_meter_state, self.signals.wanted
        if wanted is not None:
            ints, floats, components = step_noted(state, after, observed, cond(after), wanted)
            found, places = nothing_found(), ()
            if wanted.nonfinite is not None:
                found, places = first_nonfinite(state, observed, wanted.roots)
            info = dataclasses.replace(wanted.info, places=places, components=components)
            wanted = dataclasses.replace(wanted, info=info)
            noted = note(meter.pace, wanted, cond(state), *with_found(ints, floats, found))
            meter = dataclasses.replace(meter, pace=noted)
        observed.forget()
        return _with_meter(after, meter)

    def _staged(self, loop: Any, init: Any, start: Any) -> Any:
        """Trace the loop once, and bind it as one primitive if it can run in chunks."""
        closed, leaves, out_rest = stage(loop, init)
        consts, leaves = self._end_of_backward(closed.consts, leaves, init, start)
        # In chunks, the last bit of a backsolve's forward half may differ from jax 0.11 on.
        in_chunks = self.signals.in_chunks and not in_forward_half()
        if in_chunks and has_chunks(closed.jaxpr) and not closed.jaxpr.effects:
            used, counts = self._used(out_rest)
            outs = bind_loop(closed.replace(consts=consts), leaves, used=used, counts=counts)
        else:  # a bounded loop rounds differently from a `while`, and what has an effect must stay what it is
            jaxpr = closed.jaxpr if closed.jaxpr.effects else in_blocks(closed.jaxpr)
            outs = eval_jaxpr(over(jaxpr), consts, *leaves)
        return join_arrays(outs, out_rest)

    def _end_of_backward(self, consts: Any, leaves: Any, init: Any, start: Any) -> tuple[list[Any], list[Any]]:
        """Tap whatever goes into the loop: once its cotangents leave, the backward pass is over."""
        if not self.signals.backward:
            return list(consts), list(leaves)
        pace = init.progress_meter_state.pace
        others = [None if leaf is pace else leaf for leaf in leaves]
        signal = host.Signal.BACKWARD_END
        (tapped, others), pace_after = tap(signal, self.signals.info, (list(consts), others), pace, start[:1])
        if self.signals.cotangents is not None:
            named = [self.name(const) for const in consts]
            tapped, others, pace_after = self._watched(named, tapped, others, pace_after, init)
        return tapped, [pace_after if leaf is pace else other for leaf, other in zip(leaves, others, strict=True)]

    def _watched(
        self, named: list[str], consts: list[Any], leaves: list[Any], pace: jax.Array, init: Any
    ) -> tuple[list[Any], list[Any], jax.Array]:
        """Look at the cotangents of the initial state, and of what the loop closes over."""
        _, (treedef, _) = split_arrays(init)
        places = jtu.tree_unflatten(treedef, range(treedef.num_leaves))
        (row,), cotangents = jtu.tree_leaves(places.progress_meter_state.row), self.signals.cotangents
        seen = [("y0" + jtu.keystr(path), leaves, i) for path, i in jtu.tree_leaves_with_path(places.y)]
        seen += [(name, consts, i) for i, name in enumerate(named)]
        seen = [one for one in seen if eqx.is_inexact_array(one[1][one[2]]) and one[1][one[2]].size]
        states = sum(held is leaves for _, held, _ in seen)
        if cotangents is not None:
            values = [(name, held[i]) for name, held, i in seen]
            values, leaves[row], pace = cotangents.leaving(values, leaves[row], pace, states)
            for (_, held, i), value in zip(seen, values, strict=True):
                held[i] = value
        return consts, leaves, pace

    def _used(self, out_rest: Any) -> tuple[frozenset[int] | None, frozenset[int]]:
        """Find which leaves of the final state are read, or None for all, and which are diffrax's own counts."""
        treedef, _ = out_rest
        state = jtu.tree_unflatten(treedef, range(treedef.num_leaves))
        counts = [state.num_steps, state.num_accepted_steps, state.num_rejected_steps, state.result]
        if self.signals.unread is None:
            return None, frozenset(jtu.tree_leaves(counts))
        meter = state.progress_meter_state
        unread = [state.num_rejected_steps, state.tnext, meter.pace, meter.row]
        unread += [getattr(state, name) for name in self.signals.unread]
        used = frozenset(jtu.tree_leaves(state)) - frozenset(jtu.tree_leaves(unread))
        return used, frozenset(jtu.tree_leaves(counts))


def _with_meter(state: Any, meter: Any) -> Any:
    return eqx.tree_at(lambda s: s.progress_meter_state, state, meter, is_leaf=lambda x: x is None)
