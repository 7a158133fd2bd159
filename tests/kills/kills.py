"""Kill processes at random times, and look at what their logs hold: each is a seed.

No line is torn that was complete; what is in the log is what was told, in its order, up to some moment; what is missing
was told within the last second; and the readers find what was open, and that the run is lost.
"""

import argparse
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from soltrace.reading.parse import Rejected, parse
from soltrace.reading.runs.run_watch import RunWatch
from soltrace.report.gather import gather
from soltrace.wire.records import (
    AnyRecord,
    ExperimentEnded,
    ExperimentStarted,
    PassEnded,
    PassProgress,
    PassStarted,
)
from tests.kills.victim import END, ENTER, LEAVE, START, STEP, Notes, solve_until_killed

PROMISED_S = 1.0
"""What was told longer ago is in the log."""
SOLVING = 0.8
"""Of the processes: the share that is killed after it has begun to solve."""
LIVES_S = 0.4
"""At most: long enough for several turns of the worker."""
SETTLES = timedelta(seconds=1.1)
"""So long readers wait for the last lines of a process that is gone."""


@dataclass
class Found:
    """What came of the kills."""

    killed: int = 0
    lines: int = 0
    torn: int = 0
    """Last lines that were just being written."""
    lost_runs: int = 0
    open_passes: int = 0
    missing: int = 0
    """What had been told, and is in no log."""
    window_s: float = 0.0
    """The longest time before a kill from which something is missing."""
    wrong: list[str] = field(default_factory=list)


def kill(seed: int, directory: Path, number: int, found: Found) -> None:
    """Start a process, kill it, and look at its log."""
    notes = Notes()
    child = os.fork()
    if not child:
        try:
            solve_until_killed(directory, notes, seed)
        finally:
            os._exit(1)
    rng = random.Random(seed)
    solves = rng.random() < SOLVING
    while solves and not notes.count:  # else it is killed while it begins, or before
        time.sleep(0.001)
    time.sleep(rng.uniform(0.0, LIVES_S))
    os.kill(child, number)
    _, status = os.waitpid(child, 0)
    killed_at = time.monotonic()
    found.killed += 1
    problems = list(_problems(directory, notes, killed_at, found))
    if os.WTERMSIG(status) != number:
        problems.append(f"it ended with the status {status}")
    found.wrong += [f"seed {seed}: {problem}" for problem in problems]


def _problems(directory: Path, notes: Notes, killed_at: float, found: Found) -> Iterator[str]:
    data = b"".join(log.read_bytes() for log in sorted(directory.glob("*.jsonl")))
    *lines, rest = data.split(b"\n")
    found.lines += len(lines)
    found.torn += bool(rest)
    records = [parse(line) for line in lines]
    yield from (f"not a record: {line!r}" for line, record in zip(lines, records, strict=True) if _bad(record))
    said = [key for record in records if (key := _key(record)) is not None]
    told = [(note.what, note.number, note.step) for note in notes.read()]
    if said[: len(told)] != told[: len(said)] or len(said) > len(told) + 1:
        yield f"the log is not what was told: {said[-3:]} ... {told[-3:]}"
    missing = notes.read()[len(said) :]
    found.missing += len(missing)
    window_s = killed_at - missing[0].time_s if missing else 0.0
    found.window_s = max(found.window_s, window_s)
    if window_s > PROMISED_S:
        yield f"something that was told {window_s:.2f} s before is missing"
    yield from _unrecognised(records, said, found)


def _bad(record: object) -> bool:
    return isinstance(record, Rejected) or not isinstance(record, AnyRecord)


def _key(record: object) -> tuple[int, int, int] | None:
    match record:
        case ExperimentStarted():
            return ENTER, record.attributes["number"], 0
        case ExperimentEnded():
            return LEAVE, record.attributes["number"], 0
        case PassStarted():
            return START, _number(record), 0
        case PassProgress():
            return STEP, _number(record), record.step
        case PassEnded():
            return END, _number(record), 0
        case _:
            return None


def _number(record: PassStarted | PassProgress | PassEnded) -> int:
    return int(record.solve_id.rpartition(".")[2])


def _unrecognised(records: Sequence[object], said: Sequence[tuple[int, int, int]], found: Found) -> Iterator[str]:
    """What the readers do not find, of what was open."""
    passes = len({n for what, n, _ in said if what == START} - {n for what, n, _ in said if what == END})
    entered = len({n for what, n, _ in said if what == ENTER} - {n for what, n, _ in said if what == LEAVE})
    watch = RunWatch(now=lambda: datetime.now(UTC) + SETTLES)
    for record in records:
        watch.feed(record)
    lost = [(run.since, run.passes) for run in watch.lost(whole=True)]
    expected = [(records[-1].timestamp, passes)] if passes or entered else []
    found.lost_runs += len(lost)
    found.open_passes += passes
    if lost != expected:
        yield f"lost are {lost} instead of {expected}"


def kills(seeds: Sequence[int], number: int = signal.SIGKILL) -> Found:
    """Kill a process for each seed."""
    found = Found()
    with tempfile.TemporaryDirectory() as name:
        for seed in seeds:
            kill(seed, Path(name) / str(seed), number, found)
        time.sleep(SETTLES.total_seconds())
        logs = [log for log in sorted(Path(name).glob("*/*.jsonl")) if log.stat().st_size]
        report = gather(logs) if logs else None
        told = (0, 0) if report is None else (report.lost.total, sum(phase.lost for phase in report.phases))
        if told != (found.lost_runs, found.open_passes):
            found.wrong.append(f"the report tells of {told} lost runs and passes")
    return found


def main(argv: Sequence[str]) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make kills", description=__doc__)
    parser.add_argument("--count", type=int, default=1000, help="how many kills (default: 1000)")
    parser.add_argument("--seed", type=int, help="the first seed; the others follow (default: a random one, printed)")
    parser.add_argument("--signal", default="SIGKILL", help="which (default: SIGKILL)")
    given = parser.parse_args(argv)
    first = random.SystemRandom().randrange(10**9) if given.seed is None else given.seed
    sys.stdout.write(f"{given.count} times {given.signal}, seeds from {first} on\n")
    found = kills(range(first, first + given.count), signal.Signals[given.signal])
    summary = [
        f"{found.killed} killed, {found.lines} lines, {found.torn} last ones unfinished; {found.lost_runs} runs lost",
        f"{found.open_passes} passes open; {found.missing} signals missing, all of the last {found.window_s:.3f} s",
    ]
    sys.stdout.write("".join(f"WRONG {problem}\n" for problem in found.wrong))
    sys.stdout.write(f"{', '.join(summary)}; {len(found.wrong)} wrong\n")
    return 1 if found.wrong else 0
