import gzip
from pathlib import Path

import pytest

from soltrace.reading.files.compressed import CompressedLineReader, _zstd_module, head_of, missing_decompressor
from soltrace.reading.files.follow import Follower
from soltrace.reading.files.lines import CHUNK
from soltrace.reading.parse import Rejected

zstd = _zstd_module()
LINES = [b"%d" % i * 60 for i in range(20_000)]
KINDS = {".gz": gzip.compress} | ({} if zstd is None else {".zst": zstd.compress})


@pytest.fixture(params=KINDS, ids=str)
def path(request, tmp_path: Path) -> Path:
    """Where a compressed log is to be."""
    return tmp_path / f"run.jsonl{request.param}"


def write(path: Path, *parts: bytes) -> bytes:
    """Compress each part by itself, as one that appends does."""
    data = b"".join(KINDS[path.suffix](part) for part in parts)
    path.write_bytes(data)
    return data


def test_a_compressed_log_has_its_lines(path):
    """In parts too, and once."""
    text = b"\n".join(LINES) + b"\n"
    assert len(text) > 3 * CHUNK
    write(path, text[:1000], text[1000:])
    file = CompressedLineReader(path)

    assert list(file.read()) == LINES
    assert list(file.read()) == []
    assert file.rest() == b""


def test_what_is_added_is_read_on(path):
    """Without what was there before."""
    write(path, b"one\ntw")
    file = CompressedLineReader(path)
    assert list(file.read()) == [b"one"]
    write(path, b"one\ntw", b"o\nthree\n")
    assert list(file.read()) == [b"two", b"three"]


def test_a_torn_compressed_log(path, log):
    """What can be had of it is; that its end is missing is said."""
    whole = write(path, b"".join(log.line(log.progress(i, progress=0.1, step=i**5 % 9973)) for i in range(20_000)))
    path.write_bytes(whole[: len(whole) // 2])
    follower = Follower([path], print)

    seen = [entry.value for entry in follower.poll()]
    rest = [entry.value for entry in follower.rest()]

    assert seen == [log.progress(i, progress=0.1, step=i**5 % 9973) for i in range(len(seen))]
    assert len(seen) > 1000
    assert rest == [Rejected("unfinished")]


def test_a_damaged_compressed_log(path, log, tmp_path):
    """Does not stop the others, and is counted."""
    whole = write(path, b"".join(log.line(log.progress(i, progress=0.1, step=i**5 % 9973)) for i in range(20_000)))
    middle = len(whole) // 2
    path.write_bytes(whole[:middle] + b"\xff" * 5000 + whole[middle + 5000 :])
    log.append(tmp_path / "other.jsonl", log.ended(10**6))

    seen = [entry.value for entry in Follower([tmp_path], print).poll()]

    damage = Rejected("in a damaged part of a compressed file")
    assert seen[0] == log.progress(0, progress=0.1, step=0)
    assert seen[-1] == log.ended(10**6)
    assert damage in seen


def test_of_a_log_that_is_there_twice_the_original_is_read(path, log):
    """While it is being compressed, both are."""
    log.append(path.with_suffix(""), log.started(0))
    write(path, log.line(log.started(0)))

    assert [entry.value for entry in Follower([path.parent], print).poll()] == [log.started(0)]


def test_compressed_logs_of_a_directory_are_read(path, log):
    """By their names."""
    write(path, log.line(log.started(0)))

    assert [entry.value for entry in Follower([path.parent], print).poll()] == [log.started(0)]


def test_heads(path, tmp_path):
    """Files are compared by what they hold, and one that cannot be read holds nothing."""
    write(path, b"x" * 1000)
    plain = tmp_path / "plain"
    plain.write_bytes(b"x" * 1000)
    assert head_of(path) == head_of(plain) == b"x" * 256
    path.write_bytes(b"no such thing")
    assert head_of(path) == head_of(tmp_path / "none") == head_of(tmp_path) == b""


def test_what_is_missing(path, monkeypatch):
    """gzip comes with Python; zstd may have to be installed, which is said when a file needs it."""
    assert missing_decompressor(path) is None
    monkeypatch.setattr("soltrace.reading.files.compressed._ZSTD", ("no.such", "no_such"))
    lack = "zstd is not installed here: pip install 'soltrace[zstd]'"
    assert missing_decompressor(path) == (lack if path.suffix == ".zst" else None)

    path.write_bytes(b"x")
    said: list[str] = []
    assert [e.value.reason for e in Follower([path], said.append).poll()] == ["in a damaged part of a compressed file"][
        : path.suffix == ".gz"
    ]
    damaged = f"cannot read all of {path}: it is damaged"
    assert said == [f"cannot read {path}: {lack}" if path.suffix == ".zst" else damaged]


def test_a_compressed_log_that_is_torn_between_two_lines(path):
    """Its end is missing all the same."""
    whole = write(path, b"one\n")
    path.write_bytes(whole[:-1])
    file = CompressedLineReader(path)

    seen = {".gz": ([b"one"], b"\0"), ".zst": ([], b"one")}  # zstd's last byte belongs to the newline.
    assert (list(file.read()), file.rest()) == seen[path.suffix]
