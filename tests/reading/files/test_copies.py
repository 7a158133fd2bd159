"""Logs that are there twice are read once."""

import gzip
import os

import pytest

from soltrace.reading.files.copies import without_copies

OPENED = b'{"timestamp":"2026-01-01T00:00:00.%06dZ","level":"info","event":"log.opened","schema":1,"run_id":"run-%d"}\n'


@pytest.fixture
def make(tmp_path):
    """Make a log of this run, written at this time, in seconds."""

    def made(name, run, written, more=b""):
        path = tmp_path / name
        content = OPENED % (run, run) + more
        path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
        os.utime(path, (written, written))
        return path

    return made


def test_of_copies_the_one_that_was_written_last_is_kept(make, tmp_path):
    """Whatever they are called, and compressed or not: it holds what the others do."""
    backup, log, other = make("backup.jsonl.gz", 1, 10), make("run.jsonl", 1, 30, b"{}\n"), make("b.jsonl", 2, 5)
    older = make("run-2.jsonl", 1, 20)
    said = []
    assert without_copies([backup, log, other, older], said.append) == [log, other]
    assert said == [f"leaving {each} out: it is a copy of {log}" for each in (backup, older)]


def test_one_that_is_being_compressed_is_not_kept(make):
    """It is written later than the log, and holds less so far; what compresses it removes the log at the end."""
    log, backup, begun = make("run.jsonl", 1, 20, b"{}\n" * 9), make("b.jsonl", 1, 10), make("run.jsonl.gz", 1, 30)
    said = []
    assert without_copies([log, begun, backup], said.append) == [log]
    assert said == [f"leaving {each} out: it is a copy of {log}" for each in (begun, backup)]


def test_files_that_begin_alike_and_are_no_logs_of_ours_are_no_copies(tmp_path):
    """Nor are empty ones."""
    files = [tmp_path / name for name in ("a.jsonl", "b.jsonl", "c.jsonl", "d.jsonl")]
    for file, content in zip(files, [b"", b"", b'{"msg":"up"}\n', b'{"msg":"up"}\n'], strict=True):
        file.write_bytes(content)
    assert without_copies(files, pytest.fail) == files
