"""Ten thousand logs in one directory, in the live view. `python -m benchmarks.many` writes `benchmarks/many.md`.

How long does it take until the first passes are shown, and until all is read; and what does it cost when nothing is
written any more?
"""

import argparse
import os
import pty
import re
import select
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fcntl import ioctl
from pathlib import Path

from benchmarks import page

RESULTS = Path(__file__).with_name("many.md")
ROOT = Path(__file__).parents[1]
REPORTS = 20
"""Of each pass."""
AGO_S = 40.0
"""So long before they are read the runs have begun."""
PATIENCE_S = 120.0
ROW = re.compile(rb"forward[^\n]*?\d+\.\d %")
ENDED = re.compile(rb"([\d,]+) ended\b")
ABOUT = """\
{files:,} logs of as many tasks, each of one run with a pass of {reports} reports; every second pass is still open.
`soltrace tail` shows them in a terminal of 40 rows. Processor time is that of the reader: how long something takes
depends on what else the machine does."""


@dataclass
class Shown:
    """What came of it: seconds since the start, and seconds of the processor until then."""

    first_s: float
    first_cpu_s: float
    """Until the first pass is shown."""
    all_s: float
    all_cpu_s: float
    """Until all are counted."""
    quiet: float
    """As a part of one core."""
    memory_mib: float


def show(files: int, quiet_s: float, settles_s: float) -> Shown:
    """Write logs, and follow them in a terminal."""
    with tempfile.TemporaryDirectory() as name:
        _write(Path(name), files)
        began = time.monotonic()
        process, terminal = _start(Path(name))
        try:
            first, last, text = None, None, b""
            for read in _screens(terminal, began + PATIENCE_S):
                text = text[-(1 << 16) :] + read  # a screen comes in pieces
                if first is None and ROW.search(text):
                    first = time.monotonic() - began, _processor_s(process)
                counted = [int(found.replace(b",", b"")) for found in ENDED.findall(text)]
                if last is None and counted and counted[-1] == files // 2:
                    last = time.monotonic() - began, _processor_s(process)
                if first is not None and last is not None:
                    break
            if first is None or last is None:
                raise TimeoutError("what was written is not shown")
            _drain(terminal, settles_s)
            before, since = _processor_s(process), time.monotonic()
            _drain(terminal, quiet_s)
            quiet = (_processor_s(process) - before) / (time.monotonic() - since)
            memory = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
        finally:
            os.kill(process, 9)
            os.waitpid(process, 0)
            os.close(terminal)
    return Shown(*first, *last, quiet, memory * os.sysconf("SC_PAGE_SIZE") / 2**20)


def _start(logs: Path) -> tuple[int, int]:
    """Start `soltrace tail` in a terminal of its own."""
    environ = os.environ | {"TERM": "xterm-256color", "PYTHONPATH": str(ROOT)}
    process, terminal = pty.fork()
    if not process:
        os.execve(sys.executable, [sys.executable, "-m", "soltrace", "tail", str(logs)], environ)  # noqa: S606 - ours
    ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 140, 0, 0))
    return process, terminal


def _screens(terminal: int, deadline: float) -> Iterator[bytes]:
    while (left := deadline - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            yield os.read(terminal, 1 << 16)


def _drain(terminal: int, seconds: float) -> None:
    for _ in _screens(terminal, time.monotonic() + seconds):
        pass


def _processor_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _write(directory: Path, files: int) -> None:
    from soltrace.wire.json_line import json_line

    # The last lines are as young as those of runs that go on: writing them takes longer than that.
    began = datetime.now(UTC) + timedelta(seconds=files / 1500 - AGO_S)
    for number in range(files):
        name = f"20261125T034229Z-node-{number:05}"
        lines = b"".join(json_line(record) + b"\n" for record in _records(name, number, began))
        (directory / f"{name}.jsonl").write_bytes(lines)


def _records(run_id: str, number: int, began: datetime) -> Iterator[object]:
    from soltrace.wire.record_parts import Steps
    from soltrace.wire.records import LogOpened, PassEnded, PassProgress, PassStarted

    at = lambda seconds: began + timedelta(seconds=seconds + number % 97 / 100)
    where = {
        "host": f"node{number // 100}",
        "pid": number + 1,
        "scheduler": "pbs",
        "job": "7",
        "array_task": str(number),
    }
    run = {"run_id": run_id, "experiment": None, "attributes": {}}
    of = {**run, "experiment": "fit", "solve_id": f"{run_id}.1", "pass_id": f"{run_id}.1.forward", "phase": "forward"}
    yield LogOpened(timestamp=at(0), **run, resource=where)
    names = {"solver": "Tsit5", "adjoint": "RecursiveCheckpointAdjoint", "controller": "PIDController"}
    yield PassStarted(timestamp=at(1), **of, **names, t0=0.0, t1=1.0, max_steps=4096, batch_shape=[])
    for step in range(REPORTS):
        share, steps = step / 25, Steps(accepted=step, rejected=0)
        yield PassProgress(timestamp=at(2 + step), **of, step=step, progress=share, t=share, steps=steps)
    if number % 2:
        end = {"status": "ok", "result": "successful", "duration_s": 24.0, "progress": 1.0, "t": 1.0, "step": 25}
        yield PassEnded(timestamp=at(25), **of, **end, steps=Steps(accepted=25, rejected=0))


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    shown = show(args.files, args.quiet, args.settle)
    table = [
        "| | seconds | of the processor |",
        "| --- | --- | --- |",
        f"| until the first pass is shown | {shown.first_s:.1f} | {shown.first_cpu_s:.1f} s |",
        f"| until all are | {shown.all_s:.1f} | {shown.all_cpu_s:.1f} s |",
        f"| when all are quiet | | {shown.quiet:.1%} of a core |",
        f"| memory | | {shown.memory_mib:.0f} MiB |",
    ]
    print("\n".join(table))
    if not args.no_write:
        about = ABOUT.format(files=args.files, reports=REPORTS)
        page.write(RESULTS, "Ten thousand logs", about, table, "benchmarks.many", argv)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.many", description=__doc__)
    parser.add_argument("--files", type=int, default=10_000, help="how many (default: 10000)")
    parser.add_argument("--quiet", type=float, default=20.0, help="seconds of watching when all is quiet (default: 20)")
    parser.add_argument("--settle", type=float, default=20.0, help="seconds of quiet before that (default: 20)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
