"""The benchmark of reading runs, and all who take part read the same records. How fast is not a matter for a test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.reading import EVENT, LINES_OF_A_PASS, peers, write_log

ROOT = Path(__file__).parents[1]


@pytest.mark.slow
@pytest.mark.once
def test_the_table():
    """One row for each who takes part."""
    command = [sys.executable, "-m", "benchmarks.reading", "--no-write", "--lines", "1000", "--repeats", "2"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    header, _, *rows = done.stdout.splitlines()
    assert header == "| who | what | records a second | time ÷ `json.loads` |"
    assert [re.match(r"\| (.*?) \| (.*?) \| [\d,]+", row).groups() for row in rows] == [
        (peer.name, peer.what) for peer in peers()
    ]


def test_everybody_reads_the_same(tmp_path):
    """All records, or one of each pass."""
    write_log(tmp_path / "run.jsonl", 10 * LINES_OF_A_PASS)

    assert [(peer.what, peer.read(tmp_path / "run.jsonl")) for peer in peers()] == [
        (peer.what, 10 if peer.what == f"filtered: {EVENT}" else 10 * LINES_OF_A_PASS) for peer in peers()
    ]
