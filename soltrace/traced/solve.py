"""`soltrace.diffeqsolve`: `diffrax.diffeqsolve`, and a report of what it does.

Traced side, on the caller's thread.
"""

import inspect
from collections.abc import Mapping
from contextlib import nullcontext
from functools import wraps
from typing import Any, Final

import diffrax as dfx
from diffrax import _integrate  # no public name

from soltrace import host
from soltrace.callers.jit_key import KEY
from soltrace.traced._jax import under_a_jit
from soltrace.traced.adjoint import TracedAdjoint
from soltrace.traced.compiling import tracing
from soltrace.traced.meter import silenced
from soltrace.traced.solve_attributes import check_attributes
from soltrace.traced.watch import Watchable, watch_of

DIFFRAX_SOLVE: Final[Any] = _integrate.diffeqsolve
"""`diffrax.diffeqsolve`, not looked up by that name, where programs put ours, or what calls ours."""


@wraps(DIFFRAX_SOLVE, assigned=("__annotations__",), updated=())
def diffeqsolve(
    *args: Any,
    attributes: Mapping[str, Any] | None = None,
    detail: str | None = None,
    watch: Watchable = None,
    **kwargs: Any,
) -> dfx.Solution:
    """Solve a differential equation as `diffrax.diffeqsolve` does, and report the passes of the solve.

    Under `jit` the solve reports whenever the compiled program runs; under `vmap` one report carries all lanes; under
    `grad` the backward pass is a pass of its own. Where telemetry is disabled, this is `diffrax.diffeqsolve`.

    Args:
        *args: As for `diffrax.diffeqsolve`.
        attributes: Names and values to put on every line and span of this solve. A value is a bool, an int, a float, a
            string, a list of them, or an array with at most one axis of its own, which may be traced. No value causes
            a recompilation, except that inside a program of your own a value that is no array is a constant of it.
        detail: What is told of single steps: `"steps"`, every one; `"failures"`, the last ones of each lane that fails;
            or `"none"`. Defaults to what `soltrace.configure` was told.
        watch: `"nonfinite"`: tell the first value that is not finite, of the solve and of its gradient, and whether it
            has exploded. A mapping of names to functions of `t`, `y` and `args` that return a scalar: tell what each
            is, whenever progress is told. Or a list of both.
        **kwargs: As for `diffrax.diffeqsolve`. A `progress_meter` works as it would alone, but for
            `soltrace.ProgressMeter`, which reports nothing that the solve doesn't.

    Returns:
        The solution that `diffrax.diffeqsolve` returns, equal to the bit. What that raises, this raises too.

    Raises:
        soltrace.AttributeValueError: An attribute is of another type.
        soltrace.ConfigurationError: There is no such detail, or nothing of the kind can be watched.

    Example:
        >>> import diffrax
        >>> import jax.numpy as jnp
        >>> import soltrace
        >>> term = diffrax.ODETerm(lambda t, y, args: -y)
        >>> for seed in range(2):
        ...     y0 = jnp.array(1.0 + seed)
        ...     solution = soltrace.diffeqsolve(term, diffrax.Tsit5(), 0.0, 1.0, 0.1, y0, attributes={"seed": seed})
        ...     print(f"{solution.ys[0]:.3f}")
        0.368
        0.736
    """
    if host.enabled():
        # An eager solve is told its caller as data, so that one compiled program serves all threads.
        with nullcontext() if under_a_jit() else KEY.setting(0):
            return DIFFRAX_SOLVE(*args, **kwargs | reporting(kwargs, attributes, detail, watch))
    check_attributes(attributes)
    host.detail(detail)
    watch_of(watch)
    adjoint = kwargs.pop("adjoint", None)
    adjoint = adjoint.inner if isinstance(adjoint, TracedAdjoint) else adjoint
    return DIFFRAX_SOLVE(*args, **kwargs, **({} if adjoint is None else {"adjoint": adjoint}))


def reporting(
    arguments: Mapping[str, Any],
    more: Mapping[str, Any] | None = None,
    detail: str | None = None,
    watch: Watchable = None,
) -> dict[str, Any]:
    """Find the arguments with which one call of `diffrax.diffeqsolve`, made by whoever calls this, reports.

    Args:
        arguments: Of that call, by name.
        more: Attributes of that solve, beside those that its adjoint has already.
        detail: What is told of each of its steps; None: what its adjoint says.
        watch: What of it is watched; None: what its adjoint says.

    Returns:
        The arguments to replace.
    """
    tracing(anew=True)
    adjoint = arguments.get("adjoint")
    if not isinstance(adjoint, TracedAdjoint):
        adjoint = TracedAdjoint(adjoint)
    attributes = adjoint.attributes.updated(more).called_here()
    own: dict[str, Any] = {"attributes": attributes, "context": adjoint.context, "detail": detail or adjoint.detail}
    own |= {"watch": adjoint.watch if watch is None else watch}
    replaced: dict[str, Any] = {"adjoint": TracedAdjoint(adjoint.inner, **own)}
    if "progress_meter" in arguments:
        replaced["progress_meter"] = silenced(arguments["progress_meter"])
    return replaced


def _signature() -> inspect.Signature:
    theirs = inspect.signature(DIFFRAX_SOLVE)
    ours = inspect.signature(diffeqsolve, follow_wrapped=False).parameters
    return theirs.replace(
        parameters=[*theirs.parameters.values(), *(ours[name] for name in ("attributes", "detail", "watch"))]
    )


diffeqsolve.__signature__ = _signature()  # type: ignore[attr-defined]
