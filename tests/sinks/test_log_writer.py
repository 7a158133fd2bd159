"""The thread that writes a log, and disks that let it wait."""

import errno
import os
import threading

import pytest

from soltrace.sinks import LinesLostError
from soltrace.sinks.log_writer import AT_ONCE, LogWriter, SilentDiskError


class Disk:
    """Takes lines when it is let to."""

    def __init__(self):
        self.answers, self.asked = threading.Event(), threading.Event()
        self.answers.set()
        self.refuses, self.lines, self.synced, self.closed = False, [], 0, threading.Event()

    def write(self, lines):
        self.asked.set()
        self.answers.wait()
        if self.refuses:
            raise LinesLostError(len(lines), OSError(errno.EIO, os.strerror(errno.EIO)))
        self.lines += lines

    def sync(self):
        self.synced += 1

    def close(self):
        self.closed.set()


def hang(disk, writer):
    """Have the disk hang with a first line in hand."""
    disk.answers.clear()
    disk.asked.clear()
    writer.msg(b"first")
    assert not writer.settle()
    assert disk.asked.is_set()


def test_lines_wait_for_a_disk_that_hangs_up_to_a_bound():
    """What is beyond it is lost, and counted; when the disk answers again, what has waited is written."""
    disk = Disk()
    writer = LogWriter(disk, patience_s=0.05, bytes_at_most=10)
    hang(disk, writer)
    for _ in range(4):
        if not writer.refuses():
            writer.msg(b"waiting")
    with pytest.raises(SilentDiskError, match="no answer from the disk"):
        writer.must_answer()
    with pytest.raises(LinesLostError, match="too much waits for it") as lost:
        writer.settle()
    assert lost.value.lines == 2
    assert not writer.flush(0.01)
    disk.answers.set()
    assert writer.flush(10.0)
    assert writer.settle()
    assert (disk.lines, disk.synced) == ([b"first", b"waiting", b"waiting"], 1)
    writer.close()
    assert disk.closed.wait(10.0)


def test_a_disk_that_hangs_and_then_refuses():
    """What it had in hand is lost, and so is said later; what came meanwhile has its own chance."""
    disk = Disk()
    writer = LogWriter(disk, patience_s=0.05)
    hang(disk, writer)
    writer.msg(b"second")
    disk.refuses = True
    disk.answers.set()
    assert not writer.flush(10.0)
    with pytest.raises(LinesLostError, match="Input/output error") as lost:
        writer.settle()
    assert lost.value.lines == 2
    disk.refuses = False
    assert writer.refuses()  # for a moment
    with pytest.raises(LinesLostError):
        writer.settle()
    writer.must_answer()
    assert not writer.refuses()
    writer.msg(b"third")
    assert writer.settle()
    assert disk.lines == [b"third"]
    writer.close()


def test_what_a_disk_has_not_taken_in_time_is_given_up():
    """It is counted, and not written later; closing waits for nobody."""
    disk = Disk()
    writer = LogWriter(disk, patience_s=0.05)
    hang(disk, writer)
    for _ in range(3):
        writer.msg(b"waiting")
    assert writer.give_up() == 4
    writer.close()
    disk.answers.set()
    assert disk.closed.wait(10.0)
    assert disk.lines == [b"first"]


def test_a_batch_of_any_length_is_written_by_a_disk_that_is_only_slow():
    """No more of it is held than a part."""
    disk, line = Disk(), b"x" * 1000
    writer = LogWriter(disk, bytes_at_most=2 * AT_ONCE)
    for _ in range(5 * AT_ONCE // len(line)):
        assert not writer.refuses()
        writer.msg(line)
    assert len(disk.lines) * len(line) >= 4 * AT_ONCE
    assert writer.settle()
    assert len(disk.lines) == 5 * AT_ONCE // len(line)
    writer.close()


def test_the_disk_is_asked_to_keep_it_every_so_often():
    """Also when nothing comes any more."""
    disk = Disk()
    writer = LogWriter(disk, sync_s=0.05)
    writer.msg(b"first")
    assert writer.settle()
    while not disk.synced:
        threading.Event().wait(0.01)
    writer.close()
    assert disk.closed.wait(10.0)
    assert disk.synced == 1
