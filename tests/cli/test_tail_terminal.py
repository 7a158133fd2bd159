"""`soltrace tail` in a real terminal: tmux, which has to be there (`make test` says how to install it)."""

import os
import shlex
import shutil
import subprocess
import tempfile
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


class Tmux:
    """A terminal of its own, with a program in it."""

    def __init__(self, directory: Path, width: int = 100, height: int = 16) -> None:
        self._server = f"soltrace-{uuid.uuid4().hex[:8]}"
        # Of its own, for tmux leaves its socket behind; and short, for the path of a socket has to be.
        self._sockets = tempfile.mkdtemp(prefix="soltrace-")
        self._directory = directory
        self._size = (str(width), str(height))

    def _tmux(self, *arguments: str) -> str:
        environ = os.environ | {"LC_ALL": "C.UTF-8", "TERM": "xterm-256color", "TMUX_TMPDIR": self._sockets}
        environ.pop("TMUX", None)
        command = ["tmux", "-L", self._server, "-f", os.devnull, *arguments]
        return subprocess.run(command, env=environ, capture_output=True, text=True, check=True, timeout=20).stdout

    def start(self, command: str) -> None:
        """Start a shell command; how it ended is written below it."""
        width, height = self._size
        # The last command keeps the terminal open for a look at it.
        script = f"{command}; echo status $?; exec sleep 60"
        self._tmux("new-session", "-d", "-x", width, "-y", height, "-c", str(self._directory), script)

    def screen(self, *options: str) -> list[str]:
        """Read the lines of the screen, without the empty ones."""
        return [line.rstrip() for line in self._tmux("capture-pane", "-p", *options).splitlines() if line.strip()]

    def keys(self, *keys: str) -> None:
        """Press keys."""
        self._tmux("send-keys", *keys)

    def resize(self, width: int, height: int) -> None:
        """Change the size of the terminal."""
        self._tmux("resize-window", "-x", str(width), "-y", str(height))

    def end(self) -> None:
        """End the server and what runs in it."""
        self._tmux("kill-server")
        shutil.rmtree(self._sockets)


@pytest.fixture
def tmux(tmp_path):
    """A terminal of 100 columns."""
    terminal = Tmux(tmp_path)
    yield terminal
    terminal.end()


@pytest.fixture
def run(logs):
    """The records of a run that begins now: those of the next minute are no silence, however slow this machine is."""
    return logs(start=datetime.now(UTC).replace(microsecond=0))


def tail(soltrace, *arguments: object, **environ: str) -> str:
    """The command as a shell takes it."""
    settings = " ".join(f"{name}={value}" for name, value in environ.items())
    return (
        f"env -u NO_COLOR -u COLUMNS -u LINES {settings} {shlex.join(soltrace.arguments('tail', '--utc', *arguments))}"
    )


def clock(run, at: float) -> str:
    """The time of day that a line shows."""
    return f"{run.start + timedelta(seconds=at):%H:%M:%S}"


def test_a_pass_is_followed_to_its_end(soltrace, tmux, run, tmp_path, until):
    """Waiting, a row that moves, a line that scrolls above, and a quiet end."""
    log = tmp_path / "runs" / "run.jsonl"
    tmux.start(tail(soltrace, "runs"))
    waiting = "soltrace tail: waiting for runs, which does not exist yet"
    expected = [waiting, "runs · waiting for the first solve"]
    assert until(tmux.screen, lambda seen: seen == expected) == expected

    log.parent.mkdir()
    lanes = [
        run.progress(50, progress=0.2, step=10, batch_index=[0]),
        run.progress(50, progress=0.5, step=9, batch_index=[2]),
    ]
    whole = run.progress(50, progress=0.2, step=19, lanes=run.lanes(3, 1))
    run.append(log, run.experiment_started(0), run.started(40, lanes=[3]), *lanes, whole)
    started = f"· {clock(run, 0)}  fit  experiment   started"
    expected = [
        waiting,
        started,
        "fit  forward  #1  ━━━━━╸───────────────────────   20.0 %   t 20.00     19 steps   1.9/s     eta 0:40",
        "  ╰ 1/3 lanes done · slowest 0 at 20.0 %, 2 at 50.0 %",
        "runs · 1 pass open · 0 ended",
    ]
    assert until(tmux.screen, lambda seen: seen == expected) == expected

    run.append(log, run.ended(59))
    over = f"✓ {clock(run, 59)}  fit  #1 forward   ended ok in 1.24 s: 4,602 steps (17 rejected)"
    expected = [waiting, started, over, "runs · none open · 1 ended"]
    assert until(tmux.screen, lambda seen: seen == expected) == expected

    tmux.keys("C-c")
    # The terminal itself echoes the key.
    expected = [waiting, started, over, "status 130"]
    assert [line.replace("^C", "") for line in until(tmux.screen, lambda seen: "status 130" in seen)] == expected


def test_the_terminal_changes_its_size(soltrace, tmux, run, tmp_path, until):
    """Narrower, wider and lower: there is one frame, and it fits."""
    run.append(tmp_path / "run.jsonl", run.started(40), run.progress(50, progress=0.2, step=19))
    run.append(tmp_path / "run.jsonl", run.started(40, 2), run.progress(50, 2, progress=0.5, step=19))
    wide = [
        "fit  forward  #1  ━━━━━╸───────────────────────   20.0 %   t 20.00     19 steps   1.9/s     eta 0:40",
        "fit  forward  #2  ━━━━━━━━━━━━━━╸──────────────   50.0 %   t 50.00     19 steps   1.9/s     eta 0:10",
        ". · 2 passes open · 0 ended",
    ]
    tmux.start(tail(soltrace, "."))
    assert until(tmux.screen, lambda seen: seen == wide) == wide

    narrow = [
        "fit  forward  ━━────────   20.0 %     eta 0:40",
        "fit  forward  ━━━━━─────   50.0 %     eta 0:10",
        ". · 2 passes open · 0 ended",
    ]
    tmux.resize(46, 16)
    assert until(tmux.screen, lambda seen: seen == narrow) == narrow

    tmux.resize(100, 16)
    assert until(tmux.screen, lambda seen: seen == wide) == wide

    low = ["and 2 more", wide[2]]
    tmux.resize(100, 5)
    assert until(tmux.screen, lambda seen: seen[-2:] == low)[-2:] == low


@pytest.mark.parametrize("environ,coloured", [({}, True), ({"NO_COLOR": "1"}, False)], ids=["colour", "NO_COLOR"])
def test_colours(soltrace, tmux, run, tmp_path, until, environ, coloured):
    """Colours are there, unless they are unwanted."""
    run.append(tmp_path / "run.jsonl", run.started(40), run.progress(50, progress=0.2, step=19))

    tmux.start(tail(soltrace, ".", **environ))

    seen = until(lambda: tmux.screen("-e"), lambda seen: any("ended" in line for line in seen))
    assert ("\x1b[36m" in "".join(seen)) == coloured


@pytest.mark.parametrize("how", [["--plain"], ["--no-follow"], []], ids=["plain", "no-follow", "dumb"])
def test_plain_lines_on_a_terminal(soltrace, tmux, run, tmp_path, until, how):
    """Where a live view is unwanted, or impossible."""
    run.append(tmp_path / "run.jsonl", run.experiment_started(0))

    tmux.start(tail(soltrace, *how, ".", TERM="xterm" if how else "dumb"))

    expected = [f"-- {run.start:%Y-%m-%d} UTC", f"{clock(run, 0)}.000  fit  experiment   started"]
    assert until(lambda: tmux.screen("-e")[:2], lambda seen: seen == expected) == expected


def test_json_on_a_terminal_is_harmless(soltrace, tmux, run, tmp_path, until):
    """Characters that a terminal obeys are written as JSON's own escapes."""
    line = run.line(run.experiment_started(0), x="\x9b31m\u202e")
    run.append(tmp_path / "run.jsonl", line)

    tmux.start(tail(soltrace, ".", "--json", "--no-follow"))

    seen = until(tmux.screen, lambda seen: "status 0" in seen)
    assert "".join(seen[:-1]).endswith(r'"x":"\u009b31m\u202e"}')
