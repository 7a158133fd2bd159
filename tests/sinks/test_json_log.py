import errno
import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import structlog

from soltrace.sinks import json_log
from soltrace.sinks.json_log import JsonLog, LogFile, fresh_file
from soltrace.wire.records import LogOpened, PassEnded, PassProgress, Steps, TelemetryDropped

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COMMON = {"timestamp": MOMENT, "run_id": "run", "experiment": "fit", "attributes": {"lr": 1e-3, "bad": "NaN"}}
PROGRESS = PassProgress(
    **COMMON,
    solve_id="run.1",
    pass_id="run.1.backward",
    phase="backward",
    step=3,
    progress=0.25,
    t="-Infinity",
    batch_index=[1, 0],
    trace_id="0" * 31 + "1",
    span_id="0" * 15 + "2",
)
LINE = (
    '{"timestamp":"2026-01-02T03:04:05.000000Z","level":"info","event":"pass.progress","schema":1,"run_id":"run",'
    '"experiment":"fit","attributes":{"lr":0.001,"bad":"NaN"},"trace_id":"00000000000000000000000000000001",'
    '"span_id":"0000000000000002","solve_id":"run.1","pass_id":"run.1.backward","phase":"backward","step":3,'
    '"progress":0.25,"t":"-Infinity","batch_index":[1,0]}\n'
)


def test_a_record_is_one_line_of_strict_json(tmp_path):
    """What a reader looks for first stands first; what is not known is left out; six digits of a second, always."""
    stem, log = fresh_file(tmp_path, "run")
    log.handle(PROGRESS)
    log.close()
    assert (tmp_path / "run.jsonl").read_text() == LINE
    assert stem == "run"


def test_nested_values_and_other_letters(tmp_path):
    """Steps are an object, without what is not known of them; UTF-8 as it is."""
    _, log = fresh_file(tmp_path, "run")
    ended = PassEnded(
        **(COMMON | {"experiment": "Größe", "attributes": {}}),
        level="error",
        solve_id="s",
        pass_id="p",
        phase="forward",
        status="error",
        result="max_steps_reached",
        duration_s=0.5,
        progress=1.0,
        step=3,
        steps=Steps(accepted=2, rejected=1),
    )
    log.handle(ended)
    log.close()
    assert (tmp_path / "run.jsonl").read_bytes().decode() == (
        '{"timestamp":"2026-01-02T03:04:05.000000Z","level":"error","event":"pass.ended","schema":1,"run_id":"run",'
        '"experiment":"Größe","attributes":{},"solve_id":"s","pass_id":"p","phase":"forward","status":"error",'
        '"result":"max_steps_reached","duration_s":0.5,"progress":1.0,"step":3,"steps":{"accepted":2,"rejected":1}}\n'
    )


def test_a_line_is_on_disk_when_it_was_handled(tmp_path):
    """Nothing is buffered in the process: a kill loses none of it."""
    _, log = fresh_file(tmp_path, "run")
    for count in (1, 2):
        log.handle(PROGRESS)
        assert (tmp_path / "run.jsonl").read_text() == LINE * count
    assert log.flush(1.0)
    log.close()


def test_two_runs_of_the_same_second_and_process_have_files_of_their_own(tmp_path):
    """Nothing is ever overwritten."""
    stems = [fresh_file(tmp_path / "new" / "runs", "run") for _ in range(3)]
    for stem, log in stems:
        log.handle(PROGRESS)
        log.close()
        assert (tmp_path / "new" / "runs" / f"{stem}.jsonl").read_text() == LINE
    assert [stem for stem, _ in stems] == ["run", "run-2", "run-3"]


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EFBIG])
def test_after_a_torn_line_the_next_one_is_whole(tmp_path, monkeypatch, number):
    """The disk was full halfway through a line, or a quota used up, or broken: readers lose that line alone."""
    file = LogFile(tmp_path / "run.jsonl")
    write = os.write

    def full(fd, data):
        write(fd, data[:5])
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match=os.strerror(number)):
            file.info(b'{"first": 1}')
    file.info(b'{"second": 2}')
    file.close()
    assert (tmp_path / "run.jsonl").read_text() == '{"fir\n{"second": 2}\n'


def test_a_slow_disk_may_take_a_line_in_parts(tmp_path, monkeypatch):
    """A write that took less than it was given goes on."""
    file = LogFile(tmp_path / "run.jsonl")
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[:3]))
        file.info(b"0123456789")
    file.close()
    assert (tmp_path / "run.jsonl").read_text() == "0123456789\n"


def test_structlogs_configuration_is_not_touched(tmp_path):
    """The user's own loggers stay as they are, and have no part in this file."""
    before = structlog.get_config(), structlog.is_configured()
    _, log = fresh_file(tmp_path, "run")
    log.handle(PROGRESS)
    log.close()
    assert (structlog.get_config(), structlog.is_configured()) == before


def test_a_loggers_own_processors_decide_what_becomes_of_a_line():
    """A structlog logger of the user's is given plain values, by the method of the level."""
    entries = []

    def keep(logger, method, event):
        entries.append((method, dict(event)))
        raise structlog.DropEvent

    log = JsonLog(structlog.wrap_logger(structlog.PrintLogger(), processors=[keep]))
    log.handle(PROGRESS)
    log.handle(TelemetryDropped(**COMMON, level="warning", dropped=3, what="progress", reason="queue full"))
    log.handle(LogOpened(**COMMON, resource={"pid": 1}))
    log.flush(1.0)
    log.close()
    assert entries[0] == ("info", json.loads(LINE))
    assert [(method, event["event"]) for method, event in entries[1:]] == [
        ("warning", "telemetry.dropped"),
        ("info", "log.opened"),
    ]


FIRST, SECOND, THIRD = b'{"first":1}', b'{"second":2}', b'{"third":3}'


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
    monkeypatch.setattr(json_log, "LOOK_S", 0.0)
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
    monkeypatch.setattr(json_log, "LOOK_S", 0.0)
    monkeypatch.chdir(tmp_path)
    file = LogFile(Path("run.jsonl"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    file.info(FIRST)
    file.close()
    assert (tmp_path / "run.jsonl").read_bytes().split() == [FIRST]
    assert list(Path().iterdir()) == []


def test_a_flush_says_whether_lines_were_lost_since_the_last(tmp_path, monkeypatch):
    """A disk that is full is no place where they are safe."""

    def full(*_):
        raise OSError(28, "No space left on device")

    _, log = fresh_file(tmp_path, "run")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left"):
            log.handle(PROGRESS)
    assert [log.flush(1.0), log.flush(1.0)] == [False, True]
    log.close()


@pytest.mark.programs
def test_a_program_without_standard_streams_has_no_log_in_their_place(tmp_path):
    """What C writes to number 2, such as XLA's warnings, would stand between the lines."""
    program = """
import os, pathlib, sys
from soltrace.sinks.json_log import LogFile
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


def test_a_logger_that_must_be_awaited_by_now_is_a_loss_that_is_counted():
    """It was not when it was given: structlog makes a logger when it is used."""

    class Logger:
        async def info(self, event, **fields):
            pass

    with pytest.raises(TypeError, match="must be awaited"):
        JsonLog(Logger()).handle(PROGRESS)
