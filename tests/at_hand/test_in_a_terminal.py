"""The live view at the foot of a real terminal, while the program prints, logs, stops, is debugged, and ends."""

import os
import re
import shlex
import sys
import time
from pathlib import Path

import pytest

from tests.terminal import Tmux

pytestmark = pytest.mark.programs

PROGRAM = Path(__file__).parents[1] / "programs" / "looked_at.py"
DEADLINE_S = 20
WAITING = "── soltrace: waiting for the first solve ".ljust(80, "─")
HALF = "  fit  forward  #1  ━━━━━━━╸───────  50.0 %      20 steps     2/s      eta ~10 s"
ONE_OPEN = "── soltrace: 1 pass open, 0 ended ".ljust(80, "─")
ENDED = "✓ fit  forward  ended ok in 1.24 s: 4,602 steps (17 rejected)"
SUMMARY = ["soltrace: 1 pass ended", ENDED]


def until(look, expected):
    """Look again and again until it is as expected, and return what is seen in the end."""
    deadline = time.monotonic() + DEADLINE_S
    while (seen := look()) != expected and time.monotonic() < deadline:
        time.sleep(0.01)
    return seen


class Program:
    """The program, in a terminal of 80 columns and 15 rows."""

    def __init__(self, tmux: Tmux, directory: Path) -> None:
        self.tmux = tmux
        self._pipe = directory / "pipe"
        os.mkfifo(self._pipe)
        self.command = shlex.join([sys.executable, str(PROGRAM), str(self._pipe)])
        self._told = None

    def start(self, command: str = "{}") -> None:
        self.tmux.start(
            f"trap : INT; env -u NO_COLOR {command.format(self.command)}", r"stty -a | grep -ow -e '-\?echo'"
        )
        self.listen()

    def listen(self) -> None:
        self._told = self._pipe.open("w", buffering=1)

    def do(self, *lines: str) -> None:
        """Have it do something."""
        for line in lines:
            self._told.write(f"{line}\n")

    def end(self) -> None:
        if self._told is not None:
            self._told.close()

    def shows(self, *lines: str, cursor: bool = True) -> None:
        """Wait for these lines on the screen, empty ones left out."""
        assert "\n".join(until(self.tmux.screen, list(lines))) == "\n".join(lines)
        assert self.tmux.cursor() == cursor

    def left(self, *lines: str) -> None:
        """Wait for its end: what it leaves, and then a terminal that scrolls as a whole and shows what is typed."""
        self.shows(*lines)
        assert self.tmux.format("#{scroll_region_upper} #{scroll_region_lower}") == "0 14"


@pytest.fixture
def program(tmp_path):
    """It, in a terminal of its own."""
    tmux = Tmux(tmp_path, 80, 15)
    started = Program(tmux, tmp_path)
    yield started
    started.end()
    tmux.end()


def test_what_is_printed_scrolls_above_the_view(program):
    """By print, in halves of lines, by logging, by a bar that rewrites its line, by C and by another process."""
    program.start()
    program.do("view = soltrace.live()", "print('hello')")
    program.shows("hello", WAITING)

    program.do("halfway()")
    program.shows("hello", ONE_OPEN, HALF)

    program.do("print('half', end='', flush=True)", "log.warning(' and logged')", "import tqdm")
    program.do("bar = tqdm.tqdm(total=4, ncols=40, bar_format='{n}/{total} {bar}', file=sys.stderr)", "bar.update(3)")
    program.do("bar.refresh()")
    program.shows("hello", "half and logged", "3/4 ███████████████████████████", ONE_OPEN, HALF)
    program.do("bar.close()", "os.write(1, b'raw\\n')", "_ = subprocess.run(['echo', 'a child'])")
    above = ["hello", "half and logged", "3/4 ███████████████████████████", "raw", "a child"]
    program.shows(*above, ONE_OPEN, HALF)

    program.do("for number in range(30): print(number)", "")
    program.shows(*map(str, range(18, 30)), ONE_OPEN, HALF)  # and the cursor's own row is empty

    program.do("hand(run.ended(59))", "print('x', end='', flush=True)", "view.close()", "print('after')")
    program.do("sys.exit(3)")
    program.left(*map(str, range(22, 30)), "x", *SUMMARY, "after", "status 3", "echo")


@pytest.mark.slow
@pytest.mark.once
def test_the_terminal_changes_its_size(program):
    """Narrower, wider, lower, and cleared by somebody: there is one view, at the foot, and it fits."""
    program.start()
    program.do("view = soltrace.live()", "print('hello')", "halfway()")
    program.shows("hello", ONE_OPEN, HALF)

    program.tmux.resize(47, 15)
    narrow = [ONE_OPEN[:47], "  fit  forward  ━━━━────  50.0 %      eta ~10 s"]
    # The terminal wraps the rows that are too wide now, and scrolls for that.
    assert until(lambda: program.tmux.screen("-S", "-"), ["hello", *narrow]) == ["hello", *narrow]

    program.tmux.resize(80, 9)
    assert until(lambda: program.tmux.format("#{scroll_region_lower}"), "6") == "6"
    program.do("for number in range(9): print(number)", "")
    program.shows("3", "4", "5", "6", "7", "8", ONE_OPEN, HALF)

    program.tmux.resize(80, 15)
    assert until(lambda: program.tmux.format("#{scroll_region_lower}"), "12") == "12"
    program.do("_ = os.system('clear')", "print('cleared')")
    program.shows("cleared", ONE_OPEN, HALF)


@pytest.mark.slow
@pytest.mark.once
@pytest.mark.parametrize(
    "end,status",
    [
        ("sys.exit(3)", 3),
        ("1 / 0", 1),
        ("time.sleep(60)", 130),
        ("os._exit(4)", 4),
        ("os.kill(os.getpid(), signal.SIGKILL)", 137),
        ("os.kill(os.getpid(), signal.SIGTERM)", 143),
    ],
    ids=["exit", "exception", "Ctrl-C", "os._exit", "SIGKILL", "SIGTERM"],
)
def test_the_terminal_is_left_whole(program, end, status):
    """However the program ends; and where it is told of its end, a summary stays."""
    program.start()
    program.do("view = soltrace.live()", "hand(run.started(58), run.ended(59))")
    ended = ["── soltrace: none open, 1 ended ".ljust(80, "─"), ENDED]
    program.shows(*ended)

    program.do(end)
    if status == 130:
        program.shows(*ended)
        program.tmux.keys("C-c")
    told = status in {1, 3, 130}
    seen = until(
        lambda: [line for line in program.tmux.screen() if line in {*SUMMARY, "echo"}], SUMMARY * told + ["echo"]
    )
    assert seen == SUMMARY * told + ["echo"]
    assert f"status {status}" in program.tmux.screen()
    assert "──" not in "".join(program.tmux.screen())
    program.left(*program.tmux.screen())


@pytest.mark.slow
@pytest.mark.once
def test_an_exception_leaves_the_view_first(program):
    """Its traceback stands below the summary of a `with` block, and nothing is left of the view."""
    program.start()
    program.do("with soltrace.live(): halfway(), hand(run.ended(59)), print('in'), 1 / 0")

    seen = until(lambda: program.tmux.screen()[-2:-1], ["status 1"])
    assert seen == ["status 1"]
    screen = program.tmux.screen("-S", "-")
    assert screen[:4] == ["in", *SUMMARY, "Traceback (most recent call last):"]
    program.left(*program.tmux.screen())


def test_a_debugger_has_the_terminal_to_itself(program):
    """At its prompt there is no view, and what is typed works as ever; it is there again when the program goes on."""
    program.start()
    program.do("view = soltrace.live()", "halfway()")
    program.shows(ONE_OPEN, HALF)

    program.do("breakpoint()", "print('on')")
    assert until(lambda: program.tmux.screen()[-1:], ["(Pdb)"]) == ["(Pdb)"]
    assert until(lambda: ONE_OPEN in program.tmux.screen(), False) is False
    program.tmux.keys("print(6 * 7)", "Enter")
    assert until(lambda: program.tmux.screen()[-2:], ["42", "(Pdb)"]) == ["42", "(Pdb)"]
    program.tmux.keys("c", "Enter")
    assert until(lambda: program.tmux.screen()[-3:], ["on", ONE_OPEN, HALF]) == ["on", ONE_OPEN, HALF]


@pytest.mark.slow
@pytest.mark.once
def test_who_reads_single_keys_is_left_alone(program):
    """An editor, or a pager after a pipe: nothing is drawn meanwhile, and afterwards the view is there again."""
    program.start()
    program.do("view = soltrace.live()", "halfway()")
    program.shows(ONE_OPEN, HALF)

    program.do("_ = os.system('stty -icanon')", "time.sleep(0.3)", "hand(run.ended(59))", "time.sleep(0.6)")
    program.do("print('still')")
    program.shows("still", ONE_OPEN, HALF)
    program.do("_ = os.system('stty icanon')")
    program.shows("still", "── soltrace: none open, 1 ended ".ljust(80, "─"), ENDED)


@pytest.mark.slow
@pytest.mark.once
def test_stopped_and_continued(program):
    """Ctrl-Z gives the shell a whole terminal, and `fg` brings the view back; in the background nothing is drawn."""
    program.tmux.shell()
    program.shows("READY")
    program.tmux.keys(program.command, "Enter")
    program.listen()
    program.do("view = soltrace.live()", "halfway()", "print('hello')")
    assert until(lambda: program.tmux.screen()[-3:], ["hello", ONE_OPEN, HALF]) == ["hello", ONE_OPEN, HALF]

    program.tmux.keys("C-z")
    assert until(lambda: program.tmux.screen()[-1:], ["READY"]) == ["READY"]
    assert until(lambda: program.tmux.format("#{scroll_region_lower}"), "14") == "14"

    program.tmux.keys("clear; bg 2>/dev/null >&2; clear", "Enter")
    program.shows("READY")
    program.do("print('there')")
    program.shows("READYthere")
    program.tmux.keys("clear; fg", "Enter")
    assert until(lambda: program.tmux.screen()[-2:], [ONE_OPEN, HALF]) == [ONE_OPEN, HALF]
    program.do("print('here')")
    assert until(lambda: program.tmux.screen()[-3:], ["here", ONE_OPEN, HALF]) == ["here", ONE_OPEN, HALF]
    program.do("view.close()")
    assert until(lambda: program.tmux.format("#{scroll_region_lower}"), "14") == "14"


FIT = """
import time
import diffrax, jax, jax.numpy as jnp

def field(t, y, args):
    return jax.pure_callback(lambda y: (time.sleep(0.02), y)[1], y, -y)

print("begins")
for epoch in range(2):
    solution = diffrax.diffeqsolve(diffrax.ODETerm(field), diffrax.Euler(), 0.0, 1.0, 0.01, jnp.array(1.0))
    print("epoch", epoch, solution.stats["num_steps"])
"""


@pytest.mark.slow
@pytest.mark.once
def test_a_program_that_knows_nothing_of_it(program, tmp_path):
    """`soltrace run --live`: a real solve moves below what the program prints, and its cost stays."""
    (tmp_path / "fit.py").write_text(FIT)
    command = [sys.executable, "-m", "soltrace", "run", "--live", "--experiment", "fit", "fit.py"]
    program.tmux.start(f"JAX_PLATFORMS=cpu {shlex.join(command)} 2>&1", "true")

    def moving() -> list[str]:
        screen = program.tmux.screen()
        return [re.sub(r"[━╸─]+ +\d+.*", "#", line) for line in screen if re.search("begins|#1  ━", line)]

    assert until(moving, expected := ["begins", "  fit  forward  #1  #"]) == expected
    last = "✓ fit  forward  2 passes ok in #, median #, 200 steps"

    def left() -> list[str]:
        return [re.sub(r"\b[\d.]+ m?s\b", "#", line) for line in program.tmux.screen()[-6:]]

    headline = "soltrace: 2 passes ended, compiled in #"
    # The experiment waits for its passes, and the program has printed all before.
    expected = ["begins", "epoch 0 100", "epoch 1 100", headline, last, "status 0"]
    assert until(left, expected) == expected
