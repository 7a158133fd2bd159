"""pandas reads the log as it is."""

from datetime import UTC

import pandas as pd


def test_a_frame(log):
    """A row for each line, times as times, and what a line does not say as missing."""
    frame = pd.read_json(log, lines=True, dtype=False)

    ended = frame[frame["event"] == "pass.ended"]
    assert ended.groupby("phase")["duration_s"].sum().to_dict() == {"backward": 2.5, "forward": 2.24}
    assert [row["seed"] for row in ended["attributes"]] == [3, 3, 3]
    assert pd.to_datetime(frame["timestamp"]).dt.tz == UTC
    assert frame["t"].astype(float).isna().sum() == len(frame) - 3
