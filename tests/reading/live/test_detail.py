from datetime import UTC, timedelta

import pytest

from soltrace.reading.live.columns import ASCII, Glyphs
from soltrace.reading.live.detail import DetailRenderer
from soltrace.reading.live.rows import RowRenderer
from soltrace.reading.live.state import PassTable, Runs
from soltrace.wire.record_parts import Steps, Usage
from soltrace.wire.verdicts import Verdict


def look(records, width=80, at_s=10, glyphs: Glyphs = ASCII) -> list[str]:
    """Look at the one pass of these records, so many seconds after the first."""
    records = list(records)
    runs, table = Runs(), PassTable()
    for record in records:
        if hasattr(record, "resource"):
            runs.opened(record)
    table.feed(records)
    [at] = table.open or table.failures
    detail = DetailRenderer(RowRenderer(UTC, glyphs, runs), runs, UTC, glyphs)
    lines = detail.lines(at, records[0].timestamp + timedelta(seconds=at_s), width)
    return [line.plain.rstrip() for line in lines]


def test_a_batch(logs):
    """Its slowest lanes have a bar each, and whose step size it is is said."""
    log = logs(experiment="fit", seed=3)

    def reports():
        yield log.opened(host="node07", pid=7, job="991", array_task="12", backend="gpu", device_kinds=["H100"])
        yield log.started(0, lanes=[2, 4], rtol=1e-5, atol=1e-7, max_steps=None)
        for i in (1, 2, 3):
            for lane in range(2):
                yield log.progress(2 * i, progress=0.1 * i + 0.05 * lane, step=10 * i, batch_index=[0, lane])
            steps = Steps(accepted=60 * i, rejected=20 * i)
            yield log.progress(2 * i, progress=0.1 * i, step=10 * i, steps=steps, lanes=log.lanes(8, i, 1))

    assert look(reports()) == [
        "#1 forward  fit",
        "progress   #########---------------------  30.0 %  t 30.00  eta 14 s",
        "steps      240 steps, 60 rejected",
        "lanes      3/8 lanes done, 1 failed",
        "dt slowest 1         1 to 1                ___",
        "rejected   25.0 %    25.0 % to 25.0 %      ###",
        "rate       40/s      40/s to 40/s          ###",
        "solver     Tsit5  RecursiveCheckpointAdjoint  PIDController  rtol 1e-05  atol 1e-07",
        "over       t 0 -> 100  lanes 2x4",
        "attributes seed=3",
        "since      03:24:29, for 6 s",
        "run        host=node07 job=991 array_task=12 backend=gpu device_kinds=[H100] pid=7",
        "id         r1.1.forward",
        "lane 0,0   #########---------------------   30.0 %",
        "lane 0,1   ##########--------------------   35.0 %",
    ]


def test_a_backward_pass(log):
    """What is not known of it is not claimed; on a narrow terminal the range of a curve is left out."""
    records = [log.started(0, phase="backward")]
    records += [log.progress(i, phase="backward", progress=0.1 * i, step=5 * i, t=100 - 10 * i) for i in (1, 2)]

    assert look(records, width=40) == [
        "#1 backward  fit",
        "progress   ##---------  20.0 %  t 80.00",
        "           eta ~8 s",
        "steps      10 steps",
        "dt         2         __",
        "rejected   not known",
        "rate       5/s       ##",
        "solver     Tsit5  RecursiveCheckpointAdjoint  PIDController",
        "over       t 0 -> 100  at most 4,096 steps",
        "since      03:24:29, for 2 s",
        "id         r1.1.backward",
    ]


def test_a_pass_whose_start_was_not_read(log):
    """What is known is shown."""
    used = Usage(memory_bytes=3 << 29, cpu_utilization=0.5)
    assert look([log.heartbeat(20, stalled=True, usage=used)], at_s=9) == [
        "#1 forward  fit",
        "progress   #######-----------------------  25.0 %  t 25.00  stalled 0:09",
        "steps      50 steps",
        "dt         not known",
        "rejected   not known",
        "rate       not known",
        "since      03:24:49, for 0 ms",
        "process    1.5 GiB, processors 50.0 %",
        "id         r1.1.forward",
    ]


def test_how_it_failed(log):
    """Instead of its progress."""
    failing = {"status": "error", "result": "max_steps_reached", "progress": 0.3, "t": 30.0}

    assert look([log.started(0), log.ended(5, **failing)])[1:3] == [
        "           FAILED in 1.24 s: max_steps_reached at 30.0 %, t=30; 4,602 steps (17 rejected)",
        "steps      4,602 steps, 17 rejected",
    ]


@pytest.mark.parametrize("width", [1, 20, 200])
def test_no_value_is_shown_raw(logs, width):
    """Whatever is in the log, a terminal obeys none of it."""
    evil = "\x1b]0;title\x07\u202e\x9b2J\n"
    hostile = logs(evil, evil, **{evil: evil})
    opened = hostile.opened(host=evil, job=evil, device_kinds=[evil])
    names = dict.fromkeys(("solver", "adjoint", "controller", "solve_id", "pass_id"), evil)

    lines = look([opened, hostile.started(0, rtol="NaN", t0="-Infinity", **names)], width)

    assert all(line.isprintable() for line in lines)


def test_why_it_failed(log):
    """Below how it ended, in as many lines as it takes; then what to try."""
    verdict = Verdict(kind="stuck", text="It did not get past t=25: nothing moved it on.", advice="Look at the state.")
    short = {"status": "error", "result": "max_steps_reached", "progress": 0.25, "t": 25.0, "duration_s": 1.0}
    records = [log.started(0), log.ended(1, verdict=verdict, **short)]

    assert look(records, width=44)[1:7] == [
        "           FAILED in 1 s: max_steps_reached at 25.0 %, t=25; 4,602 steps (17 rejected)",
        "why        It did not get past t=25: nothing",
        "           moved it on.",
        "try        Look at the state.",
        "steps      4,602 steps, 17 rejected",
        "dt         not known",
    ]
