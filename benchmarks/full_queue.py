"""The queue at its limit: `python -m benchmarks.full_queue` solves for a minute, and writes `benchmarks/full_queue.md`.

Solves that report every step, faster than a slow logger takes their lines. What may be dropped is progress; of every
pass, the start and the end are there, or else it was refused as a whole, and all of that is counted, to the last one.
"""

import argparse
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from benchmarks import page

RESULTS: Final = Path(__file__).with_name("full_queue.md")
QUEUE: Final = 200
STEPS: Final = 50
"""Of a solve: each but the last, which is its end, is reported."""
REPORTS: Final = STEPS - 1
LINE_S: Final = 1e-3
"""What the logger takes for a line."""
PATIENCE_S: Final = 60.0
"""How long the last flush may take."""
ABOUT: Final = f"""\
Solves of {STEPS} steps, one after the other, that report each step but the last, which is their end
(`max_reports_per_s` and `max_overhead` infinite), to a logger that takes a millisecond for a line; the queue has room
for {QUEUE}. What is counted as lost is what the log itself says, in its lines `telemetry.dropped`."""


def main(argv: list[str] | None = None) -> int:
    """Solve, print, write; exit with 1 where the sums are not right."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.full_queue", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (default: 60)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args(argv)
    solves, told = _solved(args.seconds)
    refused = told["lost", "forward pass"]
    started, ended, reports = told["pass.started"], told["pass.ended"], told["pass.progress"]
    lost = told["lost", "progress"]
    table = [
        "| | |",
        "| --- | ---: |",
        f"| solves | {solves:,} |",
        f"| passes started, in the log | {started:,} |",
        f"| passes ended, in the log | {ended:,} |",
        f"| passes refused, counted | {refused:,} |",
        f"| reports made, {REPORTS} of each pass | {started * REPORTS:,} |",
        f"| reports in the log | {reports:,} |",
        f"| reports dropped, counted | {lost:,} |",
    ]
    print(*table, sep="\n")
    if not args.no_write:
        page.write(RESULTS, "A full queue", ABOUT, table, "benchmarks.full_queue", argv)
    whole = started == ended == solves - refused and reports + lost == started * REPORTS
    return 0 if whole and lost else 1


def _solved(seconds: float) -> tuple[int, Counter[Any]]:
    import diffrax as dfx
    import jax
    import jax.numpy as jnp
    import structlog

    import soltrace

    told: Counter[Any] = Counter()

    def take(_: Any, __: str, line: Any) -> str:
        time.sleep(LINE_S)
        told[line["event"]] += 1
        if line["event"] == "telemetry.dropped":
            told["lost", line["what"]] += line["dropped"]
        raise structlog.DropEvent

    soltrace.configure(
        logger=structlog.wrap_logger(None, processors=[take]),
        spans=False,
        metrics=False,
        logs=False,
        max_reports_per_s=float("inf"),
        max_overhead=float("inf"),
        queue_size=QUEUE,
    )
    term = dfx.ODETerm(lambda t, y, args: -y)
    program = jax.jit(lambda y: soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 1.0 / STEPS, y).ys)
    y, solves, until = jnp.ones(3), 0, time.monotonic() + seconds
    while time.monotonic() < until:
        jax.block_until_ready(program(y))
        solves += 1
    soltrace.flush(PATIENCE_S)
    soltrace.shutdown()
    return solves, told


if __name__ == "__main__":
    raise SystemExit(main())
