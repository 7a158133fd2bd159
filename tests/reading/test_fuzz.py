"""The reader against whatever a file may hold, whatever becomes of it, and writers that are killed."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soltrace.reading.files.follow import Follower
from soltrace.reading.files.lines import HEAD
from soltrace.reading.files.source import LogEntry
from soltrace.reading.parse import Rejected
from soltrace.reading.prefilter import prefilter
from soltrace.wire.records import PassProgress, Record


@contextmanager
def directory() -> Iterator[Path]:
    """One of its own for each example: a fixture's would be shared by all of them."""
    with tempfile.TemporaryDirectory() as name:
        yield Path(name)


def written(log, step: int) -> bytes:
    """A line as our sink writes it, with a newline."""
    line = json.loads(log.line(log.progress(step, progress=0.5, step=step, t=f"τ\u2028{step}" if step % 3 else 0.5)))
    line["t"] = 0.5
    line["attributes"] = {"of": "a length that is usual, by which one log is told from another"}
    first = {key: line.pop(key) for key in ("timestamp", "level", "event")}
    return json.dumps(first | line, separators=(",", ":")).encode() + b"\n"


RUBBISH = st.one_of(
    st.binary(max_size=60),
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "surrogatepass")),
    st.sampled_from(
        [b"\0" * 50, b'{"timestamp":"', b"\n\n", b'{"event":"pass.ended"}\n', b"[" * 2000, b"\xff\n", b"\r\n"]
    ),
    st.tuples(st.integers(0, 40), st.integers(1, 250)).map(lambda cut: cut),
)
"""Bytes that are no record; a pair stands for the beginning of a record's line."""


@given(
    pieces=st.lists(st.one_of(st.integers(0, 99), RUBBISH), max_size=12),
    places=st.lists(st.integers(0, 2000), max_size=6),
    only_progress=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_no_valid_line_is_lost(logs, pieces, places, only_progress):
    """Whatever stands before and behind it, with a newline in between or without, and however it arrives."""
    log = logs()
    parts: list[bytes] = []
    steps: list[int] = []
    for piece in pieces:
        if isinstance(piece, int):
            parts.append(written(log, piece))
            steps.append(piece)
        else:
            parts.append(written(log, piece[0])[:-2][: piece[1]] if isinstance(piece, tuple) else piece)
    data = b"".join(parts)

    with directory() as path:
        skip = prefilter(["pass.progress"]) if only_progress else None
        follower = Follower([path], lambda _: None, skip=skip)
        seen = []
        bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
        for begin, end in pairwise(bounds):
            with (path / "run.jsonl").open("ab") as file:
                file.write(data[begin:end])
            seen += follower.poll(every=True)
        seen += follower.rest()

    assert [entry.value.step for entry in seen if isinstance(entry.value, PassProgress)] == steps
    assert all(entry.value.reason for entry in seen if isinstance(entry.value, Rejected))


ACTIONS = st.sampled_from(
    [*["write", "poll"] * 2, "rename", "copy", "compress", "copy compressed", "torn", "old size", "itself"]
)


@given(actions=st.lists(ACTIONS, max_size=25), directly=st.booleans())
@settings(deadline=None, max_examples=150)
def test_rotations_lose_nothing_and_repeat_nothing(logs, actions, directly):
    """Whatever is done to a log that was seen once, and however often between two looks."""
    log = logs()
    step, seen, torn = 0, [], b""
    with directory() as path:
        file = path / "run.jsonl"
        file.touch()
        follower = Follower([file if directly else path], lambda _: None)
        whole = known = False  # Whether the log has a line by now, and whether that was seen.
        for action in actions:
            if action in {"write", "torn"}:
                step += 1
                line = written(log, step)
                whole = whole or action == "write" or bool(torn)
                with file.open("ab") as target:
                    target.write(torn + (line[:100] if action == "torn" else line))
                torn = line[100:] if action == "torn" else b""
            elif action == "old size" and whole:
                seen += with_an_old_size(file, follower)
            elif action == "itself" and file.stat().st_size >= HEAD:
                copy = shutil.copy(file, path / ".run.jsonl")
                Path(copy).replace(file)
            elif action == "poll" or not known or action in {"old size", "itself"}:
                seen += follower.poll(every=True)
                known = whole
            else:
                rotate(file, action, torn)
                torn, whole, known = b"", False, False
        with file.open("ab") as target:
            target.write(torn)
        seen += follower.poll(every=True)
        seen += follower.poll(every=True)

    assert sorted(entry.value.step for entry in seen) == list(range(1, step + 1))


def with_an_old_size(file: Path, follower: Follower) -> list[LogEntry]:
    """What is seen while a file system tells an old size, and what it holds beyond that is not there."""
    data = file.read_bytes()
    os.truncate(file, len(data) * 2 // 3)
    seen = list(follower.poll(every=True))
    file.write_bytes(data)
    return seen


def rotate(file: Path, how: str, torn: bytes) -> None:
    """Put a log aside, its last line completed, and begin a new one."""
    with file.open("ab") as target:
        target.write(torn)
    older = sorted(file.parent.glob("run.jsonl.*"), key=lambda path: int(path.name.split(".")[2]), reverse=True)
    for path in older:
        number = int(path.name.split(".")[2])
        path.rename(path.with_name(path.name.replace(f".{number}", f".{number + 1}", 1)))
    if how == "rename":
        file.rename(file.with_name("run.jsonl.1"))
    elif how == "copy":
        shutil.copy(file, file.with_name("run.jsonl.1"))
        os.truncate(file, 0)
    else:
        file.with_name("run.jsonl.1.gz").write_bytes(gzip.compress(file.read_bytes()))
        if how == "compress":
            file.unlink()
        else:
            os.truncate(file, 0)
    file.touch()


WRITERS = """
import mmap, os, random, signal, sys, time
from pathlib import Path
from soltrace.sinks.log_file import LogFile

directory, times, line = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3].encode()
chance = random.Random(int(sys.argv[4]))
written = mmap.mmap(-1, 8)
for i in range(times):
    written[:8] = bytes(8)
    padding = b'"' + b"x" * chance.choice([10, 1_000, 1_000_000]) + b'"'
    child = os.fork()
    if child == 0:
        file = LogFile(directory / f"run-{i}.jsonl")
        count = 0
        while True:
            file.msg(line.replace(b'"STEP"', b"%d" % count).replace(b'"PADDING"', padding))
            count += 1
            written[:8] = count.to_bytes(8, "little")
    time.sleep(chance.expovariate(500))
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    print(i, int.from_bytes(written[:8], "little"), flush=True)
"""


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_killed_writer_loses_no_line_that_it_wrote(tmp_path: Path, log, part):
    """Two hundred and fifty writers, each killed at any moment: their lines are read back, torn ones are counted."""
    line = written(log, 0)[:-1].replace(b'"step":0', b'"step":"STEP"')
    line = line.replace(b'"attributes":{', b'"attributes":{"p":"PADDING",')
    command = [sys.executable, "-c", WRITERS, str(tmp_path), "250", line.decode(), str(part)]
    checked = 0
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        for report in process.stdout:
            name, acknowledged = report.split()
            check(tmp_path / f"run-{name}.jsonl", int(acknowledged))
            checked += 1

    assert (process.returncode, checked) == (0, 250)


def check(path: Path, acknowledged: int) -> None:
    """All lines that the writer knew to be written are there, in their order, and at most one more."""
    if not path.exists():
        assert acknowledged == 0
        return
    follower = Follower([path], lambda _: None)
    steps = [entry.value.step for entry in follower.poll()]
    rest = [entry.value for entry in follower.rest()]
    path.unlink()
    assert steps == list(range(len(steps)))
    assert len(steps) - acknowledged in {0, 1}
    assert rest in ([], [Rejected("unfinished")]) or isinstance(rest[0], Record)
