"""The examples run to their end, shortened, and tell what their first lines say."""

import ast
import json
import re
import runpy
import shlex
import subprocess
import sys
from collections import Counter
from pathlib import Path

import jax
import pytest

import soltrace

pytestmark = [pytest.mark.slow, pytest.mark.once, pytest.mark.shares]

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples"
PAGE = ROOT / "docs" / "how-to" / "examples.md"


def both(experiment, count=1, **attributes):
    """So many forward and backward passes, and all of them end well."""
    return Counter(
        {(experiment, json.dumps(attributes), phase, "successful"): count for phase in ("forward", "backward")}
    )


def forward(experiment, count=1, result="successful", **attributes):
    """So many forward passes."""
    return Counter({(experiment, json.dumps(attributes), "forward", result): count})


SHORT = {
    "kinetics": (2, both("kinetics", 2, solver="Kvaerno3", rtol=1e-6)),
    "least_squares": (64, forward("absorption", 8, optimiser="LevenbergMarquardt")),
    "neural_cde": (2, both("neural-cde", 2, seed=0, width=16) + both("neural-cde", 2, seed=1, width=16)),
    "neural_ode": (
        2,
        both("neural-ode", learning_rate=3e-3, width=32, step=0)
        + both("neural-ode", learning_rate=3e-3, width=32, step=1),
    ),
    "sweep": (
        2,
        sum(
            (
                forward("sweep/oscillator", damping=damping, rtol=rtol)
                for damping in (0.5, 1.0)
                for rtol in (1e-3, 1e-5)
            ),
            Counter(),
        ),
    ),
}
"""How much each is to do, and the passes that its experiments have then."""


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Run an example as a program. Returns its names, and the lines of its log."""

    def run(name, argument):
        monkeypatch.setenv("SOLTRACE_DIR", str(tmp_path))
        monkeypatch.setattr(sys, "argv", [f"{name}.py", str(argument)])
        x64 = jax.config.jax_enable_x64
        jax.config.update("jax_disable_most_optimizations", True)  # most of the time goes into compiling
        try:
            names = runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name="__main__")
        finally:
            jax.config.update("jax_enable_x64", x64)
            jax.config.update("jax_disable_most_optimizations", False)
        soltrace.shutdown()
        (log,) = tmp_path.glob("*.jsonl")
        return names, [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]

    return run


def ended(lines):
    """How passes ended, those in experiments; what makes the data is in none."""
    return Counter(
        (line["experiment"], json.dumps(line["attributes"]), line["phase"], line["result"])
        for line in lines
        if line["event"] == "pass.ended" and line["experiment"]
    )


def check_what_to_look_at(names, directory):
    """What the first lines say to look at finds something."""
    commands = re.findall(r"^    soltrace (.*)$", names["__doc__"], re.MULTILINE)
    assert commands
    for command in commands:
        words = [sys.executable, "-m", "soltrace", *shlex.split(command)]
        ends = ["--no-follow", "--plain"] if words[3] == "tail" else []
        done = subprocess.run([*words, *ends], cwd=directory, capture_output=True, text=True, check=True)
        assert (directory / "report.html").exists() if words[3] == "report" else len(done.stdout.splitlines()) > 1


@pytest.mark.parametrize("name", SHORT)
def test_an_example_tells_what_it_does(name, run, tmp_path):
    """Its passes, forward and backward, with the attributes of the experiment and of the solve."""
    argument, passes = SHORT[name]
    names, lines = run(name, argument)
    assert ended(lines) == passes
    check_what_to_look_at(names, tmp_path)


def test_each_particle_ends_when_it_escapes(run, tmp_path):
    """Of more of them than are told apart by default, each with its own time, and with what stopped it."""
    names, lines = run("escape", 20)
    assert ended(lines) == forward("escape", result="event_occurred", noise=0.6, particles=20)
    told = {tuple(line["batch_index"]): line for line in lines if line["event"] == "lane.ended"}
    assert {lane: (line["result"], line["t"]) for lane, line in told.items()} == {
        (particle,): ("event_occurred" if left else "successful", pytest.approx(time, rel=1e-6))
        for particle, (time, left) in enumerate(zip(names["times"].tolist(), names["left"].tolist(), strict=True))
    }
    check_what_to_look_at(names, tmp_path)


def test_each_leapfrog_step_is_two_passes(run, tmp_path):
    """Each draw's, and in the warm-up some draws can't be solved, and say so."""
    names, lines = run("posterior", 5)
    steps = int(names["sampler"].get_extra_fields()["num_steps"].sum())
    passes = ended(lines)
    draws = both("posterior/draws", steps, seed=3)
    assert Counter({key: count for key, count in passes.items() if key[0] == "posterior/draws"}) == draws
    assert {(key[0], *key[2:]) for key in passes - draws} == {
        ("posterior/warm-up", "forward", "successful"),
        ("posterior/warm-up", "forward", "max_steps_reached"),
        ("posterior/warm-up", "backward", "successful"),
    }
    check_what_to_look_at(names, tmp_path)


def test_every_example_is_run_and_shown():
    """Nothing lies in examples/ that nobody looks at, and each has as much of a text as it needs."""
    names = {path.stem for path in EXAMPLES.glob("*.py")}
    assert names == {*SHORT, "escape", "posterior"}
    shown = re.findall(
        r"^```\{literalinclude\} \.\./\.\./examples/(\w+)\.py$", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    assert sorted(shown) == sorted(names)
    for path in EXAMPLES.glob("*.py"):
        text = path.read_text(encoding="utf-8")
        assert 40 <= len(text.splitlines()) <= 100, path.name
        assert f"python examples/{path.name}" in ast.get_docstring(ast.parse(text))
