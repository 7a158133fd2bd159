import json
import os
from datetime import UTC, datetime, timedelta

import pytest
import structlog
from msgspec import UNSET, structs

from soltrace.reading.files.follow import Follower
from soltrace.sinks import LinesLostError, log_file
from soltrace.sinks.json_log import LoggerLog, fresh_file
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import LogOpened, LogResource, PassEnded, PassProgress, TelemetryDropped

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


def test_a_line_is_on_disk_when_it_was_settled(tmp_path):
    """Nothing is buffered in the process then: a kill loses none of it."""
    _, log = fresh_file(tmp_path, "run")
    for count in (1, 2):
        log.handle(PROGRESS)
        log.settle()
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

    log = LoggerLog(structlog.wrap_logger(structlog.PrintLogger(), processors=[keep]))
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


@pytest.mark.parametrize(
    "wrapper", [structlog.BoundLogger, structlog.stdlib.BoundLogger, None], ids=["generic", "stdlib", "filtering"]
)
def test_what_a_user_binds_may_be_called_as_an_argument_of_structlogs(wrapper):
    """Merged by a processor, as in the user's own lines, it would do no harm either."""
    entries = []

    def keep(logger, method, event):
        entries.append(dict(event))
        raise structlog.DropEvent

    log = LoggerLog(structlog.wrap_logger(structlog.PrintLogger(), processors=[keep], wrapper_class=wrapper))
    bound = {"self": 1, "method_name": "GET", "event": "click", "level": "high", "args": 2}
    log.handle(structs.replace(PROGRESS, context=bound))
    context = {"context.self": 1, "context.method_name": "GET", "context.event": "click", "context.level": "high"}
    assert entries == [json.loads(LINE) | context | {"args": 2}]


def rename(path):
    """As logrotate does it."""
    path.rename(path.with_name("run.jsonl.1"))


def copy_and_truncate(path):
    """As logrotate's `copytruncate` does it."""
    path.with_name("run.jsonl.1").write_bytes(path.read_bytes())
    os.truncate(path, 0)


@pytest.mark.parametrize("rotate", [rename, copy_and_truncate])
def test_a_log_that_is_rotated_is_followed_to_its_end(tmp_path, monkeypatch, rotate):
    """Each of its files says whose it is, with all that is known by now, and is told from the others by its time."""
    monkeypatch.setattr(log_file, "LOOK_S", 0.0)
    path = tmp_path / "run.jsonl"
    _, log = fresh_file(tmp_path, "run")
    follower = Follower([path], pytest.fail)
    told = []

    def tell(record, at):
        told.append(structs.replace(record, timestamp=MOMENT + timedelta(seconds=at)))
        log.handle(told[-1])
        log.settle()

    seen = []
    tell(LogOpened(**COMMON, resource={"host": "node1", "pid": 1}), 0)
    tell(LogResource(**COMMON, resource={"host": "node1", "pid": 1, "backend": "cpu"}), 1)
    for at in range(2, 8):
        tell(PROGRESS, at)
        seen += [entry.value for entry in follower.poll(every=True)]
        if at in {3, 5}:
            rotate(path)
    log.close()
    parts = [record for record in seen if isinstance(record, LogOpened) and record.part is not UNSET]
    assert [record for record in seen if record not in parts] == told
    assert parts == [
        structs.replace(told[0], timestamp=told[number].timestamp, resource=told[1].resource, part=part)
        for part, number in ((2, 4), (3, 6))
    ]


def test_a_flush_says_whether_lines_were_lost_since_the_last(tmp_path, monkeypatch):
    """A disk that is full is no place where they are safe."""

    def full(*_):
        raise OSError(28, "No space left on device")

    _, log = fresh_file(tmp_path, "run")
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        log.handle(PROGRESS)
        with pytest.raises(LinesLostError, match="No space left"):
            log.settle()
    assert [log.flush(1.0), log.flush(1.0)] == [False, True]
    log.close()


def test_a_logger_that_must_be_awaited_by_now_is_a_loss_that_is_counted():
    """It was not when it was given: structlog makes a logger when it is used."""

    class Logger:
        async def info(self, event, **fields):
            pass

    with pytest.raises(TypeError, match="must be awaited"):
        LoggerLog(Logger()).handle(PROGRESS)
