"""One of diffrax's adjoints with a loop that reports, and is otherwise the same.

Traced side. Every adjoint of diffrax runs its solve through `self._loop(outer_while_loop=...)`. A subclass made on the
spot overrides that one property, so that each `isinstance` check of diffrax's still holds, and hands the loop a
`while_loop` whose body has a gate (which reports on the way forwards) and a tap (which reports on the way back).
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax.core import eval_jaxpr

from soltrace import host
from soltrace.traced.chunk import ChunkReport, has_gated_while
from soltrace.traced.gate import first_pace, gate
from soltrace.traced.loop import bind_loop
from soltrace.traced.tap import tap


class PassCarry(eqx.Module):
    """What a solve's state carries of ours, in the field of its progress meter's state."""

    user: Any
    """The state of the user's progress meter."""
    start: tuple[jax.Array, ...] | None
    """The host's answer to the start, int32 scalars (handle of the pass, first step wanted), until the loop begins."""
    pace: jax.Array | None = None
    """float32[2], from then on: see `soltrace.traced.gate` and `soltrace.traced.tap`."""


class UsersMeter(dfx.AbstractProgressMeter[Any]):
    """Steps the user's progress meter, whose state is inside a `PassCarry`."""

    meter: dfx.AbstractProgressMeter[Any]

    def init(self) -> Any:
        """Never called: diffrax calls that of the user's meter, before it enters the adjoint's loop."""
        raise NotImplementedError

    def step(self, state: PassCarry, progress: Any) -> PassCarry:
        """Step the user's meter."""
        return dataclasses.replace(state, user=self.meter.step(state.user, progress))

    def close(self, state: Any) -> None:
        """Never called: diffrax calls that of the user's meter, after it has left the adjoint's loop."""
        raise NotImplementedError


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


def with_reporting_loop(inner: Any, signals: LoopSignals, unread: tuple[str, ...], **overrides: Any) -> Any:
    """Copy an adjoint and let its loop report.

    Args:
        inner: The adjoint.
        signals: What its loop sends to the host.
        unread: Fields of the final state that diffrax won't read.
        **overrides: Fields of the adjoint to replace.
    """
    cls = type(inner)
    subclass = type(cls.__name__, (cls,), {"_loop": property(lambda self: _reporting_loop(self, cls, signals, unread))})
    copy = object.__new__(subclass)
    for field in dataclasses.fields(cls):
        object.__setattr__(copy, field.name, overrides.get(field.name, getattr(inner, field.name)))
    return copy


def _reporting_loop(self: Any, cls: type, signals: LoopSignals, unread: tuple[str, ...]) -> Callable[..., Any]:
    # Closes over no tracer: backsolve calls it inside a `custom_vjp` of its own.
    loop = cls._loop.fget(self)  # type: ignore[attr-defined]

    def run(*, outer_while_loop: Any, t0: Any, t1: Any, **kwargs: Any) -> Any:
        reporting = _ReportingWhile(outer_while_loop, signals, unread, t0)
        return loop(outer_while_loop=reporting, t0=t0, t1=t1, **kwargs)

    return run


def report_of(state: Any) -> list[Any]:
    """Pick what a report tells from diffrax's state: steps attempted, steps accepted, code of the result, t."""
    return [state.num_steps, state.num_accepted_steps, state.result._value, state.tprev]


@dataclasses.dataclass(frozen=True)
class _ReportingWhile:
    """A `while_loop` of equinox's whose body reports."""

    while_loop: Any
    signals: LoopSignals
    unread: tuple[str, ...]
    t0: Any

    def __call__(self, cond: Any, body: Any, init: Any, **kwargs: Any) -> Any:
        meter = init.progress_meter_state
        init = _with_meter(init, dataclasses.replace(meter, start=None, pace=first_pace(meter.start)))
        init = jtu.tree_map(lambda x: jnp.asarray(x) if eqx.is_array_like(x) else x, init)
        body = self._reporting(body)
        # A staged loop would round differently from the single operations.
        if jax.config.jax_disable_jit:  # pyright: ignore[reportAttributeAccessIssue]
            return self.while_loop(cond, body, self._end_of_backward_eagerly(init, meter.start), **kwargs)
        return self._staged(lambda state: self.while_loop(cond, body, state, **kwargs), init, meter.start)

    def _reporting(self, body: Any) -> Any:
        signals = self.signals

        def reporting(state: Any) -> Any:
            # The state as it comes in: under vmap that of a finished lane stays as it is, what goes out does not.
            meter = state.progress_meter_state
            pace = gate(meter.pace, signals.step, signals.info, report_of(state))
            if signals.backward:
                sent = [state.num_steps, state.tprev, self.t0]
                _, pace = tap(host.Signal.BACKWARD_STEP, signals.info, None, pace, sent)
            return body(_with_meter(state, dataclasses.replace(meter, pace=pace)))

        return reporting

    def _staged(self, loop: Any, init: Any, start: Any) -> Any:
        """Trace the loop once, and bind it as one primitive if it can run in chunks."""
        leaves, rest = _split_arrays(init)
        out_rest = []

        def flat(*leaves: Any) -> list[Any]:
            out, static = _split_arrays(loop(_join_arrays(leaves, rest)))
            out_rest.append(static)
            return out

        closed = jax.make_jaxpr(flat)(*leaves)
        pace = init.progress_meter_state.pace
        consts, leaves = self._end_of_backward(closed.consts, leaves, pace, start)
        if self.signals.in_chunks and has_gated_while(closed.jaxpr) and not closed.jaxpr.effects:
            closed = closed.replace(consts=consts)
            used, report = self._used(out_rest[-1])
            outs = bind_loop(closed, leaves, start=start, used=used, report=report)
        else:  # a bounded loop rounds differently from a `while`, and what has an effect must stay what it is
            outs = eval_jaxpr(closed.jaxpr, consts, *leaves)
        return _join_arrays(outs, out_rest[-1])

    def _end_of_backward(self, consts: Any, leaves: Any, pace: Any, start: Any) -> tuple[list[Any], list[Any]]:
        """Tap whatever goes into the loop: once its cotangents leave, the backward pass is over."""
        if not self.signals.backward:
            return list(consts), list(leaves)
        others = [None if leaf is pace else leaf for leaf in leaves]
        signal = host.Signal.BACKWARD_END
        (consts, others), tapped = tap(signal, self.signals.info, (list(consts), others), pace, start[:1])
        return consts, [tapped if leaf is pace else other for leaf, other in zip(leaves, others, strict=True)]

    def _end_of_backward_eagerly(self, init: Any, start: Any) -> Any:
        """Tap the state that goes into the loop; without a trace it isn't known what its body closes over."""
        if not self.signals.backward:
            return init
        pace = init.progress_meter_state.pace
        state = _with_meter(init, None)
        state, pace = tap(host.Signal.BACKWARD_END, self.signals.info, state, pace, start[:1])
        return _with_meter(state, dataclasses.replace(init.progress_meter_state, pace=pace))

    def _used(self, out_rest: Any) -> tuple[frozenset[int], ChunkReport]:
        """Find which leaves of the final state diffrax reads, and which of them a report tells."""
        treedef, _ = out_rest
        state = jtu.tree_unflatten(treedef, range(treedef.num_leaves))
        meter = state.progress_meter_state
        unread = [state.num_rejected_steps, state.tnext, meter.pace]
        unread += [getattr(state, name) for name in self.unread]
        used = frozenset(jtu.tree_leaves(state)) - frozenset(jtu.tree_leaves(unread))
        counts = [state.num_steps, state.num_accepted_steps, state.num_rejected_steps, state.result, state.save_state]
        return used, ChunkReport(
            self.signals.step, self.signals.info, tuple(report_of(state)), frozenset(jtu.tree_leaves(counts))
        )


def _with_meter(state: Any, meter: Any) -> Any:
    return eqx.tree_at(lambda s: s.progress_meter_state, state, meter, is_leaf=lambda x: x is None)


def _split_arrays(tree: Any) -> tuple[list[Any], Any]:
    """Flatten a pytree into its arrays, and all that `_join_arrays` needs beside them."""
    arrays, static = eqx.partition(tree, eqx.is_array)
    leaves, treedef = jtu.tree_flatten(arrays)
    return leaves, (treedef, static)


def _join_arrays(leaves: Any, rest: Any) -> Any:
    treedef, static = rest
    return eqx.combine(jtu.tree_unflatten(treedef, leaves), static)
