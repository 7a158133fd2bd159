"""What soltrace costs. `python -m benchmarks.overhead` prints a table and writes `benchmarks/results.md`.

The table's numbers are time divided by bare diffrax's, pair by pair in one run: the median, and the quartiles.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

from benchmarks import page
from benchmarks.cases import Case, cases
from benchmarks.measure import Measured, Ratio, measure, silence
from benchmarks.peers import BARE, OURS, peers

RESULTS = Path(__file__).with_name("results.md")
FIRST_CALL_LIMIT = 1.25
HEADER = (
    "| case | bare diffrax | who | time | processor time | first call |",
    "| --- | --- | --- | --- | --- | --- |",
)
ABOUT = """\
Time ÷ bare diffrax's (`NoProgressMeter`), pair by pair in one run: median (lower to upper quartile). Each program is
compiled several times, and right before each timed call goes an untimed one: what is timed is a solve among others
like it. As in `timeit`, Python's garbage collector waits meanwhile. *Processor time* is that of the whole process,
with what soltrace does on its own threads beside the solve. *First call*: trace, compile and run. The meters print to
/dev/null; soltrace has everything on: its JSON log goes to a file, spans, metrics and log records go by OTLP over
HTTP to a backend in a process of its own. In bold: a limit that soltrace keeps; ✗ marks one it exceeds."""


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    chosen = [case for case in cases() if args.case is None or any(part in case.name for part in args.case)]
    lines = list(_report(chosen, args))
    over = [line for line in lines if "✗" in line]
    if not args.no_write:
        page.write(RESULTS, "Overhead", ABOUT, lines, "benchmarks.overhead", argv)
    return 1 if over and args.check else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overhead", description=__doc__)
    parser.add_argument(
        "--case", action="append", metavar="PART", help="only cases whose name contains this; repeatable"
    )
    parser.add_argument("--repeats", type=int, help="timed calls of each (default: enough for the case)")
    parser.add_argument("--firsts", type=int, default=5, help="compilations and first calls of each (default: 5)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if soltrace exceeds a limit")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


def _report(chosen: list[Case], args: argparse.Namespace) -> Iterator[str]:
    for line in HEADER:
        print(line, flush=True)
        yield line
    with peers() as everybody:
        for case in chosen:
            with silence():
                rows = measure(case, everybody, args.repeats or case.repeats, args.firsts)
            for row in rows:
                if row.peer != BARE:
                    line = _row(row)
                    print(line, flush=True)
                    yield line


def _row(row: Measured) -> str:
    ours = row.peer == OURS
    cells = [
        row.case.name,
        f"{row.bare_s * 1e3:.2f} ms",
        row.peer,
        _cell(row.wall, row.case.limit if ours else None),
        _cell(row.cpu, None),
        _cell(row.first, FIRST_CALL_LIMIT if ours else None),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(ratio: Ratio, limit: float | None) -> str:
    spread = f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
    if limit is None:
        return spread
    return f"{spread}, **≤ {limit}**" if ratio.median <= limit else f"{spread}, ✗ > {limit}"


if __name__ == "__main__":
    raise SystemExit(main())
