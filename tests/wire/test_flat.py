from datetime import UTC, datetime, timedelta, timezone
from typing import get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET, structs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk.trace import TracerProvider

from soltrace.sinks.json_log import fresh_file
from soltrace.sinks.log_records import OtelLogs
from soltrace.sinks.spans import Spans
from soltrace.testing import capture
from soltrace.wire import records
from soltrace.wire.flat import LEADING, flat_names
from soltrace.wire.json_line import json_line
from soltrace.wire.record_parts import Lanes, Steps, Usage
from soltrace.wire.records import AnyRecord, LogOpened, PassEnded
from soltrace.wire.step_fields import AttemptedSteps, ExplodedGradient, Nonfinite
from soltrace.wire.verdicts import Verdict

MOMENT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
COMMON = {"timestamp": MOMENT, "run_id": "run", "experiment": None, "attributes": {"a.b": 1, "list": [1, "b"]}}
ENDED = PassEnded(
    **COMMON,
    level="error",
    solve_id="run.1",
    pass_id="run.1.forward",
    phase="forward",
    status="error",
    result="max_steps_reached",
    duration_s=0.5,
    progress=0.25,
    t="NaN",
    step=3,
    steps=Steps(accepted=2, rejected=1),
    lanes=Lanes(total=2, finished=2, failed=1, progress_min=0.25, progress_median=0.5, progress_max=0.75),
    trace_id="0" * 32,
)
FRONT = {
    "timestamp": "2026-01-02T03:04:05.000000Z",
    "level": "error",
    "event": "pass.ended",
    "schema": 1,
    "run_id": "run",
    "experiment": None,
    "attributes": {"a.b": 1, "list": [1, "b"]},
    "trace_id": "0" * 32,
    "solve_id": "run.1",
    "pass_id": "run.1.forward",
    "phase": "forward",
    "status": "error",
    "result": "max_steps_reached",
    "duration_s": 0.5,
    "progress": 0.25,
    "t": "NaN",
    "step": 3,
}


def test_a_line_is_nested():
    """Every field in its order, what a reader looks for first in front; what is not known is left out."""
    nested = {
        "steps": {"accepted": 2, "rejected": 1},
        "lanes": {
            "total": 2,
            "finished": 2,
            "failed": 1,
            "progress_min": 0.25,
            "progress_median": 0.5,
            "progress_max": 0.75,
        },
    }
    assert list(ENDED.line.items()) == list((FRONT | nested).items())


@pytest.mark.parametrize("microsecond", [0, 1, 250000, 999999])
@pytest.mark.parametrize("context", [UNSET, {"level": "mine", "é": [1]}], ids=["plain", "bound"])
def test_a_line_is_made_at_once(microsecond, context):
    """To the byte what comes of the object that it holds."""
    record = structs.replace(ENDED, timestamp=MOMENT.replace(microsecond=microsecond), context=context, experiment='",')
    assert json_line(record) == msgspec.json.encode(record.line)
    opened = LogOpened(**COMMON | {"attributes": {',"schema":': "é\n"}}, resource={"event": "x"})
    assert json_line(opened) == msgspec.json.encode(opened.line)


def test_a_flat_form_has_dots():
    """The same in the same order; an attribute whose name has a dot stays what the user called it."""
    flat = {
        "steps.accepted": 2,
        "steps.rejected": 1,
        "lanes.total": 2,
        "lanes.finished": 2,
        "lanes.failed": 1,
        "lanes.progress_min": 0.25,
        "lanes.progress_median": 0.5,
        "lanes.progress_max": 0.75,
    }
    assert list(ENDED.flat.items()) == list((FRONT | flat).items())


def test_what_has_keys_of_the_users_stays_one_value():
    """As an object in JSON, as one cell in a table."""
    assert LogOpened(**COMMON, resource={"pid": 1, "job": "7"}).flat == {
        "timestamp": "2026-01-02T03:04:05.000000Z",
        "level": "info",
        "event": "log.opened",
        "schema": 1,
        "run_id": "run",
        "experiment": None,
        "attributes": {"a.b": 1, "list": [1, "b"]},
        "resource": {"pid": 1, "job": "7"},
    }


def test_a_record_does_not_depend_on_what_was_asked_of_it():
    """Two that say the same are equal, whether or not their forms have been made; a copy makes its own."""
    asked, fresh = structs.replace(ENDED), structs.replace(ENDED)
    assert asked.flat is asked.flat
    assert asked == fresh
    assert msgspec.json.encode(asked) == msgspec.json.encode(fresh)
    assert structs.replace(asked, span_id="1" * 16).flat["span_id"] == "1" * 16


@pytest.mark.parametrize("kind", get_args(AnyRecord), ids=lambda kind: kind.__name__)
def test_all_names_of_a_flat_form_are_known_beforehand(kind):
    """A table can be begun before its first row is there."""
    nested = {"steps": [f"steps.{name}" for name in Steps.__struct_fields__]}
    nested |= {"lanes": [f"lanes.{name}" for name in Lanes.__struct_fields__]}
    nested |= {"attempts": [f"attempts.{name}" for name in AttemptedSteps.__struct_fields__]}
    nested |= {"nonfinite": [f"nonfinite.{name}" for name in Nonfinite.__struct_fields__]}
    nested |= {"exploded": [f"exploded.{name}" for name in ExplodedGradient.__struct_fields__]}
    nested |= {"usage": [f"usage.{name}" for name in Usage.__struct_fields__]}
    nested |= {"verdict": [f"verdict.{name}" for name in Verdict.__struct_fields__]}
    assert list(flat_names(kind)) == [
        name
        for field in kind.__struct_fields__
        for name in nested.get(field, [field])
        if name != "context"  # whose names are the program's
    ]  # whatever is nested in a later version has to be named above too
    if kind is PassEnded:
        assert set(ENDED.flat) <= {*LEADING, *flat_names(kind)}


def test_timestamps_sort_as_text():
    """RFC 3339, UTC, the same length whatever the second."""
    moments = [MOMENT, MOMENT.replace(microsecond=1), MOMENT.replace(microsecond=999_999), MOMENT.replace(second=6)]
    texts = [structs.replace(ENDED, timestamp=moment).line["timestamp"] for moment in moments]
    assert texts == [
        "2026-01-02T03:04:05.000000Z",
        "2026-01-02T03:04:05.000001Z",
        "2026-01-02T03:04:05.999999Z",
        "2026-01-02T03:04:06.000000Z",
    ]
    assert texts == sorted(texts)


@given(st.datetimes(timezones=st.just(UTC)))
def test_nanoseconds_are_exact(moment):
    """A float would round them."""
    days, seconds = divmod(structs.replace(ENDED, timestamp=moment).time_ns, 86_400 * 10**9)
    assert datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=days, microseconds=seconds // 1000) == moment
    assert seconds % 1000 == 0


def test_another_time_zone_is_kept():
    """A line that another program has written may have one."""
    elsewhere = MOMENT.astimezone(timezone(timedelta(hours=2)))
    assert structs.replace(ENDED, timestamp=elsewhere).line["timestamp"] == "2026-01-02T05:04:05.000000+02:00"


class Asks:
    """A sink of the user's, which reads both forms."""

    def handle(self, record):
        assert record.line["event"] == record.flat["event"]

    def flush(self, timeout_s):
        return True

    def close(self):
        pass


@pytest.mark.parametrize("asking", [0, 2])
def test_the_forms_are_made_once_for_all_who_ask(program, tmp_path, monkeypatch, asking):
    """The JSON log, spans and log records read fields, and make no form of it all."""
    made = []
    line_of, flattened = records.line_of, records.flattened
    monkeypatch.setattr(records, "line_of", lambda record: made.append(("line", record)) or line_of(record))
    monkeypatch.setattr(records, "flattened", lambda *args: made.append(("flat", args[0])) or flattened(*args))
    _, json_log = fresh_file(tmp_path, "run")
    logs, tracer_provider = LoggerProvider(), TracerProvider()
    with capture(
        sinks=[json_log, OtelLogs(logs), *(Asks() for _ in range(asking))], tracing=Spans(tracer_provider)
    ) as told:
        program.solve()
        seen = told.records
    ids = [record.span_id for record in seen]
    forms = ["line", "flat"] if asking else []
    assert [(form, record.span_id) for form, record in made] == [(form, id_) for id_ in ids for form in forms]
    assert len(ids) == 3
    logs.shutdown()
    tracer_provider.shutdown()
