"""polars reads the log as it is."""

import polars as pl


def test_a_frame(log):
    """A row for each line; structures are structures."""
    frame = pl.read_ndjson(log, infer_schema_length=None)

    ended = frame.filter(pl.col("event") == "pass.ended").with_columns(
        pl.col("timestamp").str.to_datetime(time_zone="UTC"),
        pl.col("t").cast(pl.Float64),
        seed=pl.col("attributes").struct.field("seed"),
    )
    summed = ended.group_by("phase", "seed").agg(pl.sum("duration_s"), pl.col("t").is_nan().any()).sort("phase")
    assert summed.rows() == [("backward", 3, 2.5, False), ("forward", 3, 2.24, True)]
