"""What is known of a solve while it is traced: names, limits, the checkpointing scheme, and where its numbers are.

Traced side.
"""

import math
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from diffrax._term import WrapTerm  # no public name
from msgspec import UNSET, UnsetType

from soltrace import host
from soltrace.traced._jax import lenient
from soltrace.traced.final_time import is_located
from soltrace.traced.ways import Way, way_of
from soltrace.wire.records import Attribute

# Equinox numbers the members of an enumeration in the order of their definition, those it inherits first.
_RESULTS = tuple(sorted(dfx.RESULTS._name_to_item, key=lambda name: int(dfx.RESULTS._name_to_item[name]._value)))  # type: ignore[attr-defined]


def describe_solve(
    adjoint: dfx.AbstractAdjoint,
    solve: dict[str, Any],
    *,
    attributes: tuple[tuple[str, Attribute], ...] = (),
    registered: object = None,
    traced_attributes: tuple[str, ...] = (),
    watched: tuple[str, ...] = (),
    sharded: Any = "",
) -> host.SolveInfo:
    """Describe a solve from the arguments that diffrax hands to its adjoint."""
    return host.SolveInfo(
        solver=type(solve["solver"]).__name__,
        adjoint=type(adjoint).__name__,
        controller=type(solve["stepsize_controller"]).__name__,
        max_steps=solve["max_steps"],
        dtype=_dtype(solve["init_state"].y),
        results=_RESULTS,
        attributes=attributes,
        registered=registered,
        traced_attributes=traced_attributes,
        watched=watched,
        sharded=sharded,
        events_located=is_located(solve["event"]),
        throws=bool(solve["throw"]),
        backward="steps" if way_of(adjoint) is Way.THROUGH or isinstance(adjoint, dfx.BacksolveAdjoint) else "whole",
    )


def _dtype(y: Any) -> str | UnsetType:
    """Name the type of a state's numbers: of several, the one that a sum of them has."""
    types = {x.dtype for x in jtu.tree_leaves(y) if eqx.is_inexact_array(x)}
    return lenient(jnp.result_type)(*types).name if types else UNSET


def time_direction(terms: Any) -> Any:
    """Find the sign by which diffrax multiplies time so as always to integrate upwards: an integer scalar."""
    is_wrap = lambda x: isinstance(x, WrapTerm)
    wraps = [x for x in jtu.tree_leaves(terms, is_leaf=is_wrap) if is_wrap(x)]
    return wraps[0].direction if wraps else 1


def tolerances(controller: Any) -> tuple[Any, Any]:
    """Find rtol and atol of a step size controller or of the one that it wraps; NaN where it has none."""
    while not hasattr(controller, "rtol") and hasattr(controller, "controller"):
        controller = controller.controller
    return tuple(_scalar(getattr(controller, name, None)) for name in ("rtol", "atol"))  # type: ignore[return-value]


def _scalar(value: Any) -> Any:
    return math.nan if value is None or jnp.ndim(value) else value
