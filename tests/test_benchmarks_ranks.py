"""The benchmark of a thousand ranks runs, and loses nothing. How much they need is not a matter for a test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.servers
def test_the_table():
    """A row for each thing that is needed, and a number in each."""
    command = [sys.executable, "-m", "benchmarks.ranks", "--no-write", "--check", "--ranks", "20", "--seconds", "10"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    header, _, *rows = done.stdout.splitlines()
    assert header == "| | a rank | 1,000 ranks | 100,000 ranks |"
    told = {row.split(" | ")[0].removeprefix("| "): re.findall(r" ([\d.,e-]+) ", row) for row in rows}
    assert told["records a second"] == ["10.6", "10,600", "1,060,000"]
    assert told["log files, one a node"] == ["16", "1,563"]
    assert told["log records lost"] == ["0"]
    assert [name for name, numbers in told.items() if not numbers or set(numbers) & {"0", "0.0"}] == [
        "log records lost"
    ]
