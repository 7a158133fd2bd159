from datetime import UTC, timedelta

import pytest
from msgspec import UNSET

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
        "drawn from reports",
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
        "drawn from reports",
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
        "drawn from reports",
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


def test_every_step(log):
    """Where each is recorded, the curves go through each of them: how far, how far off, and which were in vain."""
    steps = log.steps(
        2,
        step=[1, 2, 3, 4],
        t=[0.0, 0.0, 2.0, 10.0],
        dt=[8.0, 2.0, 8.0, 4.0],
        accepted=[False, True, True, True],
        reason=["error", "", "", ""],
        scaled_error=[4.0, 0.5, 1.0, 0.5],
    )
    moved = log.progress(2, progress=0.14, step=4, t=14.0, steps=Steps(accepted=3, rejected=1))

    assert look([log.started(0), moved, steps])[2:8] == [
        "steps      4 steps, 1 rejected",
        "dt         4         2 to 8                #_#-",
        "error      0.5       0.5 to 4              #_-_",
        "rejected   0.0 %     0.0 % to 100.0 %      #___",
        "rate       2/s       2/s to 2/s            #",
        "drawn from every step, 4 attempts",
    ]


def test_every_step_of_a_batch(log):
    """All lanes together: how far they go on average, the greatest error, and how many of them are in vain."""
    lanes = {0: [0.5, 0.25], 1: [2.0, "NaN"]}
    steps = [
        log.steps(
            1,
            lane=[lane],
            step=[1, 2],
            t=[0.0, 1.0],
            dt=[1.0, 1.0 + 2 * lane],
            accepted=[lane == 0, True],
            reason=["", ""],
            scaled_error=errors,
        )
        for lane, errors in lanes.items()
    ]
    whole = log.progress(1, progress=0.02, step=2, steps=Steps(accepted=3, rejected=1), lanes=log.lanes(2, 0))

    assert look([log.started(0, lanes=[2]), *steps, whole])[4:9] == [
        "dt mean    2         1 to 2                _#",
        "error most 0.25      0.25 to 2             #_",
        "rejected   0.0 %     0.0 % to 50.0 %       #_",
        "rate       4/s       4/s to 4/s            #",
        "drawn from every step, 2 attempts",
    ]


def test_the_last_steps_of_a_pass_that_failed(log):
    """They have curves of their own, and the whole is drawn from its reports; the first NaN is named."""
    told = {"t": [9.5, 10.0], "dt": [0.5, 0.25], "accepted": [True, False], "reason": ["", "nonfinite"]}
    records = [
        log.started(0),
        log.progress(1, progress=0.05, step=30, steps=Steps(accepted=25, rejected=5)),
        log.steps(2, step=[59, 60], scaled_error=[0.5, "NaN"], **told),
        log.nonfinite(2),
        log.ended(2, status="error", result="nonfinite", duration_s=2.0, progress=0.1, t=10.0, steps=UNSET),
    ]

    assert look(records)[1:10] == [
        "           FAILED in 2 s: nonfinite at 10.0 %, t=10",
        "not finite NaN in y['gate'][0] (vector field), in step 60 at t=10, from 0.25",
        "steps      30 steps, 5 rejected",
        "dt         0.2       0.2 to 0.2            _",
        "rejected   16.7 %    16.7 % to 16.7 %      #",
        "rate       30/s      30/s to 30/s          #",
        "last dt    0.25      0.25 to 0.5           #_",
        "last error 0.5       0.5 to 0.5            _",
        "drawn from reports, and every step from 59 to 60",
    ]


def test_what_the_user_watches(log):
    """Each quantity has a curve; lanes say theirs beside their bars."""
    lane = [log.progress(i, progress=0.1 * i, step=i, batch_index=[0], watched={"energy": 4.0 / i}) for i in (1, 2, 4)]
    whole = [
        log.progress(i, progress=0.1 * i, step=i, lanes=log.lanes(2, 0), watched={"energy": 4.0 / i, "mass": "NaN"})
        for i in (1, 2, 4)
    ]
    records = [log.started(0, lanes=[2]), *(one for pair in zip(lane, whole, strict=True) for one in pair)]

    lines = look(records)

    assert lines[7:10] == [
        "energy     1         1 to 4                #-_",
        "mass       not known",
        "drawn from reports",
    ]
    assert lines[-1] == "lane 0     ############------------------   40.0 %  energy 1"
