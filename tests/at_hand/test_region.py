"""What is written to a terminal, byte by byte: a pseudo-terminal of 60 columns and 12 rows."""

import os
import pty
import re
import select
import termios

import pytest

from soltrace.at_hand.attention import Attention, Watcher
from soltrace.at_hand.guard import Guard
from soltrace.at_hand.guard_process import TIDY
from soltrace.at_hand.region import Region
from soltrace.at_hand.screens import LONGEST_PAUSE_S
from soltrace.at_hand.terminal_screen import TerminalScreen


class PseudoTerminal:
    """Both ends of it."""

    def __init__(self) -> None:
        self.reader, self.fd = pty.openpty()
        self.resize(60, 12)

    def resize(self, columns: int, rows: int) -> None:
        termios.tcsetwinsize(self.fd, (rows, columns))

    def written(self) -> str:
        """What has been written since this was asked last, whatever its colours."""
        found = b""
        while select.select([self.reader], [], [], 0)[0]:
            found += os.read(self.reader, 65536)
        return re.sub(r"\x1b\[[\d;]*m", "", found.decode())


@pytest.fixture
def terminal():
    made = PseudoTerminal()
    yield made
    os.close(made.fd)
    os.close(made.reader)


@pytest.fixture
def region(terminal):
    guard = Guard(terminal.fd)
    yield Region(terminal.fd, guard)
    guard.dismiss()


def rows(first: int, *lines: str) -> str:
    """Drawn from this row on, with the cursor where it was."""
    drawn = "".join(f"\x1b[{first + i};1H\x1b[2K{line}" for i, line in enumerate(lines))
    return f"\x1b7\x1b[1;{first - 1}r\x1b[?7l{drawn}\x1b[?7h\x1b8"


def erased(*numbers: int) -> str:
    return "\x1b7\x1b[r" + "".join(f"\x1b[{number};1H\x1b[2K" for number in numbers) + "\x1b8"


def test_rows_come_and_go(terminal, region):
    """Room is made for them once, those that go are cleared, and in the end the terminal scrolls as a whole."""
    region.show(["one", "two"])
    assert terminal.written() == "\x1bD\x1bD\x1b[2A" + rows(11, "one", "two")
    region.show(["one", "2"])
    assert terminal.written() == rows(11, "one", "2")
    region.show(["one"])
    assert terminal.written() == erased(11, 12) + rows(12, "one")
    region.show(["one", "two"], anew=True)
    assert terminal.written() == TIDY + "\x1bD\x1bD\x1b[2A" + rows(11, "one", "two")
    terminal.resize(60, 8)
    region.show(["one", "two"])
    assert terminal.written() == TIDY + "\x1bD\x1bD\x1b[2A" + rows(7, "one", "two")
    region.leave(["over"])
    assert terminal.written() == TIDY + " " * 60 + "\r\x1b[Kover\r\r\n"  # the terminal itself makes \r\n of a \n
    region.leave([])
    assert terminal.written() == ""


def test_a_terminal_that_is_held_is_not_waited_for(terminal, region):
    """Ctrl-S: nothing is drawn, and nothing hangs."""
    termios.tcflow(terminal.fd, termios.TCOOFF)
    region.show(["one"])
    termios.tcflow(terminal.fd, termios.TCOON)
    assert terminal.written() == ""
    region.show(["one"])
    assert terminal.written() == "\x1bD\x1b[1A" + rows(12, "one")


def test_a_screen(terminal, log, monkeypatch):
    """What is new is drawn, what is not is not, and a summary stays."""
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("NO_COLOR", "1")
    screen = TerminalScreen(terminal.fd)
    screen.show(0.25)
    head = "── soltrace: waiting for the first solve ".ljust(60, "─")
    assert terminal.written().endswith(rows(12, head))
    screen.show(0.5)
    assert terminal.written() == ""
    screen.feed([log.started(58), log.ended(59)], 0.75, 0)
    screen.show(0.75)
    assert "ended ok in 1.24 s: 4,602 steps" in terminal.written()
    terminal.resize(60, 3)
    screen.show(1.0)
    assert terminal.written() == TIDY  # there is no room
    screen.finish(1.25)
    left = "✓ fit  forward  ended ok in 1.24 s: 4,602 steps (17 rejecte…"
    assert terminal.written() == " " * 60 + f"\r\x1b[Ksoltrace: 1 pass ended\r\r\n{left}\r\r\n"


def test_a_picture_that_is_late(terminal, log, monkeypatch):
    """It stands where the last one did, unless it is so late that the process may have been stopped meanwhile."""
    monkeypatch.setenv("TERM", "xterm")
    screen = TerminalScreen(terminal.fd)
    screen.show(0.25)
    terminal.written()
    screen.feed([log.started(0)], 0.5, 0)
    screen.show(0.25 + LONGEST_PAUSE_S)
    drawn = terminal.written()
    assert "fit" in drawn
    assert TIDY not in drawn
    screen.show(0.25 + 3 * LONGEST_PAUSE_S)
    assert terminal.written().startswith(TIDY)
    screen.abandon()


def test_who_has_the_attention(terminal):
    """Whoever reads single keys has it, and nobody else does."""
    watcher = Watcher(terminal.fd)
    assert watcher.look() is Attention.OURS
    mode = termios.tcgetattr(terminal.fd)
    mode[3] &= ~termios.ICANON
    termios.tcsetattr(terminal.fd, termios.TCSANOW, mode)
    assert watcher.look() is Attention.KEYS
