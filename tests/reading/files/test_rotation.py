"""Logs that are renamed, copied, truncated, compressed and deleted while they are followed."""

import gzip
import os
import shutil
from pathlib import Path

import pytest

from soltrace.reading.files.follow import Follower
from soltrace.reading.parse import Rejected


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A log in a directory of its own."""
    return tmp_path / "run.jsonl"


@pytest.fixture
def steps(log):
    """The records of a pass, one after the other: long enough to be told from others."""

    def make(first: int, last: int) -> list:
        return [log.progress(i, progress=i / 100, step=i) for i in range(first, last + 1)]

    return make


def poll(follower: Follower) -> list:
    """What has come, looking at everything."""
    return [entry.value for entry in follower.poll(every=True)]


def test_a_renamed_log_is_read_to_its_end(path, log, steps, say):
    """What was written before and after it got its new name, and by the next one with its former name."""
    log.append(path, *steps(1, 3))
    follower = Follower([path], say)
    assert poll(follower) == steps(1, 3)

    with path.open("ab") as writer:  # It has the file open, whatever its name.
        writer.write(log.line(*steps(4, 4)) + log.line(*steps(5, 5))[:30])
        writer.flush()
        path.rename(path.with_name("run.jsonl.1"))
        assert poll(follower) == steps(4, 4)

        log.append(path, *steps(10, 11))
        assert poll(follower) == steps(10, 11)

        writer.write(log.line(*steps(5, 5))[30:])
        writer.flush()
        assert poll(follower) == steps(5, 5)
    log.append(path, *steps(12, 12))
    assert poll(follower) == steps(12, 12)
    assert [*follower.rest(), *say] == []


@pytest.mark.parametrize("where", ["file", "directory"])
@pytest.mark.parametrize("name", ["run.{}.jsonl", "run.jsonl.{}", "run-{}.jsonl"])
def test_several_rotations_in_a_row(path, log, steps, say, where, name):
    """Each log is read once, whatever names it had, however many changed them between two looks."""
    follower = Follower([path if where == "file" else path.parent], say)
    names = [path, *(path.with_name(name.format(i)) for i in range(1, 6))]
    seen = []
    for round_ in range(5):
        log.append(path, *steps(10 * round_, 10 * round_ + 3))
        seen += poll(follower)
        log.append(path, *steps(10 * round_ + 4, 10 * round_ + 5))
        for older, old in zip(names[::-1], names[-2::-1], strict=False):
            if old.exists():
                old.rename(older)
        if round_ % 2:
            seen += poll(follower)
    seen += poll(follower)

    expected = [record for round_ in range(5) for record in steps(10 * round_, 10 * round_ + 5)]
    assert sorted(seen, key=lambda record: record.step) == expected
    assert [*follower.rest(), *say] == []


@pytest.mark.parametrize("where", ["file", "directory"])
@pytest.mark.parametrize("name", ["run.jsonl.1", "run.1.jsonl"])
@pytest.mark.parametrize("after", [1, 5])
def test_a_log_that_is_copied_and_truncated(path, log, steps, say, where, name, after):
    """What was not read yet is in the copy alone; what follows is in the log, even if it is longer than before."""
    log.append(path, *steps(1, 2))
    follower = Follower([path if where == "file" else path.parent], say)
    assert poll(follower) == steps(1, 2)

    log.append(path, *steps(3, 3))
    shutil.copy(path, path.with_name(name))
    if after == 1:
        assert poll(follower) == steps(3, 3)
    os.truncate(path, 0)
    log.append(path, *steps(10, 10 + after))

    rest = [] if after == 1 else steps(3, 3)
    assert poll(follower) + poll(follower) == rest + steps(10, 10 + after)
    log.append(path, *steps(20, 20))
    assert poll(follower) == steps(20, 20)
    assert [*follower.rest(), *say] == []


@pytest.mark.parametrize("where", ["file", "directory"])
def test_a_log_that_is_compressed_is_read_on_where_reading_stopped(path, log, steps, say, where):
    """It has the same lines, and none of them is read twice."""
    log.append(path, *steps(1, 3))
    follower = Follower([path if where == "file" else path.parent], say)
    assert poll(follower) == steps(1, 3)

    log.append(path, *steps(4, 5))
    compressed = path.with_name("run.jsonl.gz")
    whole = gzip.compress(path.read_bytes())
    compressed.write_bytes(whole[:40])
    if where == "directory":
        assert poll(follower) == steps(4, 5)
    compressed.write_bytes(whole)
    path.unlink()

    assert poll(follower) == ([] if where == "directory" else steps(4, 5))
    assert poll(follower) == []
    assert [*follower.rest(), *say] == []


def test_a_log_that_is_renamed_and_compressed_at_once(path, log, steps, say):
    """As `logrotate` does without a delay."""
    log.append(path, *steps(1, 3))
    follower = Follower([path], say)
    assert poll(follower) == steps(1, 3)

    log.append(path, *steps(4, 4))
    path.with_name("run.jsonl.1.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    log.append(path, *steps(10, 10))

    assert poll(follower) == [*steps(4, 4), *steps(10, 10)]


def test_a_log_with_the_inode_of_one_that_was_deleted(tmp_path, log, logs, steps, say):
    """It is another log, read from its beginning."""
    first, second = tmp_path / "a.jsonl", tmp_path / "b.jsonl"
    other = logs("r2")
    log.append(first, *steps(1, 3))
    follower = Follower([tmp_path], say)
    assert poll(follower) == steps(1, 3)

    # As if the inode had been given again: by chance that takes its time.
    first.write_bytes(b"".join(other.line(other.progress(i, progress=0.1, step=i)) for i in range(9)))
    first.rename(second)

    assert [record.run_id for record in poll(follower)] == ["r2"] * 9


def test_what_is_lost_with_a_deleted_log_is_counted(path, log, steps, say):
    """A line without its end; and what was seen to be there and could not be read any more."""
    log.append(path, *steps(1, 1), log.line(*steps(2, 2))[:50])
    follower = Follower([path], say)
    assert poll(follower) == steps(1, 1)
    path.unlink()
    assert poll(follower) == [Rejected("unfinished")]

    log.append(path, *steps(3, 3))
    assert poll(follower) == steps(3, 3)
    log.append(path, *steps(4, 4))
    reading = follower.poll(every=True)
    path.unlink()
    assert list(reading) == []
    assert poll(follower) == [Rejected("deleted before it was read")]
    assert poll(follower) == []


def test_logs_that_begin_alike_are_not_one(tmp_path, log, say):
    """Two short ones may say the same."""
    for name in ("run.jsonl", "run-2.jsonl", "run.jsonl.1"):
        log.append(tmp_path / name, b'{"event":"x"}\n')
    follower = Follower([tmp_path, tmp_path / "run.jsonl.1"], say)

    assert len(poll(follower)) == 3


def test_a_truncated_log_that_is_as_long_as_before(path, log, steps, say):
    """Is known by the time of its last change, and by how it begins."""
    log.append(path, *steps(10, 12))
    size = path.stat().st_size
    follower = Follower([path], say)
    assert poll(follower) == steps(10, 12)

    path.write_bytes(b"".join(log.line(record) for record in steps(20, 22)))
    assert path.stat().st_size == size

    assert poll(follower) == steps(20, 22)


def test_less_than_a_line_does_not_tell_logs_apart(path, log, steps, say):
    """What begins alike may go on in any way: nothing is taken for a copy by it."""
    line = log.line(*steps(1, 1))
    log.append(path, line[:40])
    log.append(path.with_name("run-2.jsonl"), line)
    follower = Follower([path], say)
    assert poll(follower) == []

    os.truncate(path, 0)

    assert poll(follower) == [Rejected("unfinished")]
    log.append(path, *steps(2, 2))
    assert poll(follower) == steps(2, 2)


def test_of_several_copies_the_newest_has_it_all(path, log, steps, say):
    """An older one was made before the log was complete."""
    log.append(path, *steps(1, 2))
    follower = Follower([path], say)
    assert poll(follower) == steps(1, 2)
    for name in ("run.jsonl.a", "run.jsonl.b", "run.jsonl.c"):
        if name == "run.jsonl.b":
            log.append(path, *steps(3, 3))
        shutil.copy(path, path.with_name(name))
    os.utime(path.with_name("run.jsonl.a"), (1, 1))
    os.utime(path.with_name("run.jsonl.c"), (0, 0))
    os.truncate(path, 0)

    assert poll(follower) == steps(3, 3)
