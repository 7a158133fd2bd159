"""What is noted of a log that is shipped: bounded, however long it is followed."""

from itertools import pairwise
from pathlib import Path

import msgspec
from msgspec import structs

from soltrace.reading.files.source import LogEntry
from soltrace.shipping.journal import MARKS_AT_MOST, Journal
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
