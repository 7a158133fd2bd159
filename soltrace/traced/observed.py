"""A solver and a step size controller that let be seen what they compute, and otherwise are the same.

Traced side. Not a proxy, nor a class of our own: diffrax asks of both what they are. A copy gets its method as an
attribute of its own, which no flattening of a pytree keeps: where that happens, nothing is seen, and nothing else
changes. Of a controller of the user's own, it is not known in what it calls another one: an error estimate is looked
for only where diffrax's own classes hand it on.
"""

import copy
import math
from collections.abc import Callable
from typing import Any, Final

import diffrax as dfx
import jax.numpy as jnp

from soltrace import host
from soltrace.host import StepCode
from soltrace.traced._jax import lenient
from soltrace.traced.largest_error import largest_error
from soltrace.traced.note import Wanted

_ROOT_MEAN_SQUARE: Final = dfx.PIDController(rtol=1.0, atol=1.0).norm
"""Its own norm. Of another one it is not known what it makes of a part."""


class Observed:
    """What is seen while the body of a loop is traced.

    Nothing before, and afterwards it is forgotten: a tracer must not outlive its trace. diffrax asks a solver for a
    step elsewhere too, to know what that would return.
    """

    def __init__(self) -> None:
        """Nothing is seen before."""
        self.forget()

    def look(self) -> None:
        """See what is computed from now on."""
        self.forget()
        self._looks = True

    def forget(self) -> None:
        """See nothing, and have seen nothing."""
        self._looks = False
        self.error: Any = None
        """The scaled error estimate: a float scalar."""
        self.errors: Any = None
        """That of each number of the state, where `error` is their root mean square."""
        self.result: Any = None
        """How the solver's step ended: one of `diffrax.RESULTS`."""
        self.outcome: Any = None
        """All that the solver's step returned."""

    def watch(self, solver: Any, controller: Any) -> tuple[Any, Any]:
        """Copy a solver and a controller, so that what they compute is seen."""
        return self._watched_solver(solver), self._watched_controller(controller)

    def _watched_solver(self, solver: Any) -> Any:
        step = solver.step

        def watched(*args: Any, **kwargs: Any) -> Any:
            outcome = step(*args, **kwargs)
            if self._looks:
                self.outcome, self.result = outcome, outcome[-1]
            return outcome

        return _with(solver, "step", watched)

    def _watched_controller(self, controller: Any) -> Any:
        if type(controller) is dfx.ClipStepSizeController:
            inner = self._watched_controller(controller.controller)
            return controller if inner is controller.controller else _with(controller, "controller", inner)
        if getattr(type(controller), "adapt_step_size", None) is not dfx.PIDController.adapt_step_size:
            return controller
        norm: Callable[[Any], Any] = controller.norm

        def watched_norm(x: Any) -> Any:
            error = norm(x)
            if self._looks:
                self.error, self.errors = error, x if norm is _ROOT_MEAN_SQUARE else None
            return error

        adapting = _with(controller, "norm", watched_norm)
        # Only while it adapts: an event may take the norm for its own.
        return _with(controller, "adapt_step_size", adapting.adapt_step_size)


def _with(module: Any, name: str, value: Any) -> Any:
    changed = copy.copy(module)
    object.__setattr__(changed, name, value)
    return changed


@lenient
def step_noted(
    before: Any, after: Any, observed: Observed, goes_on: Any, wanted: Wanted
) -> tuple[list[Any], list[Any], tuple[host.Place, ...]]:
    """Find what there is to note of a step.

    Args:
        before: diffrax's state when it began.
        after: diffrax's state when it was over.
        observed: What was seen meanwhile.
        goes_on: bool scalar: whether the solve goes on after it.
        wanted: What is told of it.

    Returns:
        Scalars: step, code, largest; t0, t1, error, share. And the arrays of the state, whose elements `largest`
        counts.
    """
    error, result, okay = observed.error, observed.result, dfx.RESULTS.successful
    bits = {
        StepCode.ACCEPTED: after.num_accepted_steps > before.num_accepted_steps,
        StepCode.UNSOLVED: False if result is None else result != okay,
        StepCode.JUMP: after.made_jump,
        StepCode.EVENT: after.result == dfx.RESULTS.event_occurred,
        StepCode.UNFINISHED: goes_on,
        StepCode.FAILED: (after.result != okay) & (after.result != dfx.RESULTS.event_occurred),
    }
    code = sum(jnp.asarray(bit).astype(jnp.int32) * value for value, bit in bits.items() if bit is not False)
    code = code + (StepCode.CONTROLLED if error is not None else 0)
    errors = None if wanted.steps is None else observed.errors
    errs, share, components = largest_error(errors, wanted.roots)
    times = before.tprev, before.tnext
    return [before.num_steps, code, errs], [*times, math.nan if error is None else error, share], components
