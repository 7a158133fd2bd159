"""`soltrace demo`, as a process of its own: what it prints, and what it wrote."""

import fcntl
import os
import pty
import re
import socket
import struct
import subprocess
import sys
import termios
from collections import Counter

import msgspec
import pytest

from soltrace.demo.pass_costs import read_log
from soltrace.wire.records import AnyRecord, LaneEnded, PassEnded, PassStarted

pytestmark = pytest.mark.slow

DEADLINE_S = 300
COMMAND = [sys.executable, "-m", "soltrace", "demo"]


def run(*arguments, program=COMMAND):
    """Run to the end. Returns the status, and the lines of stdout and stderr."""
    environ = os.environ | {"PYTHONWARNINGS": "error"}
    command = [*program, *map(str, arguments)]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    return done.returncode, done.stdout.splitlines(), done.stderr.splitlines()


@pytest.mark.once
def test_the_demonstration(tmp_path):
    """Two experiments of three steps, eight lanes each: every pass is in the log, and the summary is about them.

    The commands that it ends with can be pasted, here those that end by themselves.
    """
    status, said, complained = run("--steps", 3, "--directory", tmp_path / "some runs")
    assert (status, complained) == (0, [])
    (log,) = (tmp_path / "some runs").glob("*.jsonl")
    records = read_log(log)
    assert all(isinstance(record, AnyRecord) for record in records)

    counts = Counter(type(record).__struct_config__.tag for record in records)
    for event in ("pass.progress", "pass.heartbeat", "run.heartbeat"):  # as many as the machine is slow
        del counts[event]
    assert counts == {
        "log.opened": 1,
        "program.compiled": 1,
        "experiment.started": 2,
        "experiment.ended": 2,
        "pass.started": 12,
        "pass.ended": 12,
        "lane.ended": 96,
    }
    settings = [{"optimiser": "adam", "learning_rate": 0.1}, {"optimiser": "adabelief", "learning_rate": 0.05}]
    expected = [
        ("lynx-hare", setting | {"iteration": iteration}, phase)
        for setting in settings
        for iteration in range(3)
        for phase in ("forward", "backward")
    ]
    of = {kind: [r for r in records if isinstance(r, kind)] for kind in (PassStarted, PassEnded, LaneEnded)}
    for kind in (PassStarted, PassEnded):
        assert [(r.experiment, r.attributes, r.phase) for r in of[kind]] == expected
    starts = [(r.batch_shape, r.solver, r.adjoint, r.controller, r.max_steps) for r in of[PassStarted]]
    assert starts == [([8], "Tsit5", "RecursiveCheckpointAdjoint", "PIDController", 32768)] * 12
    ends = [(r.status, r.result, r.progress, r.lanes.total, r.lanes.finished, r.lanes.failed) for r in of[PassEnded]]
    assert ends == [("ok", "successful", 1.0, 8, 8, 0)] * 12
    lanes = Counter((r.pass_id, *r.batch_index) for r in of[LaneEnded])
    assert lanes == {(end.pass_id, lane): 1 for end in of[PassEnded] for lane in range(8)}

    assert said[0].startswith("Fitting a Lotka-Volterra model to lynx and hare pelts: 8 starts at once")
    progress = [re.sub(r"residual [\d.]+", "residual", line) for line in said[2:8]]
    assert progress == [
        f"{name}  step    {step} of 3  best residual" for name in ("adam     ", "adabelief") for step in (1, 2, 3)
    ]
    rows = [line.split() for line in said if line.startswith(("  forward ", "  backward "))]
    steps = [
        sum(r.steps.accepted + r.steps.rejected for r in of[PassEnded] if r.phase == phase)
        for phase in ("forward", "backward")
    ]
    assert [row[:4] for row in rows] == [
        ["forward", "6", "0", f"{steps[0]:,}"],
        ["backward", "6", "0", f"{steps[1]:,}"],
    ]
    assert f"The log has {len(records)} lines: {log}" in said
    assert said[-4] == "Try next"
    assert [line.split()[:4] for line in said[-3:]] == [[sys.executable, "-m", "soltrace", "tail"]] * 3
    assert not any("\r" in line or "\x1b" in line for line in said)

    first, second, _ = said[-3:]
    shown = subprocess.run(first, shell=True, capture_output=True, text=True, check=True)
    assert [line.split()[1:5] for line in shown.stdout.splitlines() if "lynx-hare" in line] == [
        ["lynx-hare", "experiment", "started", "optimiser=adam"],
        ["lynx-hare", "experiment", "ended", "ok"],
        ["lynx-hare", "experiment", "started", "optimiser=adabelief"],
        ["lynx-hare", "experiment", "ended", "ok"],
    ]
    line = subprocess.run(second, shell=True, capture_output=True, text=True, check=True).stdout
    record = msgspec.json.decode(line, type=AnyRecord)
    assert (type(record), record.phase, record.attributes["optimiser"]) == (PassEnded, "backward", "adabelief")


@pytest.mark.once
def test_on_a_terminal_it_shows_the_live_view(tmp_path):
    """While it runs there is a view, and afterwards the cursor is back and the summary stands below.

    It records in any case, also where telemetry is disabled.
    """
    main, side = pty.openpty()
    fcntl.ioctl(side, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 110, 0, 0))
    environ = os.environ | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8", "SOLTRACE_DISABLED": "1"}
    command = [*COMMAND, "--steps", "2"]
    with subprocess.Popen(command, cwd=tmp_path, env=environ, stdin=side, stdout=side, stderr=side) as process:
        os.close(side)
        shown = b""
        while chunk := _read(main):
            shown += chunk
        os.close(main)
        assert process.wait(DEADLINE_S) == 0
    text = shown.decode()
    view = text[text.index("\x1b[?25l") : text.rindex("\x1b[?25h")]
    assert re.search(r"(1 pass|\d passes|none) open", view)  # a pass may be shorter than it takes to look
    assert "lynx-hare" in view
    assert "Try next" in text[text.rindex("\x1b[?25h") :]
    assert "\x1b" not in text[text.index("Fitted by") :]


def _read(terminal):
    try:
        return os.read(terminal, 65536)
    except OSError:  # how Linux says that the other end is closed
        return b""


def test_without_optax_it_says_what_to_install():
    """The extra is named, and nothing else happens."""
    program = "import sys; sys.modules['optax'] = None; from soltrace.cli import main; sys.exit(main(['demo']))"
    assert run(program=[sys.executable, "-c", program]) == (
        2,
        [],
        ["soltrace demo: needs optax, not installed here: pip install 'soltrace[demo]'"],
    )


def test_a_directory_that_cannot_be_made(tmp_path):
    """Said before anything is compiled."""
    taken = tmp_path / "taken"
    taken.touch()
    assert run("--directory", taken) == (
        2,
        [],
        [f"soltrace demo: cannot make {taken}: File exists; choose another with --directory"],
    )


def test_a_collector_that_is_not_there(tmp_path):
    """Said before anything is compiled, with what to do about it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound, and nobody listens
        address = f"http://127.0.0.1:{probe.getsockname()[1]}"
        status, said, (complained,) = run("--directory", tmp_path, "--otlp", address)
    assert (status, said) == (2, [])
    assert complained == (
        f"soltrace demo: --otlp: nobody listens at {address} (Connection refused). "
        "Start one, with soltrace's docker-compose.yml: docker compose up --wait; or name another"
    )
    assert list(tmp_path.iterdir()) == []


def test_an_address_that_is_none(tmp_path):
    """A mistake of the command line."""
    status, said, complained = run("--directory", tmp_path, "--otlp", "localhost")
    assert (status, said) == (2, [])
    assert complained[-1].endswith("argument --otlp: must be a URL like http://localhost:4318, got 'localhost'")


def test_a_number_of_steps_that_has_no_meaning():
    """None at all is a mistake of the command line."""
    status, said, complained = run("--steps", 0)
    assert (status, said) == (2, [])
    assert complained[-1] == "soltrace demo: error: argument --steps: must be a whole number of at least 1, got '0'"
