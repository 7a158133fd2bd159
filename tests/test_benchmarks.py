"""The benchmark runs, and its arithmetic is right. What it measures is not a matter for a test."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.measure import Ratio

ROOT = Path(__file__).parents[1]


def test_ratios_are_pairwise():
    """Each value is divided by its own partner before anything is summed up."""
    assert Ratio.of([2.0, 30.0, 3.0, 4.0], [1.0, 10.0, 3.0, 2.0]) == Ratio(median=2.0, low=1.25, high=2.75)
    assert Ratio.of([3.0], [2.0]) == Ratio(1.5, 1.5, 1.5)


@pytest.mark.slow
def test_the_table():
    """One row for each who reports, and nothing that the meters print gets in between."""
    options = ["--no-write", "--case", "Lorenz, gradient", "--repeats", "2", "--firsts", "1"]
    command = [sys.executable, "-m", "benchmarks.overhead", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rows = [re.sub(r"\d+\.\d\d", "#", line) for line in done.stdout.splitlines()]
    cell = r"-?# \(-?# to -?#\)(, (\*\*≤|✗ >) [\d.#]+(\*\*)?)?"
    assert rows[:2] == [
        "| case | bare diffrax | who | time | processor time | first call |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row, peer in zip(rows[2:], ("TextProgressMeter", "TqdmProgressMeter", "soltrace"), strict=True):
        assert re.fullmatch(rf"\| Lorenz, gradient \| # ms \| {peer} \| {cell} \| {cell} \| {cell} \|", row), row
