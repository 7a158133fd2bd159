"""The benchmark of shipping runs, and all that is written is sent. How fast is not a matter for a test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.once
def test_the_table():
    """A row for one process and a row for two."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.shipping",
        "--no-write",
        "--files",
        "2",
        "--lines",
        "50",
        "--repeats",
        "1",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    header, _, *rows = done.stdout.splitlines()
    assert header == (
        "| logs at once | records a second | of processor time, on one core "
        "| processor time, in that of reading alone |"
    )
    assert [re.match(r"\| (\d) \| [\d,]+.* \| [\d.]+ \|", row)[1] for row in rows] == ["1", "2"]
