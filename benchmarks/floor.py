"""The least that a loop of solves can cost: `python -m benchmarks.floor` prints a table, writes `benchmarks/floor.md`.

What would be left if the host did nothing: the calls of the compiled programs, answered at once and forgotten; and the
lines of the JSON log, made of records that are there already and written by a thread that does nothing else. Whoever
wants to make loops cheaper sees here how much of soltrace's part can go, and whether calls that run no Python would do.
"""

import argparse
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import page
from benchmarks.loops import LIMITS
from benchmarks.measure import Ratio

RESULTS: Final = Path(__file__).with_name("floor.md")
CASES: Final = ("Lorenz", "Lorenz, gradient", "neural ODE", "neural ODE, gradient")
WRITES_EVERY_S: Final = 0.1
"""As the worker does."""
HEADER: Final = (
    "| loop of | bare diffrax | calls that do nothing | lines alone | both | soltrace, JSON log | limit |",
    "| --- | --- | --- | --- | --- | --- | --- |",
)
ABOUT: Final = """\
Time ÷ bare diffrax's, in loops as above, one after the other, median of the rounds' ratios (lower to upper quartile).
*Calls that do nothing*: soltrace's compiled program, each of whose calls is answered at once by a function that does
nothing else. *Lines alone*: bare diffrax, and a thread that encodes and writes as many lines as soltrace would, of
records that are there already, ten times a second. *Both*: the sum of what these two cost; no way of making records
can cost less as long as calls run Python. *Limit*: what is wanted of soltrace's JSON log."""

Times = dict[str, list[float]]


@dataclass(frozen=True)
class Least:
    """What is measured of a case."""

    case: str
    bare_s: float
    calls: tuple[float, float, float]
    lines: tuple[float, float, float]
    soltrace: tuple[float, float, float]


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    rows = map(line, _measured(args))
    return page.tell(args, (HEADER, rows), RESULTS, ("The least that it can cost", ABOUT), "benchmarks.floor", argv)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floor", description=__doc__)
    parser.add_argument("--case", action="append", choices=CASES, help="only this")
    parser.add_argument("--rounds", type=int, default=15, help="loops of each (default: 15)")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long a loop of bare diffrax takes")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.set_defaults(check=False)
    return parser


def _measured(args: argparse.Namespace) -> Iterator[Least]:
    import diffrax as dfx

    import soltrace
    from benchmarks.cases import cases

    with tempfile.TemporaryDirectory() as directory:
        soltrace.configure(directory=directory, spans=False, metrics=False, logs=False)
        for case in cases():
            if case.name in (args.case or CASES):
                bare, ours = case.make(dfx.diffeqsolve), case.make(soltrace.diffeqsolve)
                yield _least(case.name, bare, ours, case.args, Path(directory), args)
        soltrace.shutdown()


def _least(
    name: str,
    bare: Callable[..., Any],
    ours: Callable[..., Any],
    arguments: tuple[Any, ...],
    directory: Path,
    args: argparse.Namespace,
) -> Least:
    import jax

    import soltrace
    from soltrace.host.pacing import Every
    from soltrace.testing import capture

    def loop(program: Callable[..., Any], solves: int, around: AbstractContextManager[Any]) -> float:
        began = time.perf_counter()
        with around as tick:
            for _ in range(solves):
                jax.block_until_ready(program(*arguments))
                if tick is not None:
                    tick()
            soltrace.flush()
        return (time.perf_counter() - began) / solves

    loop(ours, 3, nullcontext())
    with capture(pacing=Every(steps=10**9, fraction=2.0)) as told:  # in a loop, a pass is told to begin and to end
        jax.block_until_ready(ours(*arguments))
        records = told.records
    solves = max(5, round(args.seconds / min(loop(bare, 5, nullcontext()) for _ in range(3))))
    times: Times = {"bare": [], "calls": [], "lines": [], "soltrace": []}
    for number in range(args.rounds):
        times["bare"].append(loop(bare, solves, nullcontext()))
        times["calls"].append(loop(ours, solves, _calls_that_do_nothing()))
        times["lines"].append(loop(bare, solves, _lines_alone(records, directory / f"{name}-{number}.jsonl")))
        times["soltrace"].append(loop(ours, solves, nullcontext()))
    ratios = [tuple(asdict(Ratio.of(times[kind], times["bare"])).values()) for kind in list(times)[1:]]
    return Least(name, median(times["bare"]), *ratios)


@contextmanager
def _calls_that_do_nothing() -> Iterator[None]:
    """Answer as the host does to a pass of which only the end is wanted, and know nothing of it."""
    from soltrace import host
    from soltrace.host.signals import NEVER, NEVER_ELAPSED, Signal, default_answer, float_pair, int_pair

    answers = {signal: default_answer(signal) for signal in Signal}
    answers[Signal.FORWARD_START] = int_pair(1, NEVER)
    answers[Signal.BACKWARD_START] = float_pair(NEVER_ELAPSED, 1)
    own, host.receive = host.receive, lambda signal, *_: answers[signal]
    try:
        yield
    finally:
        host.receive = own


@contextmanager
def _lines_alone(records: Sequence[Any], path: Path) -> Iterator[Callable[[], object]]:
    """Write the lines of each solve that is counted, on a thread of its own, the last of them before this ends."""
    from soltrace.sinks.log_file import LogFile
    from soltrace.wire.json_line import json_line

    log, solved, over = LogFile(path), count(1), threading.Event()
    done = 0

    def write() -> None:
        written = 0
        while True:
            last = over.wait(WRITES_EVERY_S)
            lines = [json_line(record) for _ in range(done - written) for record in records]
            written = done
            if lines:
                log.write(lines)
            if last:
                return

    def tick() -> None:
        nonlocal done
        done = next(solved)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield tick
    finally:
        over.set()
        thread.join()


def line(row: Least) -> str:
    """Make a line of the table."""
    both = row.calls[0] + row.lines[0] - 1.0
    limit = LIMITS[row.case]["json"]
    cells = [row.case, f"{row.bare_s * 1e3:.2f} ms", *map(_cell, (row.calls, row.lines)), f"{both:.2f}"]
    return f"| {' | '.join([*cells, _cell(row.soltrace), f'≤ {limit:.2f}'])} |"


def _cell(ratio: tuple[float, float, float]) -> str:
    middle, low, high = ratio
    return f"{middle:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    raise SystemExit(main())
