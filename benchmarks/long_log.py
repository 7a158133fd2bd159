"""Does a long log cost more? `python -m benchmarks.long_log` writes ten million records, and `long_log.md`.

Through the sink that runs write with, in parts, each line a record that was made for it. What it costs to solve and to
tell is in `benchmarks.loops`; this is about what is left when a run has been told of for days.
"""

import argparse
import os
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from benchmarks import page
from soltrace.sinks.json_log import JsonLog, fresh_file, shared_file
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import LogOpened, PassProgress

RESULTS: Final = Path(__file__).with_name("long_log.md")
MOMENT: Final = datetime(2026, 1, 1, tzinfo=UTC)
BATCH: Final = 256
PART_BYTES: Final = 500 * 10**6
TENTHS: Final = 10
ABOUT: Final = """\
Records of progress, written by the sink that runs have, in parts of 500 MB: what a record takes the processor, its
making and the writer's thread included, and what the process occupies by then."""


def main(argv: list[str] | None = None) -> int:
    """Write, print, write the page; exit with 1 if a line is missing."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.long_log", description=__doc__)
    parser.add_argument("--records", type=int, default=10**7, help="how many (default: ten million)")
    parser.add_argument("--node", action="store_true", help="to a log that others may write to as well; prints only")
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args(argv)
    lines = ["| records | parts | on the disk | processor time a record | resident |", "| ---: " * 5 + "|"]
    print(*lines, sep="\n")
    with tempfile.TemporaryDirectory() as directory:
        for line in _writing(args.records, Path(directory), node=args.node):
            lines.append(line)
            print(line, flush=True)
        written = sum(_lines(log) for log in Path(directory).iterdir())
        parts = len(list(Path(directory).iterdir()))
    if not (args.no_write or args.node):
        page.write(RESULTS, "A long log", ABOUT, lines, "benchmarks.long_log", argv)
    return 0 if written == args.records + parts else 1


def _writing(records: int, directory: Path, *, node: bool) -> Iterator[str]:
    path = directory / "run.jsonl"
    make = shared_file if node else lambda path, **limits: fresh_file(path.parent, path.stem, **limits)[1]
    log = make(path, bytes_at_most=PART_BYTES)
    log.handle(LogOpened(timestamp=MOMENT, run_id="run", experiment=None, attributes={}, resource={"host": "node1"}))
    tenth = records // TENTHS
    for number in range(1, TENTHS + 1):
        began = time.process_time()
        _write(log, (number - 1) * tenth, number * tenth)
        each_us = (time.process_time() - began) / tenth * 1e6
        logs = list(directory.iterdir())
        size = sum(path.stat().st_size for path in logs) / 1e6
        yield f"| {number * tenth} | {len(logs)} | {size:.0f} MB | {each_us:.1f} us | {_resident_mb():.0f} MB |"
    log.flush(60.0)
    log.close()


def _write(log: JsonLog, first: int, last: int) -> None:
    for step in range(first, last):
        log.handle(
            PassProgress(
                timestamp=MOMENT + timedelta(milliseconds=step),
                run_id="run",
                experiment="fit",
                attributes={"seed": 3, "lr": 1e-3},
                solve_id="run.1",
                pass_id="run.1.forward",  # noqa: S106 - no password
                phase="forward",
                step=step,
                progress=step / last,
                t=step / 1000,
                steps=Steps(accepted=step, rejected=0),
            )
        )
        if step % BATCH == 0:
            log.settle()
    log.settle()


def _lines(path: Path) -> int:
    with path.open("rb") as file:
        return sum(chunk.count(b"\n") for chunk in iter(lambda: file.read(1 << 20), b""))


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    raise SystemExit(main())
