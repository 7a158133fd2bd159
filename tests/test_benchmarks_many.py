"""The benchmark of ten thousand logs runs. How fast is not a matter for a test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.once
def test_the_table():
    """What takes how long, of the clock and of the processor."""
    command = [
        sys.executable,
        "-m",
        "benchmarks.many",
        "--no-write",
        "--files",
        "300",
        "--quiet",
        "0.5",
        "--settle",
        "0",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.sub(r"\d+\.?\d*", "N", done.stdout).splitlines() == [
        "| | seconds | of the processor |",
        "| --- | --- | --- |",
        "| until the first pass is shown | N | N s |",
        "| until all are | N | N s |",
        "| when all are quiet | | N% of a core |",
        "| memory | | N MiB |",
    ]
