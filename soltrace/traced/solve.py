"""`soltrace.diffeqsolve`: diffrax's, that reports what it does.

Traced side.
"""

import inspect
from collections.abc import Mapping
from functools import wraps
from typing import Any

import diffrax as dfx
import numpy as np
from jax.extend.core import unsafe_am_i_under_a_jit_DO_NOT_USE as under_a_jit  # pyright: ignore[reportPrivateImportUsage]

from soltrace import host
from soltrace.traced.adjoint import TracedAdjoint


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
    adjoint = kwargs.pop("adjoint", None)
    if isinstance(adjoint, TracedAdjoint):
        attributes = adjoint.attributes | dict(attributes or {})
        adjoint = adjoint.inner
    if not host.enabled():
        return dfx.diffeqsolve(*args, **kwargs, **({} if adjoint is None else {"adjoint": adjoint}))
    return dfx.diffeqsolve(*args, adjoint=reporting(adjoint, attributes), **kwargs)


def reporting(adjoint: dfx.AbstractAdjoint | None, attributes: Mapping[str, Any] | None = None) -> TracedAdjoint:
    """Wrap an adjoint for one call of `diffrax.diffeqsolve`, made by whoever calls this."""
    # Under jit the caller is unknown: what is traced now runs later, for others. An experiment tells then. Otherwise it
    # is data: as a Python number it would be a part of the key under which diffrax caches the compiled solve.
    context = 0 if under_a_jit() else np.int32(host.current_context())
    return TracedAdjoint(adjoint, attributes=attributes, context=context)


def _signature() -> inspect.Signature:
    theirs = inspect.signature(dfx.diffeqsolve)
    ours = inspect.signature(diffeqsolve, follow_wrapped=False).parameters["attributes"]
    return theirs.replace(parameters=[*theirs.parameters.values(), ours])


diffeqsolve.__signature__ = _signature()  # type: ignore[attr-defined]
