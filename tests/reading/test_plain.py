from datetime import UTC, timedelta, timezone

import pytest
from msgspec import UNSET, structs

from soltrace.reading.parse import Rejected, Unknown
from soltrace.reading.plain import PlainView
from soltrace.wire.record_parts import Steps, Usage


def lines(records, zone=UTC) -> list[str]:
    """What a plain view writes of records."""
    written: list[str] = []
    PlainView(written.append, zone).feed(records)
    return "".join(written).splitlines()


def test_a_run_from_its_beginning_to_its_end(logs):
    """Every kind of record has a readable line."""
    log = logs(experiment="fit/warm", seed=3, lr=1e-3)
    started = {"attributes": {"seed": 3, "lr": 1e-3, "epoch": 7}, "rtol": 1e-6, "atol": 1e-8}
    records = [
        log.opened(0, **{"host.name": "lynx", "process.pid": 4242}),
        log.experiment_started(0.1),
        log.compiled(0.15),
        log.started(0.2, 12, lanes=[2, 4], **started),
        log.progress(0.3, 12, progress=0.42, step=1234, batch_index=[1, 3]),
        log.progress(
            0.3, 12, progress=0.42, step=1234, steps=Steps(accepted=9000, rejected=12), lanes=log.lanes(8, 3, 1)
        ),
        log.lane_ended(0.4, 12, lane=[1, 3]),
        log.ended(0.5, 12, lanes=log.lanes(8, 8)),
        log.started(0.6, 12, "backward", t0=UNSET, t1=UNSET),
        log.progress(0.7, 12, "backward", progress=1.0, step=4602, t=0.0),
        log.ended(0.8, 12, "backward", steps=Steps(accepted=4585, rejected=17, recomputed=9000)),
        log.dropped(0.9, 12),
        log.experiment_ended(1.0),
    ]

    how = "Tsit5 RecursiveCheckpointAdjoint PIDController"
    assert lines(records) == [
        "-- 2026-11-25 UTC",
        "03:24:29.123  -    log          opened  host.name=lynx process.pid=4242",
        "03:24:29.223  fit/warm  experiment   started  seed=3 lr=0.001",
        "03:24:29.273  fit/warm  program      compiled fit in 2 s (trace 800 ms, lower 100 ms, compile 1.1 s)",
        f"03:24:29.323  fit/warm  #12 forward  started  {how}  t 0 -> 100  rtol 1e-06 atol 1e-08  lanes 2x4  epoch=7",
        "03:24:29.423  fit/warm  #12 forward  lane 1,3   42.0 %  t=42  step 1,234",
        "03:24:29.423  fit/warm  #12 forward   42.0 %  t=42  step 1,234  12 rejected  3/8 lanes done, 1 failed",
        "03:24:29.523  fit/warm  #12 forward  lane 1,3 ended ok: 120 steps (3 rejected)",
        "03:24:29.623  fit/warm  #12 forward  ended ok in 1.24 s: 4,602 steps (17 rejected), 8/8 lanes done",
        f"03:24:29.723  fit/warm  #12 backward  started  {how}",
        "03:24:29.823  fit/warm  #12 backward  100.0 %  t=0  step 4,602",
        "03:24:29.923  fit/warm  #12 backward  ended ok in 1.24 s: 4,602 steps (17 rejected, 9,000 recomputed)",
        "03:24:30.023  fit/warm  telemetry     12 dropped: pass.progress (queue full)",
        "03:24:30.123  fit/warm  experiment    ended ok in 1 s",
    ]


def test_a_run_of_a_job_says_what_it_continues_and_how_it_ended(log):
    """In a line each."""
    opened = structs.replace(log.opened(host="lynx"), continues="former")
    records = [opened, log.run_ended(2), log.run_ended(3, error="SIGTERM")]
    assert lines(records)[1:] == [
        "03:24:29.123  -    log          opened  continues former  host=lynx",
        "03:24:31.123  -    run          ended ok in 2 s",
        "03:24:32.123  -    run          FAILED in 3 s: SIGTERM",
    ]


def test_heartbeats_say_whether_a_pass_is_alive(log):
    """How long it is open, where it is and what is left; or that it has stalled, of which nothing is left to say."""
    stalled = {"level": "warning", "stalled": True, "silent_s": 75.0}
    standing = {"progress": 0.0, "t": UNSET, "rate": 0.0, "eta_s": UNSET}
    used = Usage(memory_bytes=1_331_439_861, cpu_utilization=0.931)
    devices = Usage(device_memory_bytes=3 << 30, device_memory_limit_bytes=60 << 30, device_utilization=1.0)
    records = [log.heartbeat(0), log.heartbeat(1, **stalled), log.heartbeat(2, **standing)]
    records += [log.heartbeat(3, usage=used), log.heartbeat(4, usage=devices)]

    assert [line.split("#1 forward   ")[1] for line in lines(records)[1:]] == [
        "alive  open for 12 s  25.0 %  t=25  about 36 s left",
        "STALLED: silent for 1 min 15 s  open for 12 s  25.0 %  t=25",
        "alive  open for 12 s  0.0 %",
        "alive  open for 12 s  25.0 %  t=25  about 36 s left  1.24 GiB, processors 93.1 %",
        "alive  open for 12 s  25.0 %  t=25  about 36 s left  devices 3 GiB of 60 GiB, devices 100.0 % busy",
    ]


def test_what_is_recorded_of_single_steps_and_watched(log):
    """Which steps a line is about, what quantities are, and where a value was not finite."""
    told = {"t": [0.0] * 2, "dt": [0.5] * 2, "accepted": [True] * 2, "reason": [""] * 2}
    nothing = {name: [] for name in ("step", *told)}
    assert lines(
        [
            log.progress(0, progress=0.5, step=5, watched={"energy": 3.5, "mass": "NaN"}),
            log.steps(0, step=[4, 5], **told),
            log.steps(0, **nothing),
            log.nonfinite(0, lane=[2]),
        ]
    )[1:] == [
        "03:24:29.123  fit  #1 forward    50.0 %  t=50  step 5  energy=3.5 mass=NaN",
        "03:24:29.123  fit  #1 forward   every step from 4 to 5: 2 attempts",
        "03:24:29.123  fit  #1 forward   no step",
        "03:24:29.123  fit  #1 forward   lane 2  NaN in y['gate'][0] (vector field), in step 60 at t=10, from 0.25",
    ]


def test_how_passes_end(log):
    """A failure says its reason and where; an event that stopped a solve says where, and is none."""
    nothing = Steps(accepted=0, rejected=0)
    failing = {"status": "error", "result": "max_steps_reached", "progress": 0.3, "t": 30.0}
    records = [
        log.ended(0, **failing, lanes=log.lanes(8, 8, 2)),
        log.lane_ended(0, lane=[5], **failing),
        log.ended(0, result="event_occurred", progress=0.3, t=30.0),
        log.ended(0, status="error", result="nonlinear_divergence", progress=0.0, t="NaN", steps=nothing),
        log.ended(0, status="error", result="abandoned", progress=0.5, t=UNSET),
        log.experiment_ended(75, error="ValueError: no such\nfile"),
    ]

    where = "max_steps_reached at 30.0 %, t=30"
    assert [line[len("03:24:29.123  fit  ") :] for line in lines(records)[1:]] == [
        f"#1 forward   FAILED in 1.24 s: {where}; 4,602 steps (17 rejected), 8/8 lanes done, 2 failed",
        f"#1 forward   lane 5 FAILED: {where}; 120 steps (3 rejected)",
        "#1 forward   ended ok in 1.24 s (event_occurred at 30.0 %, t=30): 4,602 steps (17 rejected)",
        "#1 forward   FAILED in 1.24 s: nonlinear_divergence at 0.0 %, t=NaN; 0 steps",
        "#1 forward   FAILED in 1.24 s: abandoned at 50.0 %; 4,602 steps (17 rejected)",
        r"experiment   FAILED in 1 min 15 s: ValueError: no such\nfile",
    ]


def test_runs_are_named_when_there_are_several(logs):
    """One run needs no name."""
    a, b = logs("run-a"), logs("run-b", experiment=None)

    assert lines([a.experiment_started(0), b.ended(1), a.experiment_ended(2)])[1:] == [
        "03:24:29.123  fit  experiment   started",
        "03:24:30.123  run-b -  #1 forward   ended ok in 1.24 s: 4,602 steps (17 rejected)",
        "03:24:31.123  run-a fit  experiment   ended ok in 2 s",
    ]


def test_a_line_says_when_the_day_changes(log):
    """In the zone whose times are shown."""
    india = timezone(timedelta(hours=5, minutes=30))

    assert lines([log.experiment_started(0), log.experiment_ended(60_000)], india) == [
        "-- 2026-11-25 UTC+05:30",
        "08:54:29.123  fit  experiment   started",
        "-- 2026-11-26 UTC+05:30",
        "01:34:29.123  fit  experiment   ended ok in 16 h 40 min",
    ]


def test_several_backward_passes_of_a_solve(log):
    """Each has its number."""
    records = [log.ended(0, 3, phase="backward"), log.ended(0, 3, phase="backward", pass_id="r1.3.backward.2")]

    assert [line.split("  ")[2:4] for line in lines(records)[1:]] == [
        ["#3 backward", "ended ok in 1.24 s: 4,602 steps (17 rejected)"],
        ["#3 backward.2", "ended ok in 1.24 s: 4,602 steps (17 rejected)"],
    ]


EVIL = "\x1b]0;title\x07\u202edesrever\x9b31m\r\n"


def evil(logs):
    """A record of every kind with hostile text wherever text can be."""
    log = logs(EVIL, EVIL, **{EVIL: EVIL, "list": [EVIL, 1]})
    texts = {"solver": EVIL, "adjoint": EVIL, "controller": EVIL, "solve_id": EVIL, "pass_id": EVIL}
    ending = {"status": "error", "result": EVIL, "solve_id": EVIL, "pass_id": "forward" + EVIL}
    return [
        log.opened(0, **{EVIL: EVIL}),
        log.experiment_started(0),
        log.started(0, **texts, max_steps=None),
        log.progress(0, progress=0.1, step=1, batch_index=[10**300] * 50),
        log.lane_ended(0, lane=[1], **ending),
        log.ended(0, **ending),
        log.ended(0, phase="backward", **ending),
        log.experiment_ended(1, error=EVIL),
    ]


def test_no_value_reaches_the_terminal_raw(logs):
    """Escape sequences, controls and bidirectional characters of any value are shown, not obeyed."""
    written: list[str] = []

    PlainView(written.append, UTC).feed(evil(logs))

    assert "".join(written).replace("\n", "").isprintable()
    assert r"\x1b]0;title\x07\u202edesrever\x9b31m\r\n" in written[0]


def test_very_long_lines_are_cut(logs):
    """A value, a list and a line each have their end."""
    log = logs(**{f"attribute{i}": "x" * 10_000 for i in range(100)})

    line = lines([log.experiment_started(0)])[1]

    assert len(line) == 400
    assert line.endswith("x…")
    head = "03:24:29.123  fit  experiment   started  "
    assert line.startswith(f"{head}attribute0={'x' * 79}… attribute1=x")
    few = logs(numbers=list(range(20)), **{f"k{i}": True for i in range(20)})
    assert lines([few.experiment_started(0)])[1] == (
        f"{head}numbers=[0,1,2,3,4,5,6,7,8,9,10,11,…] " + " ".join(f"k{i}=True" for i in range(11)) + " …"
    )


@pytest.mark.parametrize("value", [Rejected("not JSON"), Unknown("pass.paused")], ids=str)
def test_what_is_no_record_has_no_line(value):
    """It is counted elsewhere."""
    assert lines([value]) == []
