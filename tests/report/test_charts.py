"""The pictures' specifications."""

import vl_convert

from soltrace.report.charts import charts
from soltrace.report.gather import gather


def test_all_are_valid(files):
    """Vega-Lite takes each of them, and none is without data."""
    for name, spec in charts(gather(files)).items():
        assert vl_convert.vegalite_to_vega(spec)["marks"], name
        assert spec["data"]["values"], name


def test_times_by_stage(files):
    """Compiling stage by stage, then forward and backward."""
    assert charts(gather(files))["times"]["data"]["values"] == [
        {"stage": "trace", "seconds": 0.8, "colour": "compile"},
        {"stage": "lower", "seconds": 0.1, "colour": "compile"},
        {"stage": "compile", "seconds": 1.1, "colour": "compile"},
        {"stage": "forward", "seconds": 7.0, "colour": "forward"},
        {"stage": "backward", "seconds": 9.0, "colour": "backward"},
    ]


def test_progress_over_time(files):
    """From the start to the end of a pass, in seconds since its start."""
    rows = [row for row in charts(gather(files))["progress"]["data"]["values"] if row["pass"] == "a.1.forward"]
    assert [(row["seconds"], row["progress"]) for row in rows] == [(0.0, 0.0), (1.0, 0.25), (2.0, 0.5), (4.0, 1.0)]
