"""How fast logs are read. `python -m benchmarks.reading` prints a table and writes `benchmarks/reading.md`.

Every reader reads the same file in one run, in turns; what is compared is processor time, for the machine may be busy.
"""

import argparse
import gc
import json
import random
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median, quantiles

from benchmarks import page
from soltrace.cli.tail import GARBAGE
from soltrace.reading.files.follow import Follower
from soltrace.reading.prefilter import prefilter
from soltrace.wire.json_line import json_line
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import PassEnded, PassProgress, PassStarted, Record

RESULTS = Path(__file__).with_name("reading.md")
EVENT = "pass.ended"
LINES_OF_A_PASS = 25
HEADER = ("| who | what | records a second | time ÷ `json.loads` |", "| --- | --- | --- | --- |")
ABOUT = f"""\
Reading a log of {{lines:,}} lines ({{megabytes:.0f}} MB; a pass has {LINES_OF_A_PASS}: its start, progress, its end)
on one core, in turns: the median of {{repeats}}, and the quartiles of the ratios. *Typed records*: every line is
checked, decoded into a record, numbered and given its place in time, as `soltrace tail` does it. *Filtered*: as
`soltrace tail --event {EVENT}` does it. In bold: what soltrace promises; ✗ marks what it misses."""


@dataclass(frozen=True)
class Peer:
    """Somebody who reads a file, and tells how many records it found."""

    name: str
    what: str
    read: Callable[[Path], int]
    floor: int | None = None
    """Records a second that it promises."""


def peers() -> list[Peer]:
    """Name all who can take part here. The first is the one to whom the others are compared."""
    everybody = [
        Peer("`json.loads` per line", "dictionaries", _json),
        Peer("soltrace", "typed records", _soltrace, 500_000),
        Peer("soltrace", f"filtered: {EVENT}", lambda path: _soltrace(path, EVENT), 1_000_000),
    ]
    if find_spec("orjson"):
        everybody.append(Peer("`orjson.loads` per line", "dictionaries", _orjson))
    if shutil.which("jq"):
        everybody.append(Peer("`jq`", f"filtered: {EVENT}", _jq))
    return everybody


def _json(path: Path) -> int:
    with path.open("rb") as file:
        return sum(1 for line in file if json.loads(line))


def _orjson(path: Path) -> int:
    import orjson

    with path.open("rb") as file:
        return sum(1 for line in file if orjson.loads(line))


def _soltrace(path: Path, *events: str) -> int:
    return sum(1 for _ in Follower([path], print, skip=prefilter(events)).poll())


def _jq(path: Path) -> int:
    command = ["jq", "-c", f'select(.event == "{EVENT}") | .event', str(path)]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout.count(b"\n")  # noqa: S603 - ours


def write_log(path: Path, lines: int) -> None:
    """Write a log as the sink does."""
    with path.open("wb") as file:
        for number in range(lines):
            file.write(json_line(_record(number)) + b"\n")


def _record(number: int) -> Record:
    solve, at = divmod(number, LINES_OF_A_PASS)
    run = "20261125T034229Z-node-0042-4242"
    common = {
        "timestamp": datetime(2026, 11, 25, tzinfo=UTC) + timedelta(microseconds=1717 * number),
        "run_id": run,
        "experiment": "fit/warm",
        "attributes": {"seed": 3, "lr": 1e-3},
        "solve_id": f"{run}.{solve}",
        "pass_id": f"{run}.{solve}.forward",
        "phase": "forward",
    }
    steps = Steps(accepted=100 * at, rejected=3 * at)
    if at == 0:
        how = {"solver": "Tsit5", "adjoint": "RecursiveCheckpointAdjoint", "controller": "PIDController"}
        return PassStarted(**common, **how, rtol=1e-6, atol=1e-8, t0=0.0, t1=100.0, max_steps=4096, batch_shape=[])
    if at == LINES_OF_A_PASS - 1:
        ending = {"status": "ok", "result": "successful", "duration_s": 0.0421987, "progress": 1.0}
        return PassEnded(**common, **ending, t=100.0, step=103 * at, steps=steps)
    return PassProgress(**common, step=103 * at, progress=at / LINES_OF_A_PASS, t=4.1270001 * at, steps=steps)


def measure(path: Path, lines: int, repeats: int) -> list[str]:
    """Let everybody read in turns, and write the table's rows."""
    everybody = peers()
    for peer in everybody:
        peer.read(path)
    order = random.Random(0)
    times: dict[Peer, list[float]] = {peer: [] for peer in everybody}
    for _ in range(repeats):
        for peer in order.sample(everybody, len(everybody)):
            times[peer].append(_processor_time(peer, path))
    base = times[everybody[0]]
    return [_row(peer, lines, times[peer], base) for peer in everybody]


def _processor_time(peer: Peer, path: Path) -> float:
    before = time.process_time() + _children()
    peer.read(path)
    return time.process_time() + _children() - before


def _children() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _row(peer: Peer, lines: int, times: Sequence[float], base: Sequence[float]) -> str:
    rate = lines / median(times)
    pairs = [own / other for own, other in zip(times, base, strict=True)]
    low, _, high = quantiles(pairs, n=4) if len(pairs) > 1 else (pairs[0],) * 3
    shown = f"{rate:,.0f}"
    if peer.floor is not None:
        shown += f", **≥ {peer.floor:,}**" if rate >= peer.floor else f", ✗ < {peer.floor:,}"
    return f"| {peer.name} | {peer.what} | {shown} | {median(pairs):.2f} ({low:.2f} to {high:.2f}) |"


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "run.jsonl"
        gc.set_threshold(GARBAGE)  # As `soltrace tail` does; those who make dictionaries gain by it too.
        write_log(path, args.lines)
        about = ABOUT.format(lines=args.lines, megabytes=path.stat().st_size / 1e6, repeats=args.repeats)
        table = [*HEADER, *measure(path, args.lines, args.repeats)]
    print("\n".join(table))
    if not args.no_write:
        page.write(RESULTS, "Reading", about, table, "benchmarks.reading", argv)
    return 1 if args.check and any("✗" in row for row in table) else 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reading", description=__doc__)
    parser.add_argument("--lines", type=int, default=200_000, help="how long the log is (default: 200000)")
    parser.add_argument("--repeats", type=int, default=9, help="how often each reads it (default: 9)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if soltrace is slower than it promises")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
