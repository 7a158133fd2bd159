"""What a loop of solves costs: `python -m benchmarks.loops` prints a table and writes `benchmarks/loops.md`.

Solves back to back, as a training loop or a sampler calls them, and the last flush at their end. Each setting is
measured in a process of its own, because telemetry is set up once in a process.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import page
from benchmarks.measure import Ratio

RESULTS: Final = Path(__file__).with_name("loops.md")
HEADER: Final = (
    "| loop of | bare diffrax | soltrace's | cores | time | processor time | a solve more |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
SINKS: Final = {"json": "JSON log", "all": "everything"}
LIMITS: Final = {
    "Lorenz": {"json": 1.10, "all": 1.25},
    "Lorenz, gradient": {"json": 1.12, "all": 1.16},
    "Lorenz, 1000 lanes": {"json": 1.01, "all": 1.02},
    "neural ODE": {"json": 1.08, "all": 1.16},
    "neural ODE, gradient": {"json": 1.04, "all": 1.08},
}
"""What a loop may take, as a multiple of bare diffrax."""
MORE_PROCESSOR_TIME: Final = 0.03
"""And so much more of the processor."""
ABOUT: Final = """\
Time ÷ bare diffrax's (`NoProgressMeter`): as many solves as take a second, one after the other, and then `flush`; such
loops of bare diffrax and of soltrace in turns, median of the pairs' ratios (lower to upper quartile). Each result is
waited for before the next solve. *Everything*: the JSON log, and spans, metrics and log records by OTLP over HTTP to a
backend in a process of its own. *Processor time* is that of the whole process, and *a solve more* is what it is longer
for each solve. In bold: a limit that soltrace keeps; ✗ marks one it exceeds."""


@dataclass(frozen=True)
class Looped:
    """What soltrace costs in a loop."""

    case: str
    sinks: str
    cores: int
    bare_s: float
    """Median time of a solve of bare diffrax."""
    more_s: float
    """Median processor time that a solve takes more."""
    wall: tuple[float, float, float]
    cpu: tuple[float, float, float]


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    if args.sinks:
        for row in measured(args.sinks, args.case, args.rounds, args.seconds):
            print(json.dumps(asdict(row)), flush=True)
        return 0
    rows = map(line, _in_processes(args))
    return page.tell(args, (HEADER, rows), RESULTS, ("Loops of solves", ABOUT), "benchmarks.loops", argv)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.loops", description=__doc__)
    parser.add_argument("--case", action="append", metavar="PART", help="only cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=7, help="loops of each (default: 7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a loop of bare diffrax takes (default: 1)")
    parser.add_argument(
        "--pinned",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="measure pinned to one core too (default: yes)",
    )
    parser.add_argument("--check", action="store_true", help="exit with 1 if soltrace exceeds a limit")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--sinks", choices=[*SINKS], help="measure these in this process, and print JSON")
    return parser


def _in_processes(args: argparse.Namespace) -> Iterator[Looped]:
    options = [f"--rounds={args.rounds}", f"--seconds={args.seconds}", *(f"--case={part}" for part in args.case or ())]
    everywhere = os.sched_getaffinity(0)
    for cores in [[*everywhere], *([[min(everywhere)]] if args.pinned else [])]:
        for sinks in SINKS:
            command = [sys.executable, "-m", "benchmarks.loops", f"--sinks={sinks}", *options]
            os.sched_setaffinity(0, cores)  # which the process inherits
            try:
                process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - ourselves
            finally:
                os.sched_setaffinity(0, everywhere)
            with process:
                yield from (Looped(**json.loads(line)) for line in process.stdout or ())
            if process.returncode:
                raise subprocess.CalledProcessError(process.returncode, command)


def measured(sinks: str, parts: Sequence[str] | None, rounds: int, seconds: float) -> Iterator[Looped]:
    """Measure the cases in this process.

    Args:
        sinks: What is on.
        parts: Only cases whose name contains one of these; None: all.
        rounds: Loops of each.
        seconds: How long a loop of bare diffrax takes.
    """
    import diffrax as dfx

    import soltrace
    from benchmarks import backend
    from benchmarks.cases import cases

    endpoint = backend.start() if sinks == "all" else None
    with tempfile.TemporaryDirectory() as directory:
        if endpoint is None:
            soltrace.configure(directory=directory, spans=False, metrics=False, logs=False)
        else:
            soltrace.configure(directory=directory, otlp_endpoint=endpoint)
        for case in cases():
            if parts is None or any(part in case.name for part in parts):
                programs = [case.make(solve) for solve in (dfx.diffeqsolve, soltrace.diffeqsolve)]
                bare_s, more_s, wall, cpu = _loops(programs, case.args, rounds, seconds)
                yield Looped(case.name, sinks, len(os.sched_getaffinity(0)), bare_s, more_s, wall, cpu)
        soltrace.shutdown()


def _loops(programs: Sequence[Callable[..., Any]], args: tuple[Any, ...], rounds: int, seconds: float) -> Any:
    import jax

    import soltrace

    def loop(program: Callable[..., Any], count: int) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            jax.block_until_ready(program(*args))
        soltrace.flush()
        return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count

    for program in programs:
        loop(program, 3)
    count = max(5, round(seconds / loop(programs[0], 3)[0]))
    (bare_wall, bare_cpu), (wall, cpu) = (
        zip(*times, strict=True)
        for times in zip(*[[loop(p, count) for p in programs] for _ in range(rounds)], strict=True)
    )
    ratio = lambda ours, bare: tuple(asdict(Ratio.of(ours, bare)).values())
    return median(bare_wall), median(cpu) - median(bare_cpu), ratio(wall, bare_wall), ratio(cpu, bare_cpu)


def line(row: Looped) -> str:
    """Make a line of the table."""
    limit = LIMITS[row.case][row.sinks]
    cells = [
        row.case,
        f"{row.bare_s * 1e3:.2f} ms",
        SINKS[row.sinks],
        str(row.cores),
        _cell(row.wall, limit),
        _cell(row.cpu, limit + MORE_PROCESSOR_TIME),
        f"{row.more_s * 1e6:+.0f} µs",
    ]
    return f"| {' | '.join(cells)} |"


def _cell(ratio: tuple[float, float, float], limit: float) -> str:
    middle, low, high = ratio
    kept = f"**≤ {limit:.2f}**" if middle <= limit else f"✗ > {limit:.2f}"
    return f"{middle:.2f} ({low:.2f} to {high:.2f}), {kept}"


if __name__ == "__main__":
    raise SystemExit(main())
