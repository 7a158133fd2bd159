import pytest

from soltrace.reading.live.history import Estimate
from soltrace.reading.live.state import LaneProgress, OpenPass, PassTable, Runs
from soltrace.reading.parse import Rejected, Unknown
from soltrace.wire.record_parts import Steps


def only(table: PassTable) -> OpenPass:
    """The one open pass."""
    [at] = table.open
    return at


def test_a_pass_is_open_between_its_start_and_its_end(log):
    """The table holds what has started and not ended, in the order of the starts."""
    table = PassTable()

    table.feed([log.experiment_started(0), log.started(0, 1), log.started(1, 1, "backward"), log.started(1, 2)])
    assert [at.first for at in table.open] == [log.started(0, 1), log.started(1, 1, "backward"), log.started(1, 2)]

    table.feed([log.ended(2, 1), log.ended(2, 2, status="error", result="max_steps_reached")])
    assert [at.first for at in table.open] == [log.started(1, 1, "backward")]
    assert (table.ended, table.failed) == (2, 1)


def test_runs_do_not_mix(logs):
    """The same pass id in two runs is two passes."""
    a, b = logs("a"), logs("b")
    table = PassTable()

    table.feed([a.started(0), b.started(0, pass_id="a.1.forward"), a.ended(1)])

    assert only(table).first.run_id == "b"


def test_rate_and_eta_are_those_of_the_records(log):
    """Before anything is known nothing is claimed; then the latest ten seconds count."""
    table = PassTable()
    table.feed([log.started(0)])
    at = only(table)
    assert (at.steps_per_s, at.eta_s, at.progress, at.t) == (None, None, 0.0, 0.0)

    table.feed([log.progress(2, progress=0.2, step=100)])
    assert (at.steps_per_s, at.eta_s) == (50.0, pytest.approx(8.0))

    # Its steps become ten times slower, and what was before the window is forgotten.
    table.feed([log.progress(2 + i, progress=0.2 + 0.01 * i, step=100 + 5 * i) for i in range(1, 21)])
    assert at.steps_per_s == pytest.approx(5.0)
    assert at.eta_s == pytest.approx(60.0)
    assert (at.step, at.progress, at.t) == (200, 0.4, 40.0)


def test_a_rate_is_known_of_steps_that_take_longer_than_the_window(log):
    """The two latest reports count, however far apart they are."""
    table = PassTable()

    table.feed([log.started(0), log.progress(300, progress=0.1, step=1), log.progress(600, progress=0.2, step=2)])

    assert only(table).steps_per_s == pytest.approx(1 / 300)
    assert only(table).eta_s == pytest.approx(2400)


def test_a_pass_that_stands_still_has_no_eta(log):
    """No progress is not an infinite time."""
    table = PassTable()

    table.feed([log.started(0), *(log.progress(i, progress=0.1, step=5) for i in range(1, 30))])

    assert (only(table).steps_per_s, only(table).eta_s) == (0.0, None)


def test_a_heartbeat_is_no_movement(log):
    """It says that a pass is open and whether it has stalled; where it is stays what the last report said."""
    table = PassTable()
    table.feed([log.started(0), log.progress(1, progress=0.5, step=10), log.heartbeat(20, stalled=True)])
    at = only(table)
    seconds = [(moment - log.start).total_seconds() for moment in (at.latest, at.moved)]
    assert (seconds, at.stalled, at.progress, at.step) == ([20.0, 1.0], True, 0.5, 10)

    table.feed([log.progress(21, progress=0.6, step=12)])
    assert (at.stalled, at.progress) == (False, 0.6)


def test_lanes_of_the_latest_report(log):
    """The lanes shown are those of one report, slowest first: what a lane did before is no news."""
    table = PassTable()
    table.feed(
        [
            log.started(0, lanes=[3]),
            *(log.progress(1, progress=p, step=9, batch_index=[i]) for i, p in enumerate([0.3, 0.1, 0.2])),
            log.progress(1, progress=0.1, step=9, steps=Steps(accepted=20, rejected=7), lanes=log.lanes(3, 0)),
        ]
    )
    at = only(table)
    assert at.slowest == (LaneProgress((1,), 0.1), LaneProgress((2,), 0.2), LaneProgress((0,), 0.3))
    assert (at.step, at.progress, at.lanes) == (27, 0.1, log.lanes(3, 0))

    table.feed(
        [
            log.lane_ended(2, lane=[0]),
            log.progress(2, progress=0.5, step=30, batch_index=[1]),
            log.progress(2, progress=0.5, step=30, lanes=log.lanes(3, 2)),
        ]
    )
    assert at.slowest == (LaneProgress((1,), 0.5),)
    assert at.lanes == log.lanes(3, 2)


def test_a_pass_whose_start_was_not_read(log):
    """A log that begins in the middle is a log."""
    table = PassTable()

    table.feed([log.progress(5, progress=0.5, step=50), log.progress(6, progress=0.6, step=60)])
    assert (only(table).steps_per_s, only(table).eta_s) == (10.0, pytest.approx(4.0))

    table.feed([log.ended(7), log.ended(7, 2)])
    assert table.open == []
    assert table.ended == 2


def test_other_lines_and_losses(log):
    """What is no record changes nothing; what writers lost is summed."""
    table = PassTable()

    table.feed([Rejected("not JSON"), Unknown("x"), log.opened(), log.dropped(1, 17), log.dropped(2, 3)])

    assert (table.open, table.ended, table.lost) == ([], 0, 20)


def test_numbers_without_end_are_harmless(log):
    """JSON's integers may be larger than any float."""
    table = PassTable()

    table.feed([log.started(0), log.progress(1, progress=0.5, step=10**400)])

    assert only(table).steps_per_s == float(1 << 62)


def test_killed_runs_do_not_grow_the_table(log):
    """Passes that never end are bounded; those silent for longest go first."""
    table = PassTable()

    table.feed(log.started(i, i) for i in range(10_000))
    table.feed([log.progress(20_000, 0, progress=0.5, step=1), log.started(20_001, 20_001)])

    solves = [at.first.solve_id for at in table.open]
    assert len(solves) == 10_000
    assert solves[:2] == ["r1.0", "r1.2"]
    assert solves[-1] == "r1.20001"


def test_a_pass_of_which_only_heartbeats_were_read(log):
    """They say where it is, how fast it goes and when it will be over, roughly."""
    table = PassTable()

    table.feed([log.heartbeat(20, progress=0.25, step=50, t=25.0, eta_s=36.0)])

    at = only(table)
    assert (at.progress, at.step, at.t, at.estimate) == (0.25, 50, 25.0, Estimate(36.0, 36.0, 36.0, rough=True))


def test_accepted_and_rejected_steps(log):
    """How many were rejected is known of a forward pass."""
    table = PassTable()
    table.feed([log.started(0), log.progress(1, progress=0.1, step=12, steps=Steps(accepted=10, rejected=2))])
    assert (only(table).step, only(table).rejected) == (12, 2)

    table.feed([log.started(0, 2, "backward"), log.progress(1, 2, "backward", progress=0.1, step=12)])
    assert (table.open[1].step, table.open[1].rejected) == (12, None)


def test_step_sizes_are_those_of_accepted_steps(log):
    """Of a batch, those of its slowest lane, whose time it is."""
    table = PassTable()
    table.feed([log.started(0), log.progress(1, progress=0.4, step=25, steps=Steps(accepted=20, rejected=5))])
    assert only(table).history.step_sizes(10) == [2.0]
    assert only(table).history.rejections(10) == [0.2]

    whole = {"steps": Steps(accepted=160, rejected=40), "lanes": log.lanes(8, 0)}
    table.feed([log.ended(2), log.started(2), log.progress(3, progress=0.4, step=25, **whole)])
    assert only(table).history.step_sizes(10) == [1.6]
    assert only(table).history.rejections(10) == [0.2]


def test_the_latest_failures_are_kept(log):
    """With what was known of them; those that ended well are not, and a hundred are enough."""
    table = PassTable()
    failing = {"status": "error", "result": "max_steps_reached", "progress": 0.3, "t": 30.0}
    table.feed(
        [log.started(0, 1), log.progress(1, 1, progress=0.2, step=5), log.ended(2, 1, **failing), log.ended(2, 2)]
    )

    [at] = table.failures
    assert (at.first, at.end, at.failing, at.stalled) == (log.started(0, 1), log.ended(2, 1, **failing), True, False)
    assert (at.progress, at.t, at.step, at.rejected) == (0.3, 30.0, 4602, 17)

    table.feed(log.ended(i, i, **failing) for i in range(1000))
    assert [at.first.solve_id for at in table.failures] == [f"r1.{i}" for i in range(900, 1000)]


def test_who_fails(log):
    """A pass of which a lane has failed is failing before it ends."""
    table = PassTable()
    table.feed([log.started(0, lanes=[8]), log.progress(1, progress=0.1, step=5, lanes=log.lanes(8, 1))])
    assert not only(table).failing

    table.feed([log.progress(2, progress=0.2, step=9, lanes=log.lanes(8, 2, 1))])
    assert only(table).failing


def test_a_backward_pass_begins_at_the_end(log):
    """Its time runs from t1 to t0, and so do its steps."""
    table = PassTable()
    table.feed([log.started(0, phase="backward")])
    assert only(table).t == 100.0

    table.feed([log.progress(1, phase="backward", progress=0.2, step=10, t=80.0)])
    assert only(table).history.step_sizes(10) == [2.0]


@pytest.mark.parametrize(
    "resource,name",
    [
        ({"host": "node07", "pid": 4295}, "node07 4295"),
        ({"host": "node07.cluster.example", "pid": 4295, "rank": "3"}, "rank 3"),
        ({"host": "node07", "pid": 4295, "array_task": "12", "rank": "0"}, "task 12"),
        ({"host": "node07", "pid": 4295, "array_task": "12", "rank": "1"}, "task 12 rank 1"),
        ({"process_index": 2}, "rank 2"),
        ({"host": "vm", "pid": 7, "process_index": 0, "process_count": 1}, "vm 7"),
        ({"rank": "\x1b[31m"}, r"rank \x1b[31m"),
        ({}, "r1"),
    ],
)
def test_a_run_is_named_by_its_place(logs, resource, name):
    """People know tasks and ranks; without a job, machines and processes; without a first line, ids."""
    runs = Runs()
    runs.opened(logs().opened(**resource))

    assert runs.name(logs().experiment_started(0)) == name


def test_one_run_needs_no_name(logs):
    """As soon as there are two, each has one."""
    a, b = logs("a"), logs("b")
    runs = Runs()
    assert runs.column(a.experiment_started(0)) == ""

    assert runs.column(b.experiment_started(0)) == "b"
    assert runs.column(a.experiment_started(0)) == "a"


def test_two_runs_are_never_called_the_same(logs):
    """Rank 3 of another job goes by its id."""
    runs = Runs()
    for run in ("a", "b"):
        runs.opened(logs(run).opened(rank="3"))

    assert [runs.name(logs(run).experiment_started(0)) for run in "aba"] == ["rank 3", "b", "rank 3"]


def test_a_process_of_a_jax_program_says_which_it_is(logs):
    """On its lines, where its log was opened before jax knew."""
    log = logs()
    record = log.started(0, process_index=5)

    assert Runs().name(record) == "rank 5"


def test_runs_without_end_do_not_grow_it(logs):
    """The oldest are forgotten."""
    runs = Runs()
    for i in range(10_100):
        runs.opened(logs(f"r{i}").opened(rank=i))
        runs.name(logs(f"r{i}").experiment_started(0))

    assert (len(runs._resources), len(runs._names), len(runs._taken)) == (10_000, 10_000, 10_000)
