"""Whatever a log says, each tool gets a file that it can read, and each view can be asked."""

import json
from datetime import UTC, datetime

import pytest
from msgspec import UNSET
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from soltrace.report.loading import Converted
from soltrace.report.pictures.drawing import draw
from soltrace.report.question import query
from soltrace.report.views import LOG_VIEWS
from soltrace.wire.record_parts import Steps
from soltrace.wire.step_fields import ExplodedGradient

pytestmark = pytest.mark.once

MOST = 9007199254740992
"""Larger counts are no records."""


@pytest.fixture
def extreme(logs, tmp_path):
    """A log of the largest, the oldest, the longest and the oddest that a record can hold."""
    odd = logs("r/../1", "a//b/\x1b[31m/" + "ü" * 300, **{"": "\u202e", "x" * 400: [1e308, "y"]})
    old = logs("old", None, start=datetime(1000, 1, 1, tzinfo=UTC))
    late = logs("late", ".", start=datetime(9999, 12, 31, tzinfo=UTC))
    steps = Steps(accepted=MOST, rejected=MOST, recomputed=MOST)
    records = [
        record
        for log in (odd, old, late)
        for record in (
            *(log.opened(host="", pid=-1), log.experiment_started(0)),
            log.compiled(1, function="", trace_s=1e15, lower_s=0.0, compile_s=-1.0),
            *(log.started(1, lanes=[MOST, MOST], t0=-1.7e308, t1=1.7e308), log.started(1, 2), log.started(1, 3)),
            log.progress(2, progress=0.5, step=MOST, steps=steps, batch_index=[MOST, 0], t=1.7e308),
            log.steps(
                2,
                step=[MOST, -MOST],
                t=[1.7e308, "NaN"],
                dt=[1e-300, "-Infinity"],
                accepted=[True, False],
                reason=["", "of my own"],
                scaled_error=["Infinity", -1e308],
            ),
            log.nonfinite(3, lane=[MOST, 0]),
            log.lane_ended(3, lane=[0, 0], step=-MOST, steps=UNSET, t="-Infinity"),
            log.ended(4, duration_s=1e15, step=MOST, steps=steps, t="NaN"),
            log.progress(4, 2, progress=-1e15, step=0, t=1e-300),
            log.progress(4, 3, progress=1e15, step=MOST, t=1e308),
            log.ended(2, 2, duration_s=-1e15, result="", steps=Steps(accepted=0, rejected=0)),
            log.started(1, 2, "backward", forward_pass_id=f"{log.run_id}.2.forward"),
            log.ended(
                0,
                2,
                "backward",
                steps=Steps(accepted=-MOST, rejected=-MOST, recomputed=-MOST),
                exploded=ExplodedGradient(
                    batch_index=[MOST, 0],
                    lanes=-MOST,
                    step=MOST,
                    t="-Infinity",
                    dt=-1e308,
                    path="",
                    value=1.7e308,
                    primal="NaN",
                    arrived=1e-300,
                    largest="Infinity",
                ),
            ),
        )
    ]
    logs.append(tmp_path / "run.jsonl", *records)
    return tmp_path / "run.jsonl", len(records)


def test_every_view_can_be_asked(extreme):
    """And what it answers is strict JSON."""
    file, _ = extreme
    for name in LOG_VIEWS:
        with query([file], f"FROM {name}") as answer:
            rows = [dict(zip(answer.names, row, strict=True)) for row in answer.rows]
        assert rows
        json.dumps(rows, allow_nan=False)


def test_every_tool_can_read_its_file(extreme, tmp_path):
    """Nothing is written anywhere else."""
    file, records = extreme
    targets = {"perfetto": "x.pftrace", "speedscope": "speedscope.json", "tensorboard": "events"}
    for tool, target in targets.items():
        assert draw(tool, [file], tmp_path / target) == Converted(records, 0)
    assert {path.name for path in tmp_path.iterdir()} == {"run.jsonl", *targets.values()}
    assert pb.Trace.FromString((tmp_path / "x.pftrace").read_bytes()).packet
    whole = json.loads((tmp_path / "speedscope.json").read_text())
    assert all(weight > 0 for profile in whole["profiles"] for weight in profile["weights"])
    events = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "events")).Reload()
    assert len(events.Runs()) == len(list((tmp_path / "events").rglob("events.out.tfevents.*")))
