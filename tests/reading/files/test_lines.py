import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soltrace.reading.files.lines import CHUNK, SHORT_LOOKS_AT_MOST, LineReader, Splitter


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """Cut bytes at places, which may lie outside of them."""
    bounds = [0, *sorted(min(place, len(data)) for place in places), len(data)]
    return [data[a:b] for a, b in pairwise(bounds)]


@given(st.binary(max_size=200), st.lists(st.integers(0, 200)))
def test_lines_do_not_depend_on_the_chunks(data, places):
    """Bytes give the same lines however they arrive, and nothing of them is lost."""
    splitter = Splitter()

    lines = [line for chunk in cut(data, places) for line in splitter.feed(chunk)]

    assert [*lines, splitter.rest()] == data.split(b"\n")


@given(st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line)), st.lists(st.integers(0, 200)))
def test_too_long_a_line_is_skipped_and_the_next_is_not(lines, places):
    """A line over the limit is answered by None at its place, however the bytes arrive."""
    splitter = Splitter(longest=5)

    found = [line for chunk in cut(b"".join(line + b"\n" for line in lines), places) for line in splitter.feed(chunk)]

    assert found == [line if len(line) <= 5 else None for line in lines]


def test_too_long_a_line_is_not_collected():
    """What has come of a line that is too long takes no memory."""
    splitter = Splitter(longest=1000)

    for _ in range(100):
        assert splitter.feed(b"x" * 1000) == []

    assert sum(map(len, splitter._parts)) == 0
    assert splitter.rest() is None


def test_what_a_file_gains_is_read_once(tmp_path: Path):
    """Each look at a file yields the lines that were completed since the look before."""
    path = tmp_path / "run.jsonl"
    file = LineReader(path)
    assert list(file.read()) == []

    path.write_bytes(b"one\ntw")
    assert list(file.read()) == [b"one"]
    assert list(file.read()) == []

    with path.open("ab") as writer:
        writer.write(b"o\nthree\n\n")
    assert list(file.read()) == [b"two", b"three", b""]
    assert file.rest() == b""


def test_a_long_file_is_read_in_chunks(tmp_path: Path):
    """Lines across the borders of chunks are whole."""
    path = tmp_path / "run.jsonl"
    lines = [b"%d" % i * 50 for i in range(20_000)]
    path.write_bytes(b"\n".join(lines) + b"\n")
    assert path.stat().st_size > 3 * CHUNK

    assert list(LineReader(path).read()) == lines


@pytest.mark.parametrize("how", ["shrunk", "replaced"])
def test_a_file_that_begins_anew_is_read_from_its_beginning(tmp_path: Path, how: str):
    """A file that was truncated, or is another one by the same name, is a new file; the old one's torn line is gone."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"old\nlines\nto")
    file = LineReader(path)
    assert list(file.read()) == [b"old", b"lines"]

    if how == "shrunk":
        path.write_bytes(b"new\n")
    else:
        other = tmp_path / "other"
        other.write_bytes(b"new\n" + b"and longer than before\n")
        other.rename(path)

    assert list(file.read()) == [b"new", b"and longer than before"][: 1 if how == "shrunk" else 2]


LINES = [b"%d" % i * 40 for i in range(20)]
WHOLE = b"\n".join(LINES) + b"\n"


def test_a_size_that_is_an_old_one_has_nothing_read_again(tmp_path: Path):
    """A network file system may tell it for a while."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(WHOLE)
    file = LineReader(path)
    assert list(file.read()) == LINES
    for size in (len(WHOLE) - 100, 300, 100):
        os.truncate(path, size)
        assert [list(file.read()) for _ in range(5)] == [[]] * 5
        path.write_bytes(WHOLE)
        assert list(file.read()) == []
    path.write_bytes(WHOLE + b"new\n")
    assert list(file.read()) == [b"new"]


def test_a_file_that_stays_shorter_goes_on_from_there(tmp_path: Path):
    """It was cut; what is left of it has been read."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(WHOLE)
    file = LineReader(path)
    assert list(file.read()) == LINES
    os.truncate(path, WHOLE.index(LINES[10]))
    assert [list(file.read()) for _ in range(SHORT_LOOKS_AT_MOST + 1)] == [[]] * (SHORT_LOOKS_AT_MOST + 1)
    with path.open("ab") as more:
        more.write(b"new\n")
    assert list(file.read()) == [b"new"]


def test_a_file_that_is_replaced_by_a_longer_copy_goes_on(tmp_path: Path):
    """As rsync does, again and again."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(WHOLE)
    file = LineReader(path)
    assert list(file.read()) == LINES
    for i in range(3):
        copy = tmp_path / ".run.jsonl.x"
        copy.write_bytes(path.read_bytes() + b"new %d\n" % i)
        copy.replace(path)
        assert list(file.read()) == [b"new %d" % i]


def test_a_deleted_file_has_no_lines(tmp_path: Path):
    """A file that is gone is no error: it may come back."""
    path = tmp_path / "run.jsonl"
    path.write_bytes(b"one\n")
    file = LineReader(path)
    assert list(file.read()) == [b"one"]

    path.unlink()

    assert list(file.read()) == []
