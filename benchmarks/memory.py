"""Is memory flat? `python -m benchmarks.memory` solves a million times, prints a table and writes `memory.md`.

The smallest solves that there are, one after the other. Where they come faster than the worker can tell of them, its
queue fills up, and passes are refused, and counted. Every pass that was told to start is told to end.
"""

import argparse
import json
import os
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, Final

from benchmarks import backend, page

RESULTS: Final = Path(__file__).with_name("memory.md")
ABOUT: Final = """\
A process that solves again and again (four steps of Euler's method), with everything on: the JSON log, and spans,
metrics and log records by OTLP over HTTP. *Resident* is what it occupies by then, before the last flush."""


def main(argv: list[str] | None = None) -> int:
    """Solve, print, write; exit with 1 if a pass has no end, or a solve is neither told nor counted."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memory", description=__doc__)
    parser.add_argument("--solves", type=int, default=10**6, help="how many (default: a million)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args(argv)
    lines = ["| solves | resident |", "| ---: | ---: |"]
    print(*lines, sep="\n")
    with tempfile.TemporaryDirectory() as directory:
        for line in _solving(args.solves, directory):
            lines.append(line)
            print(line, flush=True)
        told = _told(directory)
    whole = told["started"] == told["ended"] and told["started"] + told["refused"] == args.solves
    lines += ["", f"{told['started']} passes started, {told['ended']} ended; {told['refused']} refused, and counted."]
    print(lines[-1])
    if not args.no_write:
        page.write(RESULTS, "Memory", ABOUT, lines, "benchmarks.memory", argv)
    return 0 if whole else 1


def _solving(solves: int, directory: str) -> Any:
    import diffrax as dfx
    import jax
    import jax.numpy as jnp

    import soltrace

    soltrace.configure(directory=directory, otlp_endpoint=backend.start())
    term = dfx.ODETerm(lambda t, y, args: -y)
    program = jax.jit(lambda y: soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 0.25, y).ys)
    y, began = jnp.ones(3), time.perf_counter()
    for number in range(1, solves + 1):
        jax.block_until_ready(program(y))
        if number % max(1, solves // 10) == 0:
            yield f"| {number} | {_resident_mb():.0f} MB |"
    soltrace.shutdown()
    print(f"{(time.perf_counter() - began) / solves * 1e6:.0f} µs a solve, the last flush included")


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


def _told(directory: str) -> Counter[str]:
    told: Counter[str] = Counter()
    for log in Path(directory).glob("*.jsonl"):
        with log.open(encoding="utf-8") as lines:
            for record in map(json.loads, lines):
                told["started"] += record["event"] == "pass.started"
                told["ended"] += record["event"] == "pass.ended"
                if record["event"] == "telemetry.dropped" and record["what"] == "forward pass":
                    told["refused"] += record["dropped"]
    return told


if __name__ == "__main__":
    raise SystemExit(main())
