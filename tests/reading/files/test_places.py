import os
import socket
from pathlib import Path

import pytest

from soltrace.reading.files.compressed import head_of
from soltrace.reading.files.lines import LineReader, open_log
from soltrace.reading.files.places import Places, logs


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A directory with logs and other things in it."""
    for name in ("b.jsonl", "a.jsonl", "a.jsonl.gz", "c.jsonl.zst", "a.jsonl.1", "notes.txt", "deep/er/d.jsonl"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


@pytest.mark.parametrize(
    "path,expected",
    [
        (".", "a.jsonl b.jsonl c.jsonl.zst"),
        ("a.jsonl", "a.jsonl"),
        ("a.jsonl.1", "a.jsonl.1"),
        ("a.jsonl*", "a.jsonl a.jsonl.1"),
        ("[bc].*", "b.jsonl c.jsonl.zst"),
        ("**/*.jsonl", "a.jsonl b.jsonl deep/er/d.jsonl"),
        ("none.jsonl", ""),
        ("none*", ""),
        ("deep", ""),
    ],
)
def test_what_a_path_means(tree, path, expected):
    """A directory means its logs, a pattern what matches it, a file itself; what is there twice counts once."""
    assert [str(found.relative_to(tree)) for found in logs(tree / path)] == expected.split()


def test_a_file_may_have_a_name_like_a_pattern(tree):
    """Then it is meant."""
    (tree / "run[1].jsonl").touch()
    assert logs(tree / "run[1].jsonl") == [tree / "run[1].jsonl"]


def test_what_appears_is_found_once(tree, say):
    """In directories, by patterns and by its name."""
    places = Places([tree / "deep", tree / "x*.jsonl", tree / "x1.jsonl"], say)
    assert places.appeared(0.0) == []
    assert say == [
        f"waiting for {tree / 'x*.jsonl'}, which matches nothing yet",
        f"waiting for {tree / 'x1.jsonl'}, which does not exist yet",
    ]

    (tree / "x1.jsonl").touch()
    (tree / "deep" / "x.jsonl").touch()
    assert places.appeared(0.0) == [tree / "deep" / "x.jsonl", tree / "x1.jsonl"]
    assert places.appeared(0.0) == []


def test_the_longer_nothing_appears_the_later_it_is_looked(tree, say):
    """But at least every two seconds, and at once if asked to."""
    places = Places([tree / "deep"], say)
    new = tree / "deep" / "new.jsonl"
    assert [places.appeared(second) for second in (0.0, 10.0)] == [[], []]

    new.touch()
    assert places.appeared(10.9) == []
    assert places.appeared(11.0) == [new]

    assert places.appeared(1000.0) == []
    new.rename(tree / "deep" / "newer.jsonl")
    assert places.appeared(1001.9) == []
    assert places.appeared(1001.9, every=True) == [tree / "deep" / "newer.jsonl"]


def test_a_directory_that_cannot_be_listed_is_said(tmp_path, say, monkeypatch):
    """And does not stop the others."""

    def refuse(path: Path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("soltrace.reading.files.places.os.scandir", refuse)

    assert Places([tmp_path], say).appeared(0.0) == []
    assert say == [f"cannot read {tmp_path}: Permission denied"]


@pytest.fixture
def strange(tmp_path: Path) -> Path:
    """A directory with one log, and with what is called like one."""
    (tmp_path / "a.jsonl").touch()
    os.mkfifo(tmp_path / "fifo.jsonl")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "socket.jsonl"))
    (tmp_path / "nothing.jsonl").symlink_to("nowhere")
    (tmp_path / "circle.jsonl").symlink_to("circle.jsonl")
    (tmp_path / "zero.jsonl").symlink_to("/dev/zero")
    (tmp_path / "d.jsonl" / "e.jsonl").mkdir(parents=True)
    (tmp_path / "d.jsonl" / "f.jsonl").touch()
    return tmp_path


NO_LOGS = {
    "circle.jsonl": "Too many levels of symbolic links",
    "fifo.jsonl": "it is a FIFO",
    "nothing.jsonl": "it is a link to nothing",
    "socket.jsonl": "it is a socket",
    "zero.jsonl": "it is a device",
}


def test_what_is_only_called_like_a_log_is_said(strange, say):
    """Whoever reads it would wait for ever. A directory that is called so has logs in it."""
    assert logs(strange, say) == [strange / "a.jsonl", strange / "d.jsonl" / "f.jsonl"]
    complaints = [f"cannot read {strange / name}: {why}" for name, why in NO_LOGS.items()]
    assert sorted(say) == [*complaints, f"reading the logs in {strange / 'd.jsonl'} too: it is a directory"]


def test_what_a_pattern_matches_may_be_no_log(strange, say):
    """A directory is not meant by one."""
    assert logs(strange / "*.jsonl", say) == [strange / "a.jsonl"]
    assert sorted(say) == [f"cannot read {strange / name}: {why}" for name, why in NO_LOGS.items()]


@pytest.mark.parametrize("name", ["fifo.jsonl", "socket.jsonl", "zero.jsonl", "d.jsonl"])
def test_what_has_become_no_file_is_not_waited_for(strange, name):
    """It may be put in the place of a log."""
    with pytest.raises(OSError, match="it is a"):
        LineReader(strange / name).look()
    with pytest.raises(OSError, match=r"it is a|No such device"):
        os.close(open_log(strange / name))
    assert head_of(strange / name) == b""
