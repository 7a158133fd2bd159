"""`ProgressMeter`: reports through diffrax's own interface for progress meters.

Traced side. A meter is given the progress after each attempted step and nothing else, so it reports a forward pass. It
can't see where a backward pass ends, so it reports none; what reaches it after its own end is recomputation.
"""

import copy
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax.core import Tracer

from soltrace import host
from soltrace.callers import CALLERS
from soltrace.traced._jax import lenient
from soltrace.traced.emit import emit
from soltrace.traced.gate import first_pace, gate


class _MeterState(eqx.Module):
    """What a meter knows. `None` in its place is the state of a meter that reports nothing."""

    pace: jax.Array
    calls: jax.Array
    progress: jax.Array


class ProgressMeter(dfx.AbstractProgressMeter[Any]):
    """Reports the forward pass of a solve, as one of diffrax's progress meters.

    Prefer `soltrace.diffeqsolve` or `soltrace.TracedAdjoint`: they report the backward pass too, and how a solve ended.
    Beside one of them this reports nothing.

    Example:
        >>> import diffrax
        >>> import jax.numpy as jnp
        >>> import soltrace
        >>> from soltrace.testing import capture
        >>> term = diffrax.ODETerm(lambda t, y, args: -y)
        >>> y0, meter = jnp.array(1.0), soltrace.ProgressMeter()
        >>> with capture(every=5) as told:
        ...     solution = diffrax.diffeqsolve(term, diffrax.Tsit5(), 0.0, 1.0, 0.1, y0, progress_meter=meter)
        ...     print([f"{event['progress']:.1f}" for event in told.events() if event["event"] == "pass.progress"])
        ['0.5']
    """

    enabled: bool = eqx.field(static=True, init=False)

    def __post_init__(self) -> None:
        self.enabled = host.enabled()

    def init(self) -> Any:
        """Report the start. diffrax calls this."""
        if not self.enabled:
            return None
        pace = first_pace(emit(host.Signal.METER_START, None, [CALLERS.traced()]))
        return _MeterState(pace, jnp.asarray(0, jnp.int32), jnp.asarray(0.0, jnp.float32))

    def step(self, state: Any, progress: Any) -> Any:
        """Report if the step wanted has come. diffrax calls this after each attempted step."""
        if state is None:
            return None
        progress = lenient(lambda: jax.lax.stop_gradient(jnp.asarray(progress)).astype(jnp.float32))()
        # The state as it comes in: under vmap that of a finished lane stays as it is.
        told = [state.calls, state.calls, 0, state.progress]
        pace = gate(state.pace, host.Signal.METER_STEP, None, told, in_body=False)
        return _MeterState(pace, state.calls + 1, progress)

    def close(self, state: Any) -> None:
        """Report the end. diffrax calls this."""
        if state is None:
            return
        (answer,) = emit(host.Signal.METER_END, None, [state.pace[1].astype(jnp.int32), state.calls], [state.progress])
        # Nobody takes what `close` returns, so an effect has to keep the call alive. Not `io_callback`: reverse mode
        # drops it from a scan, and `checkpoint` refuses it.
        jax.debug.callback(lambda _: None, answer)


def silenced(meter: Any) -> Any:
    """Copy a progress meter and silence each `ProgressMeter` in it, which may be the whole of it."""

    def silence(part: Any) -> Any:
        if not isinstance(part, ProgressMeter):
            return part
        silent = copy.copy(part)
        object.__setattr__(silent, "enabled", False)
        return silent

    return jtu.tree_map(silence, meter, is_leaf=lambda part: isinstance(part, ProgressMeter))


def silenced_state(state: Any) -> Any:
    """Silence each `ProgressMeter` by its state. Its start is not sent then, because nobody uses the answer."""
    return jtu.tree_map(lambda part: None if _is_ours(part) else part, state, is_leaf=_is_ours)


def has_started(state: Any) -> bool:
    """Say whether a `ProgressMeter` has reported its start already, so that the host has answered with numbers."""
    states = [part for part in jtu.tree_leaves(state, is_leaf=_is_ours) if _is_ours(part)]
    return not all(isinstance(part.pace, Tracer) for part in states)


def _is_ours(part: Any) -> bool:
    return isinstance(part, _MeterState)
