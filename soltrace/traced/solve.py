"""`soltrace.diffeqsolve`: diffrax's, with a report of what it does.

Traced side, on the caller's thread.
"""

import inspect
from collections.abc import Mapping
from functools import wraps
from typing import Any

import diffrax as dfx
import numpy as np

from soltrace import host
from soltrace.traced._jax import under_a_jit
from soltrace.traced.adjoint import TracedAdjoint
from soltrace.traced.meter import silenced
from soltrace.traced.solve_attributes import NO_ATTRIBUTES, check_attributes


@wraps(dfx.diffeqsolve)
def diffeqsolve(*args: Any, attributes: Mapping[str, Any] | None = None, **kwargs: Any) -> dfx.Solution:
    """Solve a differential equation as `diffrax.diffeqsolve` does, and report its passes.

    Takes diffrax's arguments and returns its solution, equal to the bit; raises what diffrax raises.

    Args:
        *args: As `diffrax.diffeqsolve`.
        attributes: Names and values to put on every line and span of this solve: bools, ints, floats, strings, lists of
            them, or arrays with at most one axis of their own. Arrays may be traced.
        **kwargs: As `diffrax.diffeqsolve`. A `progress_meter` works beside soltrace as it would alone.

    Raises:
        soltrace.AttributeValueError: An attribute is of no such type.
    """
    if host.enabled():
        return dfx.diffeqsolve(*args, **kwargs | reporting(kwargs, attributes))
    check_attributes(attributes)
    adjoint = kwargs.pop("adjoint", None)
    adjoint = adjoint.inner if isinstance(adjoint, TracedAdjoint) else adjoint
    return dfx.diffeqsolve(*args, **kwargs, **({} if adjoint is None else {"adjoint": adjoint}))


def reporting(arguments: Mapping[str, Any], attributes: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Find the arguments with which one call of `diffrax.diffeqsolve`, made by whoever calls this, reports.

    Args:
        arguments: Of that call, by name.
        attributes: Of that solve, beside those that its adjoint has already.

    Returns:
        The arguments to replace.
    """
    adjoint, attributes_so_far = arguments.get("adjoint"), NO_ATTRIBUTES
    if isinstance(adjoint, TracedAdjoint):
        adjoint, attributes_so_far = adjoint.inner, adjoint.attributes
    # Under jit the caller is unknown: what is traced now runs later, for others. An experiment tells then. Otherwise it
    # is data: as a Python number it would be a part of the key under which diffrax caches the compiled solve.
    context = 0 if under_a_jit() else np.int32(host.current_context())
    replaced: dict[str, Any] = {
        "adjoint": TracedAdjoint(adjoint, attributes=attributes_so_far.updated(attributes), context=context)
    }
    if "progress_meter" in arguments:
        replaced["progress_meter"] = silenced(arguments["progress_meter"])
    return replaced


def _signature() -> inspect.Signature:
    theirs = inspect.signature(dfx.diffeqsolve)
    ours = inspect.signature(diffeqsolve, follow_wrapped=False).parameters["attributes"]
    return theirs.replace(parameters=[*theirs.parameters.values(), ours])


diffeqsolve.__signature__ = _signature()  # type: ignore[attr-defined]
