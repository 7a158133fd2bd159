"""What the live view costs a loop: `python -m benchmarks.at_hand` prints a table and writes `benchmarks/at_hand.md`.

The loops of `benchmarks.loops`, with the JSON log alone: without a view, in `soltrace.live()`, and with `soltrace tail`
beside it. It is measured in a process of its own, whose stderr is a terminal that somebody reads.
"""

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import page
from benchmarks.measure import Ratio

RESULTS: Final = Path(__file__).with_name("at_hand.md")
LIMIT: Final = 1.02
"""What a loop in the view may take, as a multiple of the same without."""
SETTLES_S: Final = 2.0
"""How long `soltrace tail` takes to start."""
HEADER: Final = (
    "| loop of | without | cores | `live()`: time | processor time | `tail` beside it: time |",
    "| --- | --- | --- | --- | --- | --- |",
)
ABOUT: Final = """\
Time ÷ that of the same loop without a view: as many of soltrace's solves as take so long (`--seconds`), one after
the other, and then `flush`, the first picture of the view included; the loops in turns, median of the pairs' ratios
(lower to upper quartile). The JSON log is written in each. In bold: a limit that `live()` keeps; ✗ marks one it
exceeds. *Processor time* is that of the whole process."""


@dataclass(frozen=True)
class Viewed:
    """What a view costs in a loop."""

    case: str
    without_s: float
    """Median time of a solve without a view."""
    cores: int
    live: tuple[float, float, float]
    live_cpu: tuple[float, float, float]
    tail: tuple[float, float, float]


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    if args.child:
        for row in _measured(args):
            print(json.dumps(asdict(row)), flush=True)
        return 0
    rows = map(line, _in_a_terminal(argv))
    return page.tell(args, (HEADER, rows), RESULTS, ("The live view beside a loop", ABOUT), "benchmarks.at_hand", argv)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.at_hand", description=__doc__)
    parser.add_argument("--case", action="append", metavar="PART", help="only cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=7, help="loops of each (default: 7)")
    parser.add_argument("--seconds", type=float, default=2.0, help="how long a loop takes (default: 2)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the view exceeds its limit")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser


def _in_a_terminal(argv: list[str] | None) -> Iterator[Viewed]:
    """Measure in a process that has a terminal, of 100 columns and 30 rows, which a third one reads."""
    reader, terminal = os.openpty()
    subprocess.run(["stty", "cols", "100", "rows", "30"], stdin=terminal, check=True)  # noqa: S607
    command = [sys.executable, "-m", "benchmarks.at_hand", "--child", *(sys.argv[1:] if argv is None else argv)]
    environ = os.environ | {"TERM": "xterm-256color"}
    with (
        subprocess.Popen(["cat"], stdin=reader, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as cat,  # noqa: S607
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=terminal, env=environ, text=True) as process,  # noqa: S603
    ):
        os.close(terminal)
        os.close(reader)
        yield from (Viewed(**json.loads(line)) for line in process.stdout or ())
        process.wait()
        cat.kill()
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)


def _measured(args: argparse.Namespace) -> Iterator[Viewed]:
    import soltrace
    from benchmarks.cases import cases

    with tempfile.TemporaryDirectory() as directory:
        soltrace.configure(directory=directory, spans=False, metrics=False, logs=False)
        for case in cases():
            if args.case is None or any(part in case.name for part in args.case):
                loop = _loop(case.make(soltrace.diffeqsolve), case.args, args.seconds)
                yield _row(case.name, loop, args.rounds, directory)
        soltrace.shutdown()


def _loop(program: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> Callable[[], tuple[float, float]]:
    """Make what runs a loop of about so many seconds, and returns the time and the processor time of a solve."""
    import jax

    import soltrace

    def loop(count: int) -> tuple[float, float]:
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            jax.block_until_ready(program(*args))
        soltrace.flush()
        return (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count

    loop(3)
    count = max(5, round(seconds / loop(3)[0]))
    return lambda: loop(count)


def _row(case: str, loop: Callable[[], tuple[float, float]], rounds: int, directory: str) -> Viewed:
    import soltrace

    views = soltrace.live, nullcontext
    # Who comes first is another one each time: the machine gets slower, or faster, while a pair is measured.
    turns = [[_in(view, loop) for view in (views if number % 2 else views[::-1])] for number in range(rounds)]
    pairs = [turn if number % 2 else turn[::-1] for number, turn in enumerate(turns)]
    with _tail(directory):
        tail = [loop()[0] for _ in range(rounds)]
    without = [loop()[0] for _ in range(rounds)]
    ratio = lambda ours, bare: tuple(asdict(Ratio.of(ours, bare)).values())
    (live_wall, live_cpu), (wall, cpu) = (tuple(zip(*times, strict=True)) for times in zip(*pairs, strict=True))
    return Viewed(
        case,
        sorted(wall)[len(wall) // 2],
        len(os.sched_getaffinity(0)),
        ratio(live_wall, wall),
        ratio(live_cpu, cpu),
        ratio(tail, without),
    )


def _in(view: Callable[[], Any], loop: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    with view():
        return loop()


@contextmanager
def _tail(directory: str) -> Iterator[None]:
    command = [sys.executable, "-m", "soltrace", "tail", directory]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=2) as process:  # noqa: S603 - the terminal
        time.sleep(SETTLES_S)
        yield
        process.send_signal(signal.SIGINT)


def line(row: Viewed) -> str:
    """Make a line of the table."""
    kept = f"**≤ {LIMIT:.2f}**" if row.live[0] <= LIMIT else f"✗ > {LIMIT:.2f}"
    cells = [
        row.case,
        f"{row.without_s * 1e3:.2f} ms",
        str(row.cores),
        f"{_cell(row.live)}, {kept}",
        _cell(row.live_cpu),
        _cell(row.tail),
    ]
    return f"| {' | '.join(cells)} |"


def _cell(ratio: Sequence[float]) -> str:
    middle, low, high = ratio
    return f"{middle:.3f} ({low:.3f} to {high:.3f})"


if __name__ == "__main__":
    raise SystemExit(main())
