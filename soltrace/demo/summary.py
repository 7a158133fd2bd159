"""Writes what the demonstration says at its end: the fit, what its passes cost, and what to try next."""

import math
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soltrace.demo.pass_costs import Cost
from soltrace.reading.text import duration, plural

if TYPE_CHECKING:
    from soltrace.demo.fit import Fit

_MEANINGS: Final = {
    "alpha": ("per year", "hares are born"),
    "beta": ("per year and thousand lynxes", "hares are eaten"),
    "delta": ("per year and thousand hares", "lynxes are born"),
    "gamma": ("per year", "lynxes die"),
    "hares": ("thousand", "in the first year"),
    "lynxes": ("thousand", "in the first year"),
}
"""Unit and meaning of each parameter."""


def fitted(fits: "Sequence[Fit]") -> Iterator[str]:
    """Write what was found, and how well it fits."""
    for fit in fits:
        lanes = " ".join(f"{residual:.2f}" for residual in fit.residuals)
        yield f"{fit.setting.optimiser:<9} learning rate {fit.setting.learning_rate:<4}  residuals of the lanes {lanes}"
    best = min(fits, key=lambda fit: fit.residuals[fit.best])
    residual = best.residuals[best.best]
    yield ""
    yield (
        f"Fitted by {best.setting.optimiser}, lane {best.best}: residual {residual:.3f}, "
        f"so the model is typically off by a factor of {math.exp(residual):.2f}"
    )
    for name, value in best.parameters.items():
        unit, meaning = _MEANINGS[name]
        yield f"  {name:<7}{value:>8.3g} {unit:<29} {meaning}"


def cost_table(costs: Sequence[Cost]) -> Iterator[str]:
    """Write what the passes cost as a table with a row for each phase."""
    total_s = math.fsum(cost.total_s for cost in costs)
    yield "What the passes cost, read back from the log"
    yield _row("phase", "passes", "failed", "steps", "rejected", "recomputed", "median", "in all", "share")
    for cost in costs:
        counts = (cost.passes, cost.failed, cost.accepted + cost.rejected, cost.rejected, cost.recomputed)
        share = cost.total_s / total_s if total_s else 0.0
        times = (duration(cost.median_s), duration(cost.total_s), f"{share:.0%}")
        yield _row(cost.phase, *(f"{count:,}" for count in counts), *times)


def _row(phase: str, *columns: str) -> str:
    return f"  {phase:<8}" + "".join(f"{column:>12}" for column in columns)


def next_steps(log: Path, lines: int, command: str = "soltrace") -> Iterator[str]:
    """Write where the log is, and three commands to try.

    Args:
        log: The file.
        lines: How many it has.
        command: How the command line is called here.
    """
    path = shlex.quote(str(log))
    yield f"The log has {plural(lines, 'line')}: {log}"
    yield ""
    yield "Try next"
    yield f"  {command} tail --no-follow --event 'experiment.*' {path}"
    yield f"  {command} tail --no-follow --json --phase backward --event pass.ended {path} | tail -n 1"
    yield f"  {command} tail    # in a second terminal, while a script of yours runs in this one"
