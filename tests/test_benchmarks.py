"""The benchmark runs, and its arithmetic is right. What it measures is not a matter for a test."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import at_hand, disk, floor, long_log, loops, once
from benchmarks.measure import Ratio

ROOT = Path(__file__).parents[1]


def run(module, *options):
    """Run a benchmark to its end. Returns the lines that it prints."""
    command = [sys.executable, "-m", f"benchmarks.{module}", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_ratios_are_pairwise():
    """Each value is divided by its own partner before anything is summed up."""
    assert Ratio.of([2.0, 30.0, 3.0, 4.0], [1.0, 10.0, 3.0, 2.0]) == Ratio(median=2.0, low=1.25, high=2.75)
    assert Ratio.of([3.0], [2.0]) == Ratio(1.5, 1.5, 1.5)


@pytest.mark.slow
@pytest.mark.once
def test_the_table():
    """One row for each who reports, and nothing that the meters print gets in between."""
    printed = run("overhead", "--no-write", "--case", "Lorenz, gradient", "--repeats", "2", "--firsts", "1")
    rows = [re.sub(r"\d+\.\d\d", "#", line) for line in printed]
    cell = r"-?# \(-?# to -?#\)(, (\*\*≤|✗ >) [\d.#]+(\*\*)?)?"
    assert rows[:2] == [
        "| case | bare diffrax | who | time | processor time | first call |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row, peer in zip(rows[2:], ("TextProgressMeter", "TqdmProgressMeter", "soltrace"), strict=True):
        assert re.fullmatch(rf"\| Lorenz, gradient \| # ms \| {peer} \| {cell} \| {cell} \| {cell} \|", row), row


@pytest.mark.slow
@pytest.mark.once
def test_a_loop():
    """A process of its own for each setting says what it measured, and a line of the table holds the limit to it."""
    printed = run("loops", "--sinks", "json", "--case", "Lorenz, gradient", "--rounds", "2", "--seconds", "0.01")
    (told,) = map(json.loads, printed)
    assert {name: type(value) for name, value in told.items()} == {
        "case": str,
        "sinks": str,
        "cores": int,
        "bare_s": float,
        "more_s": float,
        "wall": list,
        "cpu": list,
    }
    row = loops.Looped("Lorenz, gradient", "json", 2, 0.0015, 1e-4, (1.1, 1.0, 1.2), (1.2, 1.1, 1.3))
    assert loops.line(row) == (
        "| Lorenz, gradient | 1.50 ms | JSON log | 2 | 1.10 (1.00 to 1.20), **≤ 1.12** "
        "| 1.20 (1.10 to 1.30), ✗ > 1.15 | +100 µs |"
    )


@pytest.mark.slow
@pytest.mark.once
def test_a_loop_that_is_watched():
    """In a terminal of its own, of which nothing gets into the table, and a line holds the limit to it."""
    heads, rule, row = run("at_hand", "--no-write", "--case", "Lorenz, gradient", "--rounds", "2", "--seconds", "0.01")
    assert [heads, rule] == list(at_hand.HEADER)
    assert row.startswith("| Lorenz, gradient | ")
    row = at_hand.Viewed("Lorenz", 0.0015, 2, (1.021, 1.0, 1.2), (1.2, 1.1, 1.3), (1.0, 1.0, 1.0))
    assert at_hand.line(row) == (
        "| Lorenz | 1.50 ms | 2 | 1.021 (1.000 to 1.200), ✗ > 1.02 | 1.200 (1.100 to 1.300) | 1.000 (1.000 to 1.000) |"
    )


def test_a_disk_that_fails():
    """A line holds the limit to each fault."""
    ratios = {"full": (1.01, 1.0, 1.2), "broken": (1.021, 1.0, 1.2), "hanging": (1.0, 1.0, 1.0)}
    assert disk.line(disk.Faulty("Lorenz", 0.0015, ratios, dict.fromkeys(ratios, (1.0, 0.9, 1.1)))) == (
        "| Lorenz | 1.50 ms "
        "| time 1.010 (1.000 to 1.200), **≤ 1.02**; processor time 1.000 (0.900 to 1.100), **≤ 1.02** "
        "| time 1.021 (1.000 to 1.200), ✗ > 1.02; processor time 1.000 (0.900 to 1.100), **≤ 1.02** "
        "| time 1.000 (1.000 to 1.000), **≤ 1.02**; processor time 1.000 (0.900 to 1.100), **≤ 1.02** |"
    )


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.programs
def test_a_loop_beside_a_disk_that_fails():
    """In a process of its own with the library in front; what is lost there is said on its stderr."""
    options = ["--no-write", "--case", "Lorenz, gradient", "--rounds", "1", "--seconds", "0.01"]
    command = [sys.executable, "-m", "benchmarks.disk", *options]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    heads, rule, row = done.stdout.splitlines()
    assert [heads, rule] == list(disk.HEADER)
    assert row.startswith("| Lorenz, gradient | ")
    assert all(line.startswith("soltrace: lost ") for line in done.stderr.splitlines())


def test_a_long_log(capsys):
    """Each line that was handed over is there."""
    assert long_log.main(["--records", "1000", "--no-write"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 2 + long_log.TENTHS


def test_one_solve():
    """Ratios of processes that ran in turns, and the limits that there are."""
    told = lambda *numbers: dict(zip(("first", "cached", "rested", "process"), numbers, strict=True))
    bare, ours = (
        [told(1.0, 1.0, 1.0, 2.0), told(2.0, 1.0, 1.0, 4.0)],
        [told(1.1, 2.0, 1.0, 2.2), told(2.2, 2.0, 1.0, 4.4)],
    )
    assert once.line("Lorenz", bare, ours) == (
        "| Lorenz | 1.50 s | 1.10 (1.10 to 1.10), **≤ 1.15** | 2.00 (2.00 to 2.00), ✗ > 1.05 "
        "| 1.00 (1.00 to 1.00) | 1.10 (1.10 to 1.10) |"
    )


@pytest.mark.slow
@pytest.mark.once
def test_a_process_of_one_solve(tmp_path):
    """It says how long its calls took."""
    (printed,) = run("once", "--child", "Lorenz", "", str(tmp_path))
    assert {name: type(value) for name, value in json.loads(printed).items()} == {"first": float, "rested": float}


@pytest.mark.slow
@pytest.mark.once
def test_a_profile():
    """Each room has its row."""
    printed = run("profile", "--no-write", "--case", "Lorenz, gradient", "--seconds", "0.01")
    assert [line.split("|")[1].strip() for line in printed if "thread `" not in line] == [
        *("room", "---", "calls of the compiled program: `host.receive`", "worker: signals to records"),
        *("worker: spans", "worker: JSON log", "worker: metrics", "worker: log records"),
        *("worker: queue, and what is between the rooms", "compiled program, otherwise", "**all**"),
    ]


@pytest.mark.slow
@pytest.mark.once
def test_a_full_queue():
    """Its sums are right, or it would say so: each pass that began ended, and each report was told or counted."""
    rows = [re.sub(r"[\d,]+ \|$", "# |", line) for line in run("full_queue", "--no-write", "--seconds", "2")]
    assert rows == [
        "| | |",
        "| --- | ---: |",
        "| solves | # |",
        "| passes started, in the log | # |",
        "| passes ended, in the log | # |",
        "| passes refused, counted | # |",
        "| reports made, 49 of each pass | # |",
        "| reports in the log | # |",
        "| reports dropped, counted | # |",
    ]


@pytest.mark.slow
@pytest.mark.once
def test_memory_of_many_solves():
    """Every solve is told or counted, and memory is looked at ten times."""
    printed = run("memory", "--no-write", "--solves", "200")
    *rows, timed, told = [re.sub(r"\d+ (MB|µs)", r"# \1", line) for line in printed]
    assert rows == ["| solves | resident |", "| ---: | ---: |", *[f"| {20 * i} | # MB |" for i in range(1, 11)]]
    assert (timed, told) == (
        "# µs a solve, the last flush included",
        "200 passes started, 200 ended; 0 refused, and counted.",
    )


@pytest.mark.slow
@pytest.mark.once
def test_the_least_that_it_can_cost():
    """A line of the table for each case, and the sum of the two parts."""
    heads, rule, row = run("floor", "--no-write", "--case", "Lorenz, gradient", "--rounds", "2", "--seconds", "0.01")
    assert [heads, rule] == list(floor.HEADER)
    assert row.startswith("| Lorenz, gradient | ")
    row = floor.Least("Lorenz", 0.0015, (1.06, 1.0, 1.2), (1.02, 1.0, 1.1), (1.2, 1.1, 1.3))
    assert floor.line(row) == (
        "| Lorenz | 1.50 ms | 1.06 (1.00 to 1.20) | 1.02 (1.00 to 1.10) | 1.08 | 1.20 (1.10 to 1.30) | ≤ 1.10 |"
    )
