"""A thousand logs followed while they are written. `python -m benchmarks.following` writes `benchmarks/following.md`.

Real writers, real files, and `soltrace tail` in a process of its own, whose lines are checked: is one lost, is one out
of order, does memory grow, what does it cost, and what when nothing is written any more?
"""

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks import page

RESULTS = Path(__file__).with_name("following.md")
ROOT = Path(__file__).parents[1]
WRITERS = 4
LINE = re.compile(r"(\d\d:\d\d:\d\d\.\d{3})  .*?\bf(\d+) +#1 forward +(late)?.*  step ([\d,]+)$")
PATIENCE_S = 60.0
ABOUT = """\
`soltrace tail --plain` follows {files:,} files, to each of which {rate} lines a second are written for {seconds} s
by {writers} processes. *Late*: marked so, because they were read more than a second after younger ones of other files;
all others are in the order of their times. Processor time is that of the reader, as a part of one core."""


@dataclass
class Followed:
    """What came of it."""

    written: int
    lost: int
    repeated: int
    disordered: int
    """Lines that stand behind a younger one, of their own file or of another, without a mark."""
    late: int
    memory_mib: list[float] = field(default_factory=list[float])
    """Resident, once a second while lines were written."""
    rest_mib: list[float] = field(default_factory=list[float])
    """Resident, after each round, once all that was written so far is shown."""
    busy: float = 0.0
    idle: float = 0.0


def follow(files: int, rate: int, seconds: float, idle_s: float, rounds: int = 1) -> Followed:
    """Write and follow.

    Args:
        files: How many.
        rate: Lines a second to each.
        seconds: For how long, in each round.
        idle_s: For how long the reader is watched afterwards.
        rounds: How often. A round begins once all of the one before is shown.
    """
    each = round(rate * seconds)
    with tempfile.TemporaryDirectory() as name:
        runs, shown = Path(name) / "runs", Path(name) / "shown"
        runs.mkdir()
        with shown.open("wb") as out:
            command = [sys.executable, "-m", "soltrace", "tail", "--plain", "--utc", str(runs)]
            reader = subprocess.Popen(command, cwd=ROOT, stdout=out)  # noqa: S603 - ours
        writers = _writers(runs, files, rate, each)
        memory: list[float] = []
        rest: list[float] = []
        busy = 0.0
        try:
            for number in range(1, rounds + 1):
                while_written, busy = _round(writers, reader.pid, seconds)
                _settle(shown, number * files * each)
                memory += while_written
                rest.append(_memory_mib(reader.pid))
            idle = _idle(reader.pid, idle_s)
        finally:
            for writer in writers:
                writer.communicate()
            reader.send_signal(signal.SIGINT)
            reader.wait()
        followed = _check(shown.read_text(encoding="utf-8").splitlines(), files, rounds * each)
    followed.memory_mib, followed.rest_mib, followed.busy, followed.idle = memory, rest, busy, idle
    return followed


def _writers(runs: Path, files: int, rate: int, each: int) -> list[subprocess.Popen[str]]:
    """Start the writers. Each writes a round for every line that it is sent."""
    share = -(-files // WRITERS)
    return [
        subprocess.Popen(  # noqa: S603 - ours
            [sys.executable, "-m", "benchmarks.following", "--write", str(runs)]
            + [str(x) for x in (first, min(share, files - first), rate, each)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            text=True,
        )
        for first in range(0, files, share)
    ]


def _round(writers: list[subprocess.Popen[str]], reader: int, seconds: float) -> tuple[list[float], float]:
    """Let them write a round, and watch the reader meanwhile: its memory each second, and its part of a core."""
    memory: list[float] = []
    began, before = time.monotonic(), _processor_s(reader)
    for writer in writers:
        print(file=writer.stdin, flush=True)
    while time.monotonic() < began + seconds:
        time.sleep(1.0)
        memory.append(_memory_mib(reader))
    return memory, (_processor_s(reader) - before) / (time.monotonic() - began)


def _settle(shown: Path, lines: int) -> None:
    """Wait until all is shown, or nothing more comes."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline and shown.read_bytes().count(b"\n") <= lines:
        time.sleep(0.2)


def _idle(reader: int, seconds: float) -> float:
    if not seconds:
        return 0.0
    time.sleep(min(20.0, seconds))  # Files are looked at less often the longer they are quiet.
    before = _processor_s(reader)
    time.sleep(seconds)
    return (_processor_s(reader) - before) / seconds


def _check(lines: list[str], files: int, each: int) -> Followed:
    steps: dict[int, list[int]] = {number: [] for number in range(files)}
    disordered = late = 0
    newest = ""
    for line in lines:
        if not (match := LINE.fullmatch(line)):
            continue
        at, number, mark, step = match.groups()
        own = steps[int(number)]
        value = int(step.replace(",", ""))
        late += mark is not None
        disordered += (mark is None and at < newest) or (bool(own) and value < own[-1])
        newest = max(newest, at)
        own.append(value)
    lost = sum(len(set(range(each)) - set(own)) for own in steps.values())
    repeated = sum(len(own) - len(set(own)) for own in steps.values())
    return Followed(files * each, lost, repeated, disordered, late)


def _processor_s(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _memory_mib(process: int) -> float:
    pages = int(Path(f"/proc/{process}/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def write(runs: Path, first: int, count: int, rate: int, each: int) -> None:
    """Write to some of the files, as the sink does, for each line that comes in."""
    from soltrace.sinks.log_file import LogFile

    logs = [LogFile(runs / f"run-{number:04}.jsonl") for number in range(first, first + count)]
    for number, _ in enumerate(sys.stdin):
        began = time.monotonic()
        for tick in range(each):
            time.sleep(max(0.0, began + tick / rate - time.monotonic()))
            _write_step(logs, first, number * each + tick)


def _write_step(logs: list[Any], first: int, step: int) -> None:
    from soltrace.wire.json_line import json_line
    from soltrace.wire.record_parts import Steps
    from soltrace.wire.records import PassProgress

    for number, log in enumerate(logs, first):
        run = f"20261125T034229Z-node-{number:04}"
        record = PassProgress(
            timestamp=datetime.now(UTC),
            run_id=run,
            experiment=f"f{number}",
            attributes={"seed": number},
            solve_id=f"{run}.1",
            pass_id=f"{run}.1.forward",
            phase="forward",
            step=step,
            progress=0.5,
            t=50.0,
            steps=Steps(accepted=step, rejected=0),
        )
        log.msg(json_line(record))


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    if args.write:
        runs, *numbers = args.write
        write(Path(runs), *map(int, numbers))
        return 0
    followed = follow(args.files, args.rate, args.seconds, args.idle)
    memory = followed.memory_mib
    sizes = ", ".join(f"{mib:.0f}" for mib in (memory[len(memory) // 2], memory[-1], max(memory)))
    table = [
        "| | |",
        "| --- | --- |",
        f"| lines written | {followed.written:,} |",
        f"| lost, repeated, out of order | {followed.lost}, {followed.repeated}, {followed.disordered} |",
        f"| late | {followed.late:,} |",
        f"| memory: at half time, at the end, at most | {sizes} MiB |",
        f"| processor while they are written | {followed.busy:.0%} of a core |",
        f"| processor when all are quiet | {followed.idle:.1%} of a core |",
    ]
    print("\n".join(table))
    if not args.no_write:
        about = ABOUT.format(files=args.files, rate=args.rate, seconds=args.seconds, writers=WRITERS)
        page.write(RESULTS, "Following", about, table, "benchmarks.following", argv)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.following", description=__doc__)
    parser.add_argument("--files", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--rate", type=int, default=10, help="lines a second to each (default: 10)")
    parser.add_argument("--seconds", type=float, default=60.0, help="for how long (default: 60)")
    parser.add_argument("--idle", type=float, default=20.0, help="seconds of watching when all is quiet (default: 20)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--write", nargs=5, help=argparse.SUPPRESS)
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
