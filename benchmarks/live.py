"""What a frame of the live view costs. `python -m benchmarks.live` prints a table and writes `benchmarks/live.md`.

Many runs are open, each reports once between two frames, as they do at most, and the view takes and draws that.
"""

import argparse
import io
import statistics
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.console import Console

from benchmarks import page
from soltrace.reading.live.view import LiveView
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import AnyRecord, LogOpened, PassProgress, PassStarted

RESULTS = Path(__file__).with_name("live.md")
LIMIT_MS = 50.0
START = datetime(2026, 11, 25, tzinfo=UTC)
PICTURES = {
    "list": [],
    "list, by eta": ["s", "s"],
    "list, one selected": ["end"],
    "list, searched": ["/", *"rank 7", "enter"],
    "one pass": ["end", "enter"],
}
"""What is drawn, and the keys that lead there."""
HEADER = (
    "| runs | terminal | picture | take | draw | both, median | both, slowest |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
ABOUT = """\
Milliseconds. *Take*: one report of each open run. *Draw*: a frame, all that it writes to the terminal included (here a
buffer). The median of both together is to stay below 50 ms: a frame is drawn at most every 100 ms."""


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    lines = list(HEADER)
    print(*lines, sep="\n", flush=True)
    over = False
    for name, keys in PICTURES.items():
        takes, draws = measure(args.runs, args.frames, args.width, args.height, keys)
        both = [take + draw for take, draw in zip(takes, draws, strict=True)]
        median = statistics.median(both)
        over = over or median > LIMIT_MS
        cells = [statistics.median(takes), statistics.median(draws), median, max(both)]
        cells = [f"{args.runs:,}", f"{args.width}x{args.height}", name, *(f"{value:.1f}" for value in cells)]
        lines.append(f"| {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if not args.no_write:
        page.write(RESULTS, "Live view", ABOUT, lines, "benchmarks.live", argv)
    return 1 if over and args.check else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--runs", type=int, default=1000, help="that are open at once (default: 1000)")
    parser.add_argument("--frames", type=int, default=60, help="of each picture (default: 60)")
    parser.add_argument("--width", type=int, default=120, help="of the terminal (default: 120)")
    parser.add_argument("--height", type=int, default=40, help="of the terminal (default: 40)")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 if a median is over {LIMIT_MS:.0f} ms")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


def measure(runs: int, frames: int, width: int, height: int, keys: list[str]) -> tuple[list[float], list[float]]:
    """Follow so many runs for so many frames.

    Returns:
        Milliseconds of taking the reports before each frame, and of drawing it.
    """
    moment = START
    environ = {"TERM": "xterm-256color", "COLUMNS": str(width), "LINES": str(height)}
    console = Console(file=io.StringIO(), force_terminal=True, width=width, height=height, _environ=environ)
    view = LiveView(console, title="runs", zone=UTC, now=lambda: moment)
    takes: list[float] = []
    draws: list[float] = []
    with view:
        view.feed(record for run in range(runs) for record in _opened(run))
        view.press(*keys)
        for frame in range(frames):
            moment = START + timedelta(seconds=1 + frame / 10)
            reports = [_report(run, moment, frame) for run in range(runs)]
            began = time.perf_counter()
            view.feed(reports)
            taken = time.perf_counter()
            view.refresh(force=True)
            takes.append((taken - began) * 1e3)
            draws.append((time.perf_counter() - taken) * 1e3)
    return takes, draws


def _opened(run: int) -> Iterator[AnyRecord]:
    common = {"timestamp": START, "run_id": f"r{run}", "experiment": f"fit/{run % 7}", "attributes": {"seed": run}}
    yield LogOpened(**common, resource={"host": f"node{run % 50:02d}", "pid": run, "rank": str(run)})
    yield PassStarted(
        **common,
        solve_id=f"r{run}.1",
        pass_id=f"r{run}.1.forward",
        phase="forward",
        solver="Tsit5",
        adjoint="RecursiveCheckpointAdjoint",
        controller="PIDController",
        t0=0.0,
        t1=100.0,
        batch_shape=[],
    )


def _report(run: int, moment: datetime, frame: int) -> PassProgress:
    progress = (frame + 1 + run % 13) / 200
    return PassProgress(
        timestamp=moment,
        run_id=f"r{run}",
        experiment=f"fit/{run % 7}",
        attributes={"seed": run},
        solve_id=f"r{run}.1",
        pass_id=f"r{run}.1.forward",
        phase="forward",
        step=100 * (frame + 1),
        progress=progress,
        t=100 * progress,
        steps=Steps(accepted=90 * (frame + 1), rejected=10 * (frame + 1)),
    )


if __name__ == "__main__":
    raise SystemExit(main())
