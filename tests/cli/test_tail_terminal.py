"""`soltrace tail` in a real terminal: tmux, which has to be there (`make test` says how to install it)."""

import os
import shlex
import signal
from datetime import UTC, datetime, timedelta

import pytest

from soltrace.wire.record_parts import Steps
from tests.terminal import Tmux

pytestmark = pytest.mark.programs

KEYS = " · ? for keys"
MODE = r"stty -a | grep -ow -e '-\?icanon' -e '-\?echo'"
"""Says whether the terminal is as a shell expects it."""


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
    expected = [waiting, f"runs · waiting for the first solve{KEYS}"]
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
        "  fit  forward  #1  ━━━━━────────────────────  20.0 %   t 20.00      19 steps   1.9/s      eta ~40 s",
        "  ╰ 1/3 lanes done · slowest 0 at 20.0 %, 2 at 50.0 %",
        f"runs · 1 pass open · 0 ended{KEYS}",
    ]
    assert until(tmux.screen, lambda seen: seen == expected) == expected

    run.append(log, run.ended(59))
    over = f"✓ {clock(run, 59)}  fit  #1 forward   ended ok in 1.24 s: 4,602 steps (17 rejected)"
    expected = [waiting, started, over, f"runs · none open · 1 ended{KEYS}"]
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
        "  fit  forward  #1  ━━━━━────────────────────  20.0 %   t 20.00      19 steps   1.9/s      eta ~40 s",
        "  fit  forward  #2  ━━━━━━━━━━━━╸────────────  50.0 %   t 50.00      19 steps   1.9/s      eta ~10 s",
        f". · 2 passes open · 0 ended{KEYS}",
    ]
    tmux.start(tail(soltrace, "."))
    assert until(tmux.screen, lambda seen: seen == wide) == wide

    narrow = [
        "  fit  forward  ━╸──────  20.0 %      eta ~40 s",
        "  fit  forward  ━━━━────  50.0 %      eta ~10 s",
        f". · 2 passes open · 0 ended{KEYS}",
    ]
    tmux.resize(47, 16)
    assert until(tmux.screen, lambda seen: seen == narrow) == narrow

    tmux.resize(100, 16)
    assert until(tmux.screen, lambda seen: seen == wide) == wide

    low = ["  and 2 more", wide[2]]
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


@pytest.fixture
def three(run, tmp_path):
    """Three open passes of two experiments, the last of which has stalled."""
    path = tmp_path / "run.jsonl"
    run.append(path, *(run.started(0, i, **({"experiment": "decay"} if i == 2 else {})) for i in (1, 2, 3)))
    for at in range(1, 5):
        steps = Steps(accepted=9 * at, rejected=at)
        run.append(path, run.progress(at, 1, progress=0.1 * at, step=10 * at, steps=steps))
    run.append(path, run.progress(4, 2, progress=0.8, step=10, experiment="decay"))
    run.append(path, run.progress(4, 3, progress=0.4, step=10), run.heartbeat(40, 3, stalled=True))
    return path


def rows(seen: list[str]) -> list[tuple[str, ...]]:
    """The mark and the solve of each row, and what comes after it."""
    return [tuple(line[:1] + " " + line[line.index("#") :].split()[0] for line in seen if "#" in line), *seen[-1:]]


def test_keys(soltrace, tmux, three, until):
    """Select, look closer, order, search, hold, and leave: the terminal is as it was."""
    tmux.start(tail(soltrace, "."), MODE)

    def pressed(*keys: str, shows: list) -> None:
        tmux.keys(*keys)
        assert until(lambda: rows(tmux.screen()), lambda seen: seen == shows) == shows

    status = ". · 3 passes open in 2 experiments · 0 ended"
    pressed("", shows=[("! #3", "  #1", "  #2"), status + KEYS])
    pressed("Down", "Down", shows=[("! #3", "▸ #1", "  #2"), status + KEYS])
    pressed("s", "r", shows=[("! #3", "  #2", "▸ #1"), f"{status} · by progress reversed{KEYS}"])
    pressed("/", shows=[("! #3", "  #2", "▸ #1"), "/_"])
    tmux.keys("-l", "dec")
    pressed("", shows=[("▸ #2",), "/dec_"])
    pressed("Enter", shows=[("▸ #2",), f"{status} · by progress reversed · /dec{KEYS}"])
    pressed("Escape", shows=[("  #2",), f"{status} · by progress reversed · /dec{KEYS}"])
    pressed("Escape", shows=[("! #3", "  #2", "  #1"), f"{status} · by progress reversed{KEYS}"])
    pressed("f", shows=[("! #3",), f"{status} · by progress reversed · failed only{KEYS}"])
    pressed("f", " ", shows=[("! #3", "  #2", "  #1"), f"{status} · held · by progress reversed{KEYS}"])

    tmux.keys("q")
    left = until(tmux.screen, lambda seen: seen[-1:] in (["echo"], ["-echo"]))
    assert left[-3:] == ["status 0", "icanon", "echo"]
    assert tmux.cursor()


def test_a_closer_look(soltrace, tmux, three, until):
    """One pass with its curves, and the help, each left with escape."""
    tmux.start(tail(soltrace, "."))
    until(tmux.screen, lambda seen: len(seen) == 4)

    tmux.keys("Down", "Down", "Enter")
    curves = [
        "steps      40 steps, 4 rejected",
        "dt         1.11      1.11 to 1.11          ▁▁▁▁",
        "rejected   10.0 %    10.0 % to 10.0 %      ████",
        "rate       10/s      10/s to 10/s          ████",
    ]
    seen = until(tmux.screen, lambda seen: seen[2:6] == curves)
    assert (seen[0], seen[2:6], seen[-1][-16:]) == ("#1 forward  fit", curves, " · esc goes back")

    tmux.keys("?")
    assert until(tmux.screen, lambda seen: len(seen) == 10)[-2] == "  q          leave"

    tmux.keys("Escape")
    assert len(until(tmux.screen, lambda seen: len(seen) == 4)) == 4


@pytest.mark.parametrize("width", [20, 40])
def test_a_narrow_terminal_has_keys_too(soltrace, tmux, three, until, width):
    """Rows are cut, and nothing fails."""
    tmux.start(tail(soltrace, "."))
    until(tmux.screen, lambda seen: len(seen) == 4)
    tmux.resize(width, 12)

    for keys, first in ((["Down", "Enter"], "#3 forward  fit"), (["?"], "  ↑↓ j k     select a pass")):
        tmux.keys(*keys)
        cut = first if len(first) <= width else first[: width - 1] + "…"
        assert until(tmux.screen, lambda seen, cut=cut: cut in seen)[0] == cut
    tmux.keys("q")
    assert "status 0" in until(tmux.screen, lambda seen: "status 0" in seen)


@pytest.mark.parametrize("end,status", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_terminal_is_left_as_it_was(soltrace, tmux, three, until, end, status):
    """However it ends: what is typed next is seen again."""
    tmux.start(tail(soltrace, "."), MODE)
    until(tmux.screen, lambda seen: len(seen) == 4)

    os.kill(tmux.child(), end)

    left = until(tmux.screen, lambda seen: seen[-1:] in (["echo"], ["-echo"]))
    assert left[-3:] == [f"status {status}", "icanon", "echo"]
    assert tmux.cursor()


def test_stopped_and_continued(soltrace, tmux, run, three, until):
    """Ctrl-Z gives the terminal to the shell, and `fg` takes it back, keys and all; in the background it is quiet."""
    tmux.shell()
    until(tmux.screen, lambda seen: seen == ["READY"])
    tmux.keys(tail(soltrace, "."), "Enter")
    until(tmux.screen, lambda seen: seen and seen[-1].endswith(KEYS))

    assert not tmux.cursor()
    tmux.keys("C-z")
    assert until(tmux.screen, lambda seen: seen[-1:] == ["READY"])[-1] == "READY"
    assert tmux.cursor()
    tmux.keys(f"clear; {MODE}", "Enter")
    assert until(tmux.screen, lambda seen: len(seen) == 3) == ["icanon", "echo", "READY"]

    tmux.keys("bg; clear", "Enter")
    until(tmux.screen, lambda seen: seen == ["READY"])
    run.append(three, run.experiment_ended(5))
    # Long enough for several looks at the log.
    tmux.keys("sleep 0.5; echo $((6 * 7))", "Enter")
    assert until(tmux.screen, lambda seen: len(seen) == 3) == ["READYsleep 0.5; echo $((6 * 7))", "42", "READY"]
    assert tmux.cursor()

    tmux.keys("fg", "Enter")
    shown = until(lambda: rows(tmux.screen()[-4:]), lambda seen: seen[0] == ("! #3", "  #1", "  #2"))
    assert shown[0] == ("! #3", "  #1", "  #2")
    tmux.keys("Down")
    shown = until(lambda: rows(tmux.screen()[-4:]), lambda seen: seen[0] == ("▸ #3", "  #1", "  #2"))
    assert shown[0] == ("▸ #3", "  #1", "  #2")

    os.kill(tmux.child(), signal.SIGSTOP)  # of which nobody is told before
    until(tmux.screen, lambda seen: seen[-1:] == ["READY"])
    tmux.keys("fg", "Enter")
    until(tmux.screen, lambda seen: seen[-1].endswith(KEYS))
    tmux.keys("Down")
    shown = until(lambda: rows(tmux.screen()[-4:]), lambda seen: seen[0] == ("! #3", "▸ #1", "  #2"))
    assert shown[0] == ("! #3", "▸ #1", "  #2")

    tmux.keys("q")
    until(tmux.screen, lambda seen: seen[-1:] == ["READY"])
    tmux.keys(f"clear; {MODE}", "Enter")
    assert until(tmux.screen, lambda seen: len(seen) == 3) == ["icanon", "echo", "READY"]


def test_without_keys(soltrace, tmux, three, until):
    """Where stdin is no terminal the view only shows."""
    tmux.start(f"true | {tail(soltrace, '.')}")

    expected = ". · 3 passes open in 2 experiments · 0 ended"
    assert until(tmux.screen, lambda seen: len(seen) == 4 and seen[-1] == expected)[-1] == expected
