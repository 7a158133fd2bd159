"""How long `soltrace report` takes and how much memory, by the size of the log: `python -m benchmarks.report`.

A log of 100 million records has 40 GB: `--records 100_000_000 --directory DIR` says where there is room for it.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from soltrace.wire.json_line import json_line
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import AnyRecord, PassEnded, PassProgress, PassStarted

RECORDS = (1_000_000, 10_000_000)
PASS = 100
"""Records of a pass."""
BATCH = 1000
"""Passes that are written at once."""
RUN, NUMBER = "20261125T000000Z-vm-1", 7777
"""A solve's number stands for all of them, until it is replaced."""


def main() -> int:
    """Write logs, report on them, and say what it took."""
    args = _arguments().parse_args()
    print("| records | log | formats | time | peak memory |\n| --- | --- | --- | --- | --- |")
    for records in args.records or RECORDS:
        with tempfile.TemporaryDirectory(prefix="soltrace-", dir=args.directory) as directory:
            log = Path(directory) / "run.jsonl"
            _write(log, records)
            for form in args.format or ("json",):
                seconds, peak = _report(log, form)
                size = f"{log.stat().st_size / 1e9:.2f} GB"
                print(f"| {records:,} | {size} | {form} | {seconds:.1f} s | {peak / 1e9:.2f} GB |", flush=True)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.report", description=__doc__)
    parser.add_argument("--records", type=int, action="append", help="of the log; repeatable")
    parser.add_argument("--format", action="append", choices=("html", "md", "json"), help="repeatable (default: json)")
    parser.add_argument(
        "--directory", type=Path, help="where the log is written meanwhile, and what does not fit into memory"
    )
    return parser


def _report(log: Path, form: str) -> tuple[float, int]:
    """Make a report in a process of its own. Returns seconds, and bytes of memory at most."""
    command = [sys.executable, "-m", "soltrace", "report", log, "-o", log.with_name(f"report.{form}")]
    begin = time.perf_counter()
    environ = os.environ | {"TMPDIR": str(log.parent)}
    process = subprocess.Popen(command, env=environ, stderr=subprocess.DEVNULL)  # noqa: S603 - it is our own command
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"soltrace report ended with {process.returncode}")
    return time.perf_counter() - begin, usage.ru_maxrss * 1024


def _write(path: Path, records: int) -> None:
    """Write a log in which every line is as a solve would write it; solves differ in their number alone."""
    template = b"".join(json_line(record) + b"\n" for record in _pass())
    with path.open("wb") as file:
        for first in range(0, records // PASS, BATCH):
            passes = range(first, min(first + BATCH, records // PASS))
            file.write(b"".join(template.replace(b"%d" % NUMBER, b"%d" % number) for number in passes))


def _pass() -> Iterator[AnyRecord]:
    start = datetime(2026, 11, 25, tzinfo=UTC)
    solve_id = f"{RUN}.{NUMBER}"
    common = {
        "run_id": RUN,
        "experiment": "fit",
        "attributes": {"learning_rate": 1e-3, "iteration": NUMBER},
        "solve_id": solve_id,
        "pass_id": f"{solve_id}.forward",
        "phase": "forward",
    }
    names = {"solver": "Tsit5", "adjoint": "RecursiveCheckpointAdjoint", "controller": "PIDController"}
    yield PassStarted(timestamp=start, **common, **names, t0=0.0, t1=1.0, max_steps=4096, batch_shape=[])
    for step in range(1, PASS - 1):
        now, progress = start + timedelta(milliseconds=step), step / PASS
        steps = Steps(accepted=step, rejected=step // 10)
        yield PassProgress(timestamp=now, **common, step=step, progress=progress, t=progress, steps=steps)
    end = {"status": "ok", "result": "successful", "duration_s": PASS / 1000, "progress": 1.0, "t": 1.0, "step": PASS}
    yield PassEnded(
        timestamp=start + timedelta(milliseconds=PASS), **common, **end, steps=Steps(accepted=90, rejected=10)
    )


if __name__ == "__main__":
    raise SystemExit(main())
