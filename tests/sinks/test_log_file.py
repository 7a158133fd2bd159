import os
import resource
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from soltrace.sinks import LinesLostError, log_file
from soltrace.sinks.log_file import LogFile

FIRST, SECOND, THIRD = b'{"first":1}', b'{"second":2}', b'{"third":3}'


@contextmanager
def room_for(size):
    """No file may grow beyond that: what is over it is refused, as by a full disk, and what is not is written."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize(
    ("room", "lost", "left"),
    [
        (0, 3, b'{"first":1}\n'),
        (5, 3, b'{"fir\n{"first":1}\n'),
        (11, 2, b'{"first":1}\n'),
        (12, 2, b'{"first":1}\n'),
        (20, 2, b'{"first":1}\n{"second\n'),
        (24, 1, b'{"first":1}\n{"second":2}\n'),
        (25, 1, b'{"first":1}\n{"second":2}\n'),
    ],
)
def test_of_a_batch_that_had_no_room_the_rest_is_lost(tmp_path, room, lost, left):
    """What is said to be lost is exact, and the next line is whole: it is preceded by the end that one may lack.

    A log that has no line says whose it is first, though that line is said to be lost.
    """
    file = LogFile(tmp_path / "run.jsonl")
    for _ in range(2):
        with room_for(room), pytest.raises(LinesLostError, match="File too large") as caught:
            file.write([FIRST, SECOND, THIRD])
        assert caught.value.lines == lost
        room, lost = file.path.stat().st_size, 3
    file.info(THIRD)
    file.close()
    assert file.path.read_bytes() == left + THIRD + b"\n"


def test_a_slow_disk_may_take_a_line_in_parts(tmp_path, monkeypatch):
    """A write that took less than it was given goes on."""
    file = LogFile(tmp_path / "run.jsonl")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
        file.info(b"0123456789")
    file.close()
    assert (tmp_path / "run.jsonl").read_text() == "0123456789\n"


@pytest.mark.parametrize("gone", ["file", "directory"])
def test_a_log_that_is_removed_is_begun_anew(gone, tmp_path, caplog):
    """With the line that it began with, which says whose it is; and that is said."""
    directory = tmp_path / "runs"
    directory.mkdir()
    file = LogFile(directory / "run.jsonl")
    file.info(FIRST)
    (directory / "run.jsonl").unlink()
    if gone == "directory":
        directory.rmdir()
    file.info(SECOND)
    file.info(THIRD)
    file.close()
    assert (directory / "run.jsonl").read_bytes().split() == [FIRST, SECOND, THIRD]
    (said,) = [record.getMessage() for record in caplog.records]
    assert said == f"soltrace: the log was removed or moved while it was written: begun anew: {file.path}"


def test_a_log_that_is_moved_is_begun_anew(tmp_path, monkeypatch):
    """That is looked for once a second: what is written until then is in the file that was moved."""
    file = LogFile(tmp_path / "run.jsonl")
    file.info(FIRST)
    (tmp_path / "run.jsonl").rename(tmp_path / "run.jsonl.1")
    file.info(SECOND)
    monkeypatch.setattr(log_file, "LOOK_S", 0.0)
    file.info(THIRD)
    file.close()
    assert (tmp_path / "run.jsonl.1").read_bytes().split() == [FIRST, SECOND]
    assert (tmp_path / "run.jsonl").read_bytes().split() == [FIRST, THIRD]


def test_a_line_never_gets_into_a_file_of_somebody_elses(tmp_path):
    """Who becomes a daemon closes all descriptors, and the next file gets the same number."""
    file = LogFile(tmp_path / "run.jsonl")
    file.info(FIRST)
    number = next(int(path.name) for path in Path("/proc/self/fd").iterdir() if path.resolve() == file.path)
    with (tmp_path / "other").open("wb") as other:
        os.dup2(other.fileno(), number)
    file.info(SECOND)
    file.close()
    os.close(number)
    assert (tmp_path / "other").read_bytes() == b""
    assert (tmp_path / "run.jsonl").read_bytes().split() == [FIRST, SECOND]


def test_a_relative_path_means_the_directory_at_the_beginning(tmp_path, monkeypatch):
    """A program may go elsewhere."""
    monkeypatch.setattr(log_file, "LOOK_S", 0.0)
    monkeypatch.chdir(tmp_path)
    file = LogFile(Path("run.jsonl"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file.info(FIRST)
    file.close()
    assert (tmp_path / "run.jsonl").read_bytes().split() == [FIRST]
    assert list(Path().iterdir()) == []


@pytest.mark.programs
def test_a_program_without_standard_streams_has_no_log_in_their_place(tmp_path):
    """What C writes to number 2, such as XLA's warnings, would stand between the lines."""
    program = """
import os, pathlib, sys
from soltrace.sinks.log_file import LogFile
file = LogFile(pathlib.Path(sys.argv[1]))
file.info(b"ours")
for number in range(3):
    try: os.write(number, b"theirs")
    except OSError: pass
file.info(b"ours")
"""
    command = f"exec {sys.executable} -c '{program}' {tmp_path}/run.jsonl 0<&- 1>&- 2>&-"
    assert subprocess.run(["sh", "-c", command], timeout=60, check=False).returncode == 0
    assert (tmp_path / "run.jsonl").read_bytes() == b"ours\nours\n"
