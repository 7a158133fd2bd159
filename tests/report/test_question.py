"""Questions in SQL: the views are what they are said to be, agree with the report, and nothing else can be reached."""

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal

import pytest
from msgspec import UNSET, structs
from msgspec.structs import astuple

from soltrace.report.gather import gather
from soltrace.report.loading import loaded
from soltrace.report.question import QuestionError, plain_value, query
from soltrace.report.views import LOG_VIEWS, create_views
from soltrace.wire.record_parts import Steps
from soltrace.wire.step_fields import ExplodedGradient

pytestmark = pytest.mark.once


def rows(files, question):
    """What is answered."""
    with query(files, question) as answer:
        return list(answer.rows)


def test_the_columns_are_those_that_are_documented(files):
    """By name and type, in this order."""
    with loaded(files, print) as logs:
        create_views(logs.connection)
        found = {
            name: [(row[0], row[1]) for row in logs.connection.execute(f"DESCRIBE {name}").fetchall()]
            for name in LOG_VIEWS
        }
    assert found == {name: [(column.name, column.type) for column in view.columns] for name, view in LOG_VIEWS.items()}


@pytest.mark.slow
def test_the_views_agree_with_the_report(files):
    """Passes, experiments, lanes, progress and step sizes: the same numbers, of the same story."""
    report = gather(files)
    assert rows(
        files,
        "SELECT phase, count(*), count(*) FILTER (status = 'error'), count(*) FILTER (status = 'open'), sum(accepted), "
        "sum(rejected), coalesce(sum(recomputed), 0), sum(duration_s) FROM passes GROUP BY phase ORDER BY phase DESC",
    ) == [(c.phase, c.passes, c.failed, c.open, c.accepted, c.rejected, c.recomputed, c.total_s) for c in report.phases]
    ours = "experiment, run_id, started, duration_s, status, error, attributes, passes, failed, forward_s, backward_s"
    assert rows(files, f"SELECT {ours} FROM experiments ORDER BY status <> 'ok' DESC") == [
        tuple(plain_value(value) for value in astuple(experiment)) for experiment in report.experiments.rows
    ]
    assert rows(files, "SELECT batch_index, step, status = 'error' FROM lanes ORDER BY step DESC, batch_index") == [
        (lane.batch_index, lane.steps, bool(lane.failed)) for lane in report.lanes.rows
    ]
    for curve in report.curves:
        of_it = f"pass_id = '{curve.pass_id}' AND batch_index IS NOT DISTINCT FROM {curve.batch_index or 'NULL'}"
        assert rows(files, f"SELECT t, dt FROM steps WHERE {of_it} ORDER BY timestamp") == [
            (size.t, size.dt) for size in curve.sizes
        ]
        whole = f"pass_id = '{curve.pass_id}' AND batch_index IS NULL"
        assert rows(files, f"SELECT elapsed_s, progress FROM progress WHERE {whole} ORDER BY timestamp") == [
            (point.elapsed_s, point.progress) for point in curve.progress
        ]


def test_steps_one_by_one(files):
    """A row for each attempt, and for each lane that met a value that is not finite."""
    ours = "pass_id, batch_index, step, t, dt, accepted, reason, scaled_error, error_in, error_share"
    assert rows(files, f"SELECT {ours} FROM attempts ORDER BY pass_id, step") == [
        ("b.1.forward", [2], 58, 9.5, 1.0, False, "error", 4.0, None, None),
        ("b.1.forward", [2], 59, 9.5, 0.5, True, None, 0.5, None, None),
        ("b.1.forward", [2], 60, 10.0, 0.5, False, "nonfinite", "NaN", None, None),
        ("b.2.forward", None, 1, 0.0, 8.0, False, "error", 16.0, "y[0]", 1.0),
        ("b.2.forward", None, 2, 0.0, 1.0, True, None, 0.25, "y[0]", 0.75),
        ("b.2.forward", None, 3, 1.0, 3.0, True, None, 0.5, "y[1]", 0.625),
        ("b.2.forward", None, 4, 4.0, 3.0, True, None, 0.75, None, "NaN"),
    ]
    where = "pass_id, batch_index, step, t, dt, found_in, stage, path, value, before"
    assert rows(files, f"SELECT {where} FROM nonfinite") == [
        ("b.1.forward", [2], 60, 10.0, 0.5, "vector field", 2, "y['gate'][0]", "NaN", 0.25)
    ]


def test_gradients_that_exploded(tmp_path, log):
    """One row each, of a batch or of a single solve."""
    numbers = {"path": "y[2]", "value": 2e7, "primal": 30.0, "arrived": 1.0, "largest": 1e30}
    of_a_lane = ExplodedGradient(batch_index=[2], lanes=3, step=40, t=7.5, dt=0.25, **numbers)
    log.append(
        tmp_path / "run.jsonl",
        *(log.started(0, 1, "backward", lanes=[4]), log.ended(1, 1, "backward", exploded=of_a_lane)),
        *(log.started(2, 2, "backward"), log.ended(3, 2, "backward", exploded=ExplodedGradient(**numbers))),
        *(log.started(4, 3, "backward"), log.ended(5, 3, "backward")),
    )
    where = "pass_id, batch_index, lanes, step, t, dt, path, value, primal, arrived, largest"
    assert rows([tmp_path / "run.jsonl"], f"SELECT {where} FROM exploded ORDER BY pass_id") == [
        ("r1.1.backward", [2], 3, 40, 7.5, 0.25, *numbers.values()),
        ("r1.2.backward", None, None, None, None, None, *numbers.values()),
    ]


def test_lanes_that_have_not_ended(tmp_path, log):
    """Are open as long as their pass is; where their pass ended without them, nothing is known of them."""
    lane = lambda at, solve, index: log.progress(at, solve, progress=0.5, step=4, batch_index=[index])
    log.append(
        tmp_path / "run.jsonl",
        *(log.started(0, 1, lanes=[2], t0=UNSET), lane(1, 1, 0), log.lane_ended(2, 1, lane=[0]), lane(3, 1, 1)),
        *(log.started(4, 2, lanes=[2]), lane(5, 2, 1), log.ended(6, 2)),
    )
    question = "SELECT solve_id, batch_index, status, result, elapsed_s, step, t0 FROM lanes ORDER BY ALL"
    assert rows([tmp_path / "run.jsonl"], question) == [
        ("r1.1", [0], "ok", "successful", 2.0, 120, 0.0),
        ("r1.1", [1], "lost", None, 3.0, 4, None),
        ("r1.2", [1], None, None, 1.0, 4, 0.0),
    ]


def test_runs_that_owe_their_last_line(tmp_path, logs):
    """Are open, though all their experiments are over, and lost once they have been silent for long."""
    now = datetime.now(UTC)
    for name, start, ends in [
        ("ended", now, [{}]),
        ("failed", now, [{"error": "SIGTERM"}]),
        ("goes on", now, []),
        ("silent", now - timedelta(days=1), []),
    ]:
        log = logs(name, start=start)
        opened = structs.replace(log.opened(host="elsewhere", pid=7), trace_id="1" * 32, span_id="2" * 16)
        over = [log.run_ended(2, **end) for end in ends]
        records = [opened, log.experiment_started(0), log.started(0), log.ended(1), log.experiment_ended(1), *over]
        log.append(tmp_path / f"{name}.jsonl", *records)
    assert rows(sorted(tmp_path.iterdir()), "SELECT run_id, status, lost_because FROM runs ORDER BY ALL") == [
        ("ended", "ok", None),
        ("failed", "error", None),
        ("goes on", "open", None),
        ("silent", "lost", "it fell silent, and its log has no end"),
    ]


def test_a_report_at_every_step(tmp_path, log):
    """Makes a row of each step: its size, what was rejected before it, and how fast it went."""
    told = [(1, 1, 0, 10.0), (2, 2, 0, 30.0), (4, 3, 2, 35.0)]
    steps = [
        log.progress(at, progress=t / 100, step=yes + no, t=t, steps=Steps(accepted=yes, rejected=no))
        for at, yes, no, t in told
    ]
    log.append(tmp_path / "run.jsonl", log.started(0), *steps)
    question = "SELECT step, t, dt, accepted, rejected, rate, elapsed_s FROM steps ORDER BY timestamp"
    assert rows([tmp_path / "run.jsonl"], question) == [
        (1, 10.0, 10.0, 1, 0, 1.0, 1.0),
        (2, 30.0, 20.0, 1, 0, 1.0, 2.0),
        (3, 35.0, 5.0, 1, 2, 0.5, 4.0),
    ]


@pytest.mark.parametrize(
    ("question", "said"),
    [
        ("SELECT * FORM passes", 'Parser Error: syntax error at or near "passes"'),
        ("SELECT 1; SELECT 2", "expected one statement, got 2"),
        (" ", "expected one statement, got 0"),
        ("COPY passes TO 'x.csv'", "a question reads, as SELECT, FROM, WITH, DESCRIBE and SUMMARIZE do; got COPY"),
        ("ATTACH 'x.db'", "a question reads, as SELECT, FROM, WITH, DESCRIBE and SUMMARIZE do; got ATTACH"),
        ("SET threads = 1", "a question reads, as SELECT, FROM, WITH, DESCRIBE and SUMMARIZE do; got SET"),
        ("SELECT batch_index::VARCHAR::INT FROM lanes WHERE pass_id = 'b.1.forward' AND batch_index = [2]",
         "Conversion Error: Could not convert string '[2]' to INT32"),
        ("SELECT content FROM read_text('secret.txt')",
         'Permission Error: Cannot access file "secret.txt" - file system operations are disabled by configuration'),
        ("FROM lane_", 'Catalog Error: Table with name lane_ does not exist! Did you mean "lanes"?'),
        ("FROM lines", 'Catalog Error: Table with name lines does not exist! Did you mean "lanes"?'),
    ],
)  # fmt: skip
def test_what_is_no_question(files, question, said, tmp_path, monkeypatch):
    """Is refused in one line. Files, settings and Python's own variables are out of reach."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.txt").write_text("secret")
    before = sorted(tmp_path.iterdir())
    lane_ = files  # a variable that DuckDB might take for a table
    with pytest.raises(QuestionError) as caught:
        rows(lane_, question)
    assert str(caught.value) == said
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("value", "kind", "plain"),
    [
        (None, "", None),
        (float("nan"), "DOUBLE", "NaN"),
        (float("-inf"), "DOUBLE", "-Infinity"),
        (Decimal("1.5"), "DECIMAL(2,1)", 1.5),
        (datetime(2026, 1, 2, 5, tzinfo=timezone(timedelta(hours=2))), "", "2026-01-02T03:00:00.000000Z"),
        (datetime(2026, 1, 2, tzinfo=UTC).replace(tzinfo=None), "TIMESTAMP", "2026-01-02T00:00:00.000000"),
        (datetime(2026, 1, 2, tzinfo=UTC).date(), "DATE", "2026-01-02"),
        (time(1, 2), "TIME", "01:02:00"),
        (date(2026, 1, 2) - date(2026, 1, 1), "INTERVAL", 86400.0),
        ('{"a":[1]}', "JSON", {"a": [1]}),
        ('{"a":[1]}', "VARCHAR", '{"a":[1]}'),
        (b"\x01\xff", "BLOB", "01ff"),
        ({1: [float("inf")]}, "MAP(INTEGER, DOUBLE[])", {"1": ["Infinity"]}),
    ],
)
def test_values(value, kind, plain):
    """Are what strict JSON can carry."""
    assert plain_value(value, kind) == plain
