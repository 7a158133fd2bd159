"""DuckDB reads the log as it is, with types that it finds itself."""

import duckdb


def test_sql_over_json_lines(log):
    """Time by phase, of an experiment's attribute."""
    question = (
        "SELECT phase, attributes.seed AS seed, count(*), sum(duration_s), epoch(max(timestamp))::BIGINT "
        "FROM read_json(?) WHERE event = 'pass.ended' GROUP BY ALL ORDER BY phase"
    )
    with duckdb.connect() as connection:
        rows = connection.execute(question, [str(log)]).fetchall()
    assert rows == [
        ("backward", 3, 1, 2.5, 1795577076),
        ("forward", 3, 2, 2.24, 1795577073),
    ]


def test_what_is_not_finite(log):
    """Comes back with a cast: NaN is a float there."""
    with duckdb.connect() as connection:
        rows = connection.execute(
            "SELECT batch_index, t::DOUBLE FROM read_json(?) WHERE event = 'lane.ended' AND isnan(t::DOUBLE)",
            [str(log)],
        ).fetchall()
    assert [index for index, _ in rows] == [[1]]
