"""What a disk that fails costs a loop: `python -m benchmarks.disk` prints a table and writes `benchmarks/disk.md`.

The loops of `benchmarks.loops`, with the JSON log alone, while its writes succeed, fail or hang. A library in front of
C's has them fail: it needs a C compiler.
"""

import argparse
import errno
import json
import mmap
import os
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import page
from benchmarks.measure import Ratio

RESULTS: Final = Path(__file__).with_name("disk.md")
LIBRARY: Final = Path(__file__).with_name("faults.c")
CONTROL: Final = "4i"
LIMIT: Final = 1.02
"""What a loop beside a broken disk may take, as a multiple of the same beside a sound one."""
FAULTS: Final = {"full": (errno.ENOSPC, 0, 0, 0), "broken": (errno.EIO, 0, 0, 0), "hanging": (0, 0, 1, 0)}
HEADER: Final = (f"| loop of | sound disk | {' | '.join(FAULTS)} |", "| --- " * (2 + len(FAULTS)) + "|")
ABOUT: Final = """\
Time, and processor time of the whole process, ÷ that of the same loop beside a sound disk: as many of soltrace's
solves as take a second, one after the other, while writes to the log fail with `ENOSPC` or `EIO`, or do not return; the
loops in turns, median of the pairs' ratios (lower to upper quartile). In bold: a limit that is kept; ✗ marks one that
is exceeded. Beside other work, the processor time says more."""


@dataclass(frozen=True)
class Faulty:
    """What a disk that fails costs a loop."""

    case: str
    sound_s: float
    """Median time of a solve beside a sound disk."""
    ratios: dict[str, tuple[float, float, float]]
    cpu: dict[str, tuple[float, float, float]]
    """The same for the processor time."""


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    if args.child:
        for row in _measured(args):
            print(json.dumps(asdict(row)), flush=True)
        return 0
    rows = map(line, _in_front(argv))
    return page.tell(args, (HEADER, rows), RESULTS, ("A disk that fails beside a loop", ABOUT), "benchmarks.disk", argv)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.disk", description=__doc__)
    parser.add_argument("--case", action="append", metavar="PART", help="only cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=7, help="loops of each (default: 7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a loop takes (default: 1)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if the limit is exceeded")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    return parser


def _in_front(argv: list[str] | None) -> Iterator[Faulty]:
    """Measure in a process that has the library in front of C's."""
    command = [sys.executable, "-m", "benchmarks.disk", "--child", *(sys.argv[1:] if argv is None else argv)]
    with tempfile.TemporaryDirectory() as directory:
        library, control = Path(directory) / "faults.so", Path(directory) / "control"
        subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", library, LIBRARY], check=True)  # noqa: S603, S607
        control.write_bytes(bytes(struct.calcsize(CONTROL)))
        environ = os.environ | {"LD_PRELOAD": str(library), "FAULTS": str(control)}
        with subprocess.Popen(command, stdout=subprocess.PIPE, env=environ, text=True) as process:  # noqa: S603
            yield from (Faulty(**json.loads(line)) for line in process.stdout or ())
        if process.returncode:
            raise subprocess.CalledProcessError(process.returncode, command)


def _measured(args: argparse.Namespace) -> Iterator[Faulty]:
    import soltrace
    from benchmarks.cases import cases

    with Path(os.environ["FAULTS"]).open("r+b") as file, tempfile.TemporaryDirectory() as directory:
        control = mmap.mmap(file.fileno(), struct.calcsize(CONTROL))

        def fault(*numbers: int) -> None:
            control[:12] = struct.pack(CONTROL, *numbers)[:12]

        soltrace.configure(directory=directory, spans=False, metrics=False, logs=False)
        for case in cases():
            if args.case is None or any(part in case.name for part in args.case):
                loop = _loop(case.make(soltrace.diffeqsolve), case.args, args.seconds, fault)
                yield _row(case.name, loop, args.rounds)
        soltrace.shutdown()


def _loop(
    program: Callable[..., Any], args: tuple[Any, ...], seconds: float, fault: Callable[..., None]
) -> Callable[..., tuple[float, float]]:
    """Make what runs a loop of about so many seconds beside a disk, and returns time and processor time of a solve."""
    import jax

    import soltrace

    def loop(count: int, *numbers: int) -> tuple[float, float]:
        fault(*numbers)
        wall, cpu = time.perf_counter(), time.process_time()
        for _ in range(count):
            jax.block_until_ready(program(*args))
        took = (time.perf_counter() - wall) / count, (time.process_time() - cpu) / count
        fault(0, 0, 0, 0)
        soltrace.flush()
        return took

    sound = 0, 0, 0, 0
    loop(3, *sound)
    count = max(5, round(seconds / loop(3, *sound)[0]))
    return lambda *numbers: loop(count, *numbers)


def _row(name: str, loop: Callable[..., tuple[float, float]], rounds: int) -> Faulty:
    disks = {"sound": (0, 0, 0, 0), **FAULTS}
    times: dict[str, list[tuple[float, float]]] = {fault: [] for fault in disks}
    for number in range(rounds):
        for fault in list(disks)[:: 1 if number % 2 else -1]:
            times[fault].append(loop(*disks[fault]))
    wall, cpu = ({fault: [each[which] for each in found] for fault, found in times.items()} for which in (0, 1))
    return Faulty(name, median(wall["sound"]), _ratios(wall), _ratios(cpu))


def _ratios(times: dict[str, list[float]]) -> dict[str, tuple[float, float, float]]:
    ratios = {fault: Ratio.of(times[fault], times["sound"]) for fault in FAULTS}
    return {fault: (ratio.median, ratio.low, ratio.high) for fault, ratio in ratios.items()}


def line(row: Faulty) -> str:
    """Make a line of the table."""
    cells = [f"time {_cell(row.ratios[fault])}; processor time {_cell(row.cpu[fault])}" for fault in FAULTS]
    return f"| {' | '.join([row.case, f'{row.sound_s * 1e3:.2f} ms', *cells])} |"


def _cell(ratio: tuple[float, float, float]) -> str:
    middle, low, high = ratio
    kept = f"**≤ {LIMIT:.2f}**" if middle <= LIMIT else f"✗ > {LIMIT:.2f}"
    return f"{middle:.3f} ({low:.3f} to {high:.3f}), {kept}"


if __name__ == "__main__":
    raise SystemExit(main())
