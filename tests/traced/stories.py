"""What a solve told, in short: one line a record, so that a whole list of events can be read and compared.

    1.forward started [2] batch
    1.forward[0] ended ok successful 4+0
    1.forward[1] 2/0.500
    1.forward 2/0.500
    1.forward ended ok successful 8+0

`2/0.500`: step 2, progress one half. `4+0`: steps accepted and rejected; `&4`: recomputed.
"""

from collections.abc import Iterable
from typing import Any

import jax
import numpy as np


def story(events: Iterable[dict[str, Any]]) -> list[str]:
    """Tell the events of passes in short."""
    return [_line(event) for event in events]


def _line(event: dict[str, Any]) -> str:
    what = f"{event['pass_id'].removeprefix('run.')}"
    if "batch_index" in event:
        what += str(event["batch_index"]).replace(" ", "")
    kind = event["event"].split(".")[1]
    if kind == "started":
        batch = f" {event['batch_shape']}" if event["batch_shape"] else ""
        return f"{what} started{batch}"
    place = f"{event['step']}/{event['progress']:.3f}"
    if kind == "progress":
        return f"{what} {place}"
    outcome = "" if event["result"] == "successful" else f" {event['status']} {event['result']}"
    return f"{what} ended {place}{_steps(event)}{outcome}"


def _steps(event: dict[str, Any]) -> str:
    if "steps" not in event:
        return ""
    steps = event["steps"]
    again = f"&{steps['recomputed']}" if "recomputed" in steps else ""
    return f" {steps['accepted']}+{steps['rejected']}{again}"


def bits(tree: Any) -> list[tuple[Any, ...]]:
    """Arrays as what can be compared to the bit: dtype, weak type, shape, bytes."""
    leaves = [x for x in jax.tree.leaves(tree) if isinstance(x, jax.Array)]
    return [(x.dtype, x.weak_type, x.shape, np.asarray(x).tobytes()) for x in leaves]
