"""The benchmark of the live view runs. What it measures is not a matter for a test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.once
def test_the_table():
    """One row for each picture, and nothing else is printed."""
    options = ["--no-write", "--runs", "20", "--frames", "3", "--width", "80", "--height", "24"]
    command = [sys.executable, "-m", "benchmarks.live", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [re.sub(r"\d+\.\d", "#", line) for line in done.stdout.splitlines()] == [
        "| runs | terminal | picture | take | draw | both, median | both, slowest |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 20 | 80x24 | list | # | # | # | # |",
        "| 20 | 80x24 | list, by eta | # | # | # | # |",
        "| 20 | 80x24 | list, one selected | # | # | # | # |",
        "| 20 | 80x24 | list, searched | # | # | # | # |",
        "| 20 | 80x24 | one pass | # | # | # | # |",
    ]
