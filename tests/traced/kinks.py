"""A solve whose way back meets what is not finite, and what is told of that."""

from typing import Any

import jax
import jax.numpy as jnp
from msgspec import UNSET

from soltrace.testing import Capture
from soltrace.wire.records import LaneNonfinite, PassEnded, TelemetryDropped

DT, STEPS = 0.125, 8
START = {"gate": jnp.array([1.0, 2.0]), "membrane": jnp.ones(3)}


def kinked(t: Any, y: Any, args: Any) -> Any:
    """Finite, and so is its derivative, but for that of one element at t = 0.5."""
    gate = y["gate"].at[1].mul(jnp.sqrt(jnp.where(t == 4 * DT, y["gate"][1] * 0.0, 1.0)))
    return {"gate": -gate, "membrane": -y["membrane"]}


def total(tree: Any) -> Any:
    return sum(jnp.sum(leaf) for leaf in jax.tree.leaves(tree))


def found(captured: Capture) -> list[Any]:
    """What is told of each lane, and nothing is lost."""
    records = captured.records
    assert not [record for record in records if isinstance(record, TelemetryDropped)]
    told = [record for record in records if isinstance(record, LaneNonfinite)]
    assert {record.phase for record in told} <= {"backward"}
    ends = [record.nonfinite for record in records if isinstance(record, PassEnded)]
    assert ends == [UNSET, told[0].nonfinite if told else UNSET]
    return [(record.batch_index or None, record.nonfinite) for record in told]
