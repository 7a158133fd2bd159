"""What a solve told, in short: one line a record, so that a whole list of events can be read and compared.

    1.forward started [2] batch
    1.forward[0] ended ok successful 4+0
    1.forward[1] 2/0.500
    1.forward 2/0.500
    1.forward ended ok successful 8+0

`2/0.500`: step 2, progress one half. `4+0`: steps accepted and rejected; `&4`: recomputed.
"""

from collections.abc import Callable, Iterable
from typing import Any

import diffrax as dfx
import jax
import numpy as np

import soltrace
from soltrace.testing import capture


def story(events: Iterable[dict[str, Any]]) -> list[str]:
    """Tell the events of passes in short."""
    return [_line(event) for event in events]


def by_pass(lines: Iterable[str]) -> list[str]:
    """Put the lines of each pass together, in their order: of solves side by side, the compiler runs any one first."""
    return sorted(lines, key=lambda line: line.split()[0])


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


def told_by(make: Callable[[Any], Callable[..., Any]], *args: Any) -> list[dict[str, Any]]:
    """Run a program with diffrax's `diffeqsolve` and with ours, compare to the bit, and return what ours told.

    Reports come every two steps of a forward pass and every half of a backward one.
    """
    expected = make(dfx.diffeqsolve)(*args)
    with capture(every=2, fraction=0.5) as told:
        values = make(soltrace.diffeqsolve)(*args)
        jax.block_until_ready(values)
        events = told.events()
    assert bits(values) == bits(expected)
    return events
