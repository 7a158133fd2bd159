import json
import os
import tracemalloc
from pathlib import Path

import pytest

from soltrace.reading.files.follow import Follower
from soltrace.reading.files.lines import CHUNK
from soltrace.reading.parse import Rejected
from soltrace.wire.record_parts import Steps

STEPS = Steps(accepted=1, rejected=0)


STANDING_STILL = lambda: 0.0
"""A clock: however slow the machine is, each poll looks at all there is."""


def values(entries) -> list:
    """What the entries say, without where they stand."""
    return [entry.value for entry in entries]


def test_files_are_merged_in_time_order(tmp_path: Path, logs, say):
    """What several files have gained comes in the order in which it happened, a file's own lines in theirs."""
    a, b = logs("a"), logs("b")
    first, second, third = a.started(0), b.started(1), a.ended(2)
    late, fourth = b.progress(0.5, progress=0.1, step=1), b.ended(3)
    logs.append(tmp_path / "b.jsonl", second, late, fourth)
    logs.append(tmp_path / "a.jsonl", first, third)
    follower = Follower([tmp_path], say, clock=STANDING_STILL)

    # b's late line stands where its file stands.
    assert values(follower.poll()) == [first, second, late, third, fourth]
    assert values(follower.poll()) == []
    assert say == []


def test_long_files_are_merged_too(tmp_path: Path, logs, say):
    """A file that is read in many chunks does not run ahead of the others."""
    a, b = logs("a"), logs("b")
    ours = [a.progress(i, progress=0.1, step=i) for i in range(3000)]
    logs.append(tmp_path / "a.jsonl", *ours)
    theirs = [b.started(0.5), b.ended(2998.5)]
    logs.append(tmp_path / "b.jsonl", *theirs)
    assert (tmp_path / "a.jsonl").stat().st_size > 2 * CHUNK

    merged = values(Follower([tmp_path], say).poll())

    assert merged == [ours[0], theirs[0], *ours[1:2999], theirs[1], ours[2999]]


def test_lines_without_a_time_stand_where_their_file_stands(tmp_path: Path, logs, say):
    """Damage does not travel through the order; entries say where they stand."""
    a, b = logs("a"), logs("b")
    logs.append(tmp_path / "a.jsonl", a.started(0), b"\n", b"damage\n", a.ended(2))
    logs.append(tmp_path / "b.jsonl", b.started(1))

    entries = [(e.value, e.raw, e.path, e.number) for e in Follower([tmp_path], say).poll()]

    a_path, b_path = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    assert entries == [
        (a.started(0), logs.line(a.started(0))[:-1], a_path, 1),
        (Rejected("not JSON"), b"damage", a_path, 3),
        (b.started(1), logs.line(b.started(1))[:-1], b_path, 1),
        (a.ended(2), logs.line(a.ended(2))[:-1], a_path, 4),
    ]


def test_directories_and_files_that_appear_later(tmp_path: Path, log, say):
    """A path is waited for, which is said once; only `*.jsonl` are read."""
    runs = tmp_path / "runs"
    follower = Follower([runs], say, clock=STANDING_STILL)
    assert values(follower.poll()) == values(follower.poll()) == []
    assert say == [f"waiting for {runs}, which does not exist yet"]

    runs.mkdir()
    log.append(runs / "notes.txt", log.started(0))
    assert values(follower.poll()) == []

    log.append(runs / "run.jsonl", log.started(0))
    assert values(follower.poll()) == [log.started(0)]
    assert len(say) == 1


def test_a_file_that_was_named_twice_is_read_once(tmp_path: Path, log, say):
    """By its directory, by its name and by a link it is the same."""
    path = tmp_path / "run.jsonl"
    log.append(path, log.started(0))
    (tmp_path / "link.jsonl").symlink_to(path)

    assert values(Follower([tmp_path, path], say).poll()) == [log.started(0)]


def test_a_torn_line_is_waited_for(tmp_path: Path, log, say):
    """A line that is being written is a record when its newline has come, and the next one is whole."""
    path = tmp_path / "run.jsonl"
    line = log.line(log.ended(1))
    follower = Follower([path], say, clock=STANDING_STILL)

    log.append(path, log.started(0), line[:50])
    assert values(follower.poll()) == [log.started(0)]

    log.append(path, line[50:], log.experiment_ended(2))
    assert values(follower.poll()) == [log.ended(1), log.experiment_ended(2)]
    assert values(follower.rest()) == []


def test_last_lines_without_a_newline(tmp_path: Path, log, say):
    """Of a torn one it is known that it is torn; one that lacks its newline only is a record."""
    log.append(tmp_path / "a.jsonl", log.started(0), log.line(log.ended(1))[:50])
    log.append(tmp_path / "b.jsonl", log.line(log.ended(2))[:-1])
    log.append(tmp_path / "c.jsonl", b"  ")
    follower = Follower([tmp_path], say, clock=STANDING_STILL)

    assert values(follower.poll()) == [log.started(0)]
    assert [(e.value, e.path.name, e.number) for e in follower.rest()] == [
        (Rejected("unfinished"), "a.jsonl", 2),
        (log.ended(2), "b.jsonl", 1),
    ]


def test_what_cannot_be_read_does_not_stop_the_others(tmp_path: Path, log, say):
    """A file that cannot be read is named, once."""
    os.mkfifo(tmp_path / "a.jsonl")
    log.append(tmp_path / "b.jsonl", log.started(0))
    follower = Follower([tmp_path], say, clock=STANDING_STILL)

    assert values(follower.poll()) == [log.started(0)]
    assert values(follower.poll()) == []
    assert say == [f"cannot read {tmp_path / 'a.jsonl'}: it is a FIFO"]


def test_a_quiet_file_is_looked_at_less_often(tmp_path: Path, log, say):
    """No later than a tenth of the time that it was quiet, and no later than two seconds."""
    path = tmp_path / "run.jsonl"
    now = [0.0]
    follower = Follower([path], say, clock=lambda: now[0])
    log.append(path, log.started(0))

    def at(second: float) -> list:
        now[0] = second
        return values(follower.poll())

    assert at(0.0) == [log.started(0)]
    assert at(10.0) == []
    log.append(path, log.ended(1))
    assert at(10.9) == []
    assert at(11.0) == [log.ended(1)]

    assert at(1000.0) == []
    log.append(path, log.ended(2))
    assert at(1001.9) == []
    assert at(1002.0) == [log.ended(2)]
    log.append(path, log.ended(3))
    assert at(1002.0) == [log.ended(3)]  # It is not quiet any more.


def test_a_torn_line_does_not_swallow_the_next(tmp_path: Path, log, say):
    """Where another writer goes on behind a torn line, or behind the zeros that a crash has left, its line is read."""
    torn, zeros = log.line(log.started(0), timestamp="x")[:60], b"\0" * 100
    first = log.line(log.ended(1)).replace(b'{"event":"pass.ended",', b"{").replace(b"{", b'{"level":"info",', 1)
    behind = b'{"timestamp":"2026-11-25T03:24:30.123456Z","event":"x"}\n'
    log.append(tmp_path / "run.jsonl", torn, behind, zeros, behind, first)

    seen = [(e.value if isinstance(e.value, Rejected) else e.value.event, e.number) for e in follower_of(tmp_path, say)]

    assert seen == [
        (Rejected("torn"), 1),
        ("x", 1),
        (Rejected("with NUL bytes"), 2),
        ("x", 2),
        (Rejected("not a record"), 3),
    ]


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")], ids=["compact", "spaced"])
@pytest.mark.parametrize("order", [1, -1], ids=["our order", "another order"])
def test_what_stands_behind_damage_is_read_whoever_wrote_it(tmp_path: Path, log, say, separators, order):
    """Behind zeros, behind a torn line, behind a line that lacks its newline, and at the end of the file."""

    def line(at: int) -> bytes:
        values = dict(list(json.loads(log.line(log.progress(at, progress=0.5, step=at, steps=STEPS))).items())[::order])
        return json.dumps(values, separators=separators).encode()

    zeros, torn = b"\0" * 4096, line(9)[:-60]
    glued = [zeros + line(2), torn + line(3), line(4) + zeros, line(5) + line(6), zeros + torn + zeros + line(7)]
    parts = [line(1), *glued, line(8)]
    (tmp_path / "run.jsonl").write_bytes(b"\n".join(parts))

    follower = Follower([tmp_path], say, clock=STANDING_STILL)
    entries = [*follower.poll(), *follower.rest()]
    assert [e.value.step for e in entries if not isinstance(e.value, Rejected)] == [1, 2, 3, 4, 5, 6, 7, 8]
    reasons = [(e.value.reason, e.number) for e in entries if isinstance(e.value, Rejected)]
    assert reasons == [("with NUL bytes", 2), ("torn", 3), ("with NUL bytes", 4), ("with NUL bytes", 6)]


def follower_of(path: Path, say) -> list:
    """All that is there."""
    return list(Follower([path], say).poll())


def test_a_line_of_a_hundred_megabytes_takes_little_memory(tmp_path: Path, log, say):
    """It is skipped, counted and not collected."""
    path = tmp_path / "run.jsonl"
    with path.open("wb") as file:
        file.write(b'{"timestamp":"')
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(b'"}\n')
    log.append(path, log.ended(1))
    tracemalloc.start()
    try:
        assert values(Follower([path], say).poll()) == [Rejected("too long"), log.ended(1)]
        assert tracemalloc.get_traced_memory()[1] < 40_000_000
    finally:
        tracemalloc.stop()
