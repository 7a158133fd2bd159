"""What is noted of a log that is shipped: bounded, however long it is followed."""

from itertools import pairwise
from pathlib import Path

import msgspec
import pytest
from msgspec import structs

from soltrace.reading.files.source import LogEntry
from soltrace.shipping import journal as journal_module
from soltrace.shipping.journal import MARKS_AT_MOST, BeingShippedError, Journal
from soltrace.wire.records import LogOpened

ENDPOINT = "http://collector:4318"
FIRST = LogEntry(
    msgspec.convert(
        {
            "event": "log.opened",
            "timestamp": "2026-11-27T00:00:00.000000Z",
            "run_id": "r1",
            "experiment": None,
            "attributes": {},
            "resource": {},
        },
        LogOpened,
    ),
    b"{}",
    Path("run.jsonl"),
    1,
)
NOTES = 5 * MARKS_AT_MOST


def test_the_lines_that_are_known_get_rarer_towards_the_beginning(tmp_path):
    """The last ones are all known: those are what a log that was cut lacks."""
    journal = Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    notes = [structs.replace(journal.sent, logs=line, marked=line, mark=str(line)) for line in range(1, NOTES + 1)]
    journal.close()
    (file,) = tmp_path.iterdir()
    file.write_bytes(b"".join(msgspec.json.encode(note) + b"\n" for note in notes))

    journal = Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    journal.close()
    assert (journal.sent, len(journal.marks) <= MARKS_AT_MOST) == (notes[-1], True)
    assert journal.marks == {line: str(line) for line in journal.marks}
    known = sorted(journal.marks)
    last = known[-MARKS_AT_MOST // 2 :]
    assert last == list(range(NOTES - len(last) + 1, NOTES + 1))
    assert known[0] == 1
    # Nowhere is a stretch without any that is longer than what follows it.
    assert [line for line, following in pairwise(known) if following - line > NOTES - line] == []


def test_a_journal_does_not_grow(tmp_path, monkeypatch):
    """It is written anew, keeps what is known of each collector, and stays locked."""
    monkeypatch.setattr(journal_module, "JOURNAL_BYTES_AT_MOST", 20_000)
    other = Journal(FIRST.path, FIRST, "http://other:4318", tmp_path)
    other.note(structs.replace(other.sent, logs=7, marked=7, mark="seven"))
    other.close()
    journal = Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    (file,) = tmp_path.iterdir()
    sizes = []
    for line in range(1, 601):
        # It was cut in the middle: what was known of later lines is void.
        marked = line if line != 300 else 250
        sent = structs.replace(journal.sent, logs=line, marked=marked, mark=str(marked), cut=line == 300)
        journal.note(sent)
        journal.note(structs.replace(sent, traces=line))
        sizes.append(file.stat().st_size)
        with pytest.raises(BeingShippedError):
            Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    marks = {line: str(line) for line in (*range(1, 251), *range(301, 601))}
    assert (journal.sent.traces, journal.marks) == (600, marks)
    journal.close()
    assert list(tmp_path.iterdir()) == [file]
    longest = max(len(line) for line in file.read_bytes().splitlines(keepends=True))
    # What still counts is longer than the bound in the end; it grows by no more than that before it is written anew.
    assert max(sizes) <= longest * (len(marks) + 3) + 20_000
    assert sum(following < size for size, following in pairwise(sizes)) > 5

    journal = Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    assert (journal.sent.traces, journal.marks) == (600, marks)
    journal.close()
    other = Journal(FIRST.path, FIRST, "http://other:4318", tmp_path)
    assert (other.sent.logs, other.marks) == (7, {7: "seven"})
    other.close()


def test_a_journal_that_cannot_be_written_anew_goes_on(tmp_path, monkeypatch):
    """The disk has no room for another file: it grows."""
    monkeypatch.setattr(journal_module, "JOURNAL_BYTES_AT_MOST", 1000)
    journal = Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    (file,) = tmp_path.iterdir()
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    for line in range(1, 101):
        journal.note(structs.replace(journal.sent, logs=line, marked=line, mark=str(line)))
    with pytest.raises(BeingShippedError):
        Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    journal.close()
    assert len(file.read_bytes().splitlines()) == 100
    journal = Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    assert (journal.sent.logs, len(journal.marks)) == (100, 100)
    journal.close()


def test_a_journal_whose_place_is_taken_before_it_is_locked_is_opened_again(tmp_path, monkeypatch):
    """What is noted is in the one that is there."""
    journal = Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    journal.close()
    (file,) = tmp_path.iterdir()
    lock, anew = journal_module._lock, tmp_path / "anew"

    def lock_when_another_is_there(descriptor, path):
        if not anew.exists() and not file.stat().st_size:
            anew.write_bytes(b"\n")
            anew.replace(file)
        lock(descriptor, path)

    monkeypatch.setattr(journal_module, "_lock", lock_when_another_is_there)
    journal = Journal(FIRST.path, FIRST, ENDPOINT, tmp_path)
    journal.note(structs.replace(journal.sent, logs=7))
    journal.close()
    assert file.read_bytes() == b"\n" + msgspec.json.encode(journal.sent) + b"\n"
