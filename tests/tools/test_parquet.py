"""What `soltrace convert` writes, read by others: pandas has no reader of its own, and polars has."""

import polars as pl

from soltrace.report.parquet import convert


def test_polars_reads_the_table(log, tmp_path):
    """With the types of the log: a time with its zone, NaN, structures, attributes as JSON."""
    target = tmp_path / "run.parquet"
    convert([log], target)

    ended = pl.scan_parquet(target).filter(pl.col("event") == "pass.ended").sort("timestamp")
    rows = ended.select(
        "phase",
        pl.col("timestamp").dt.epoch("s"),
        pl.col("t").is_nan(),
        pl.col("steps").struct.field("accepted"),
        pl.col("attributes").str.json_path_match("$.seed").alias("seed"),
    ).collect()
    assert rows.rows() == [
        ("forward", 1795577072, False, 4585, "3"),
        ("forward", 1795577073, True, 4585, "3"),
        ("backward", 1795577076, False, 4585, "3"),
    ]
    assert ended.collect_schema()["timestamp"] == pl.Datetime("us", "UTC")
