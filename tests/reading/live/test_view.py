import io
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from soltrace.reading.live.view import LiveView
from soltrace.wire.record_parts import Steps


class Terminal:
    """As much of a terminal as a live view may use; anything else it writes is an error."""

    def __init__(self) -> None:
        self.lines = [""]
        self.row = 0
        self.column = 0
        self.cursor = True
        self.colours: set[str] = set()

    def write(self, text: str) -> None:
        for control, number, command, plain in re.findall(r"(\x1b\[([0-9;?]*)([A-Za-z])|[\r\n])|([^\x1b\r\n]+)", text):
            if plain:
                self._put(plain)
            else:
                self._obey(control, number, command)

    def _put(self, text: str) -> None:
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[: self.column] + text + line[self.column + len(text) :]
        self.column += len(text)

    def _obey(self, control: str, number: str, command: str) -> None:
        match control, command:
            case "\r", _:
                self.column = 0
            case "\n", _:
                self.row, self.column = self.row + 1, 0
                self.lines += [""] * (self.row + 1 - len(self.lines))
            case _, "A":
                self.row = max(0, self.row - int(number))
            case "\x1b[2K", _:
                self.lines[self.row] = ""
            case "\x1b[?25l" | "\x1b[?25h", _:
                self.cursor = command == "h"
            case _, "m":
                self.colours.add(number)
            case _:
                raise AssertionError(repr(control))


class Screen:
    """A live view with everything about it fixed: the terminal, its size, and both clocks."""

    def __init__(self, start: datetime, width: int = 110, height: int = 24, encoding: str = "utf-8", **console) -> None:
        self.out = io.TextIOWrapper(io.BytesIO(), encoding=encoding, errors="strict", write_through=True, newline="")
        self.terminal = Terminal()
        self.elapsed_s = 0.0
        options = {"color_system": None, "legacy_windows": False, "_environ": {}} | console
        self.console = Console(file=self.out, force_terminal=True, width=width, height=height, **options)
        self.view = LiveView(
            self.console,
            title="runs",
            zone=UTC,
            now=lambda: start + timedelta(seconds=self.elapsed_s),
            monotonic=lambda: self.elapsed_s,
        )

    def show(self, *records, at: float) -> list[str]:
        """Show records at a moment, and look at the screen."""
        self.elapsed_s = at
        self.view.feed(records)
        self.view.refresh()
        return self.look()

    def press(self, *keys: str) -> list[str]:
        """Press keys, and look at the screen."""
        self.view.press(*keys)
        return self.look()

    def look(self) -> list[str]:
        """Read the screen."""
        written = self.out.buffer.getvalue()
        self.out.buffer.seek(0)
        self.out.buffer.truncate()
        self.terminal.write(written.decode(self.out.encoding))
        return [line.rstrip() for line in "\n".join(self.terminal.lines).rstrip().split("\n")]


@pytest.fixture
def screen(log):
    """A view that is open, 110 columns wide."""
    screen = Screen(log.start)
    with screen.view:
        yield screen


def test_a_pass_from_its_start_to_its_end(screen, log):
    """A row while it is open; its line above when it is over; what stands when the view is left."""
    assert screen.look() == ["", "runs · waiting for the first solve"]
    assert not screen.terminal.cursor

    assert screen.show(log.experiment_started(0), log.started(0), at=1) == [
        "· 03:24:29  fit  experiment   started",
        "",
        "  fit  forward  #1  ──────────────────────────────   0.0 %   t 0.000       0 steps",
        "runs · 1 pass open · 0 ended",
    ]

    assert screen.show(log.progress(2, progress=0.25, step=1234), at=2)[1:] == [
        "",
        "  fit  forward  #1  ━━━━━━━╸──────────────────────  25.0 %   t 25.00   1,234 steps   617/s       eta ~6 s",
        "runs · 1 pass open · 0 ended",
    ]

    # The end stands in the frame for as long as more of its kind may come, and only then above it.
    assert screen.show(log.ended(3), at=3)[1:] == [
        "",
        "✓ fit  forward  ended ok in 1.24 s: 4,602 steps (17 rejected)",
        "runs · none open · 1 ended",
    ]
    over = [
        "· 03:24:29  fit  experiment   started",
        "✓ 03:24:32  fit  #1 forward   ended ok in 1.24 s: 4,602 steps (17 rejected)",
    ]
    assert screen.show(at=5.1) == [*over, "", "runs · none open · 1 ended"]

    with screen.view:
        pass
    assert screen.look() == over
    assert screen.terminal.cursor


def test_lanes_have_a_row_of_their_own(screen, log):
    """How many are over, how many failed, and which are slowest."""
    assert screen.show(log.started(0, lanes=[2, 4]), at=1)[1:] == [
        "  fit  forward  #1  ──────────────────────────────   0.0 %   t 0.000       0 steps",
        "  ╰ lanes 2x4",
        "runs · 1 pass open · 0 ended",
    ]

    lanes = [log.progress(2, progress=0.5 - 0.1 * i, step=50, batch_index=[i // 4, i % 4]) for i in range(4)]
    whole = log.progress(2, progress=0.2, step=50, steps=Steps(accepted=390, rejected=10), lanes=log.lanes(8, 4, 1))
    assert screen.show(*lanes, whole, at=2)[1:] == [
        (
            "✗ fit  forward  #1  ━━━━──────────────────  20.0 %   t 20.00     400 steps  10 rejected   200/s"
            "       eta ~8 s"
        ),
        "  ╰ 4/8 lanes done, 1 failed · slowest 0,3 at 20.0 %, 0,2 at 30.0 %, 0,1 at 40.0 %",
        "runs · 1 pass open · 0 ended",
    ]


def test_rows_are_aligned(logs, log):
    """Columns stand under each other, whatever the names; a name that is too long is cut."""
    screen = Screen(log.start)
    fit = logs(experiment="fit/warm")
    other = logs(experiment="日本の実験" * 5)
    with screen.view:
        screen.show(fit.started(0), fit.progress(1, progress=0.999, step=7), at=1)
        assert screen.show(other.started(1, 23, "backward"), at=1.2)[1:] == [
            f"  {'fit/warm':28}  forward    #1  ━━━━━━━╸  99.9 %   t 99.90       7 steps     7/s       eta ~0 s",
            "  日本の実験日本の実験日本の …  backward  #23  ────────   0.0 %   t 100.0       0 steps",
            "runs · 2 passes open in 2 experiments · 0 ended",
        ]


def test_many_fast_passes_have_one_row_and_then_one_line(screen, log):
    """A fit of hundreds of solves is neither a flood nor a flicker."""
    for i in range(100):
        at = i / 20
        shown = screen.show(
            log.started(at, i), log.ended(at, i, duration_s=0.012), log.started(at, i, "backward"), at=at
        )
        screen.show(log.ended(at, i, "backward", steps=Steps(accepted=40, rejected=2), duration_s=0.021), at=at)

    # The backward pass that is open is one of a stream: it has no row of its own.
    assert shown == [
        "",
        "✓ fit  forward   100 passes ok, 20/s, median 12 ms, 460,200 steps",
        "✓ fit  backward  98 passes ok, 20/s, median 21 ms, 4,116 steps",
        "runs · none open · 199 ended",
    ] or shown[1:3] == [
        "✓ fit  forward   100 passes ok, 20/s, median 12 ms, 460,200 steps",
        "✓ fit  backward  99 passes ok, 20/s, median 21 ms, 4,158 steps",
    ]

    assert screen.show(log.experiment_ended(5), at=5.5) == [
        "✓ 03:24:34  fit  forward      100 passes ok, 20/s, median 12 ms, 460,200 steps",
        "✓ 03:24:34  fit  backward     100 passes ok, 20/s, median 21 ms, 4,200 steps",
        "✓ 03:24:34  fit  experiment   ended ok in 5 s",
        "",
        "runs · none open · 200 ended",
    ]


def test_failures(screen, log):
    """They are marked, counted and named, alone and among many."""
    failing = {"status": "error", "result": "max_steps_reached", "progress": 0.3, "t": 30.0}
    alone = "FAILED in 1.24 s: max_steps_reached at 30.0 %, t=30; 4,602 steps (17 rejected)"
    assert screen.show(log.ended(0, **failing), at=1)[1:] == [
        f"✗ fit  forward  {alone}",
        "runs · none open · 1 ended · 1 failed",
    ]
    assert screen.show(at=4) == [
        f"✗ 03:24:29  fit  #1 forward   {alone}",
        "",
        "runs · none open · 1 ended · 1 failed",
    ]

    many = "10 passes, 2/s, median 1.24 s, 46,020 steps, FAILED: 4 max_steps_reached"
    ends = [log.ended(5 + i / 2, i, **(failing if i % 3 == 0 else {})) for i in range(10)]
    assert screen.show(*ends, log.dropped(10, 17), at=10)[1:] == [
        "· 03:24:39  fit  telemetry    17 dropped: pass.progress (queue full)",
        "",
        f"✗ fit  forward  {many}",
        "runs · none open · 11 ended · 5 failed · 17 records lost",
    ]


def test_too_many_rows_for_the_height(logs, log):
    """Lanes go first, then rows are counted."""
    screen = Screen(log.start, height=9)
    with screen.view:
        passes = [log.started(0, i, lanes=[2]) for i in range(3)]
        shown = screen.show(*passes, at=1)
        assert [line.partition("  ─")[0] for line in shown] == [
            "",
            "  fit  forward  #0",
            "  fit  forward  #1",
            "  fit  forward  #2",
            "runs · 3 passes open · 0 ended",
        ]

        shown = screen.show(*(logs("r2").started(0, i) for i in range(7)), at=2)
        assert len(shown) == 7
        assert shown[-2:] == ["  and 6 more", "runs · 10 passes open in 2 runs · 0 ended"]


@pytest.mark.parametrize(
    "width,row",
    [
        (
            100,
            "  fit/warm  forward  #1  ━━━━─────────────  25.0 %   1,234 steps  34 rejected   617/s       eta ~6 s",
        ),
        (90, "  fit/warm  forward  #1  ━━━━━───────────────  25.0 %   1,234 steps   617/s       eta ~6 s"),
        (80, "  fit/warm  forward  #1  ━━╸───────  25.0 %   1,234 steps   617/s       eta ~6 s"),
        (70, "  fit/warm  forward  #1  ━━──────  25.0 %   1,234 steps       eta ~6 s"),
        (60, "  fit/warm  forward  #1  ━━━─────────  25.0 %       eta ~6 s"),
        (44, "  fit/warm  forward  25.0 %       eta ~6 s"),
        (38, "  fit/warm  fwd  25.0 %       eta ~6 s"),
        (30, "  fit/warm  forward  25.0 %"),
        (24, "  fit/warm  fwd  25.0 %"),
        (20, "  fit/…  fwd  25.0 %"),
        (16, "  …  fwd  25.0 %"),
        (3, "  …"),
    ],
)
def test_narrow_terminals(log, logs, width, row):
    """Columns give way one after the other; no row is wider than the terminal."""
    screen = Screen(log.start, width=width)
    fit = logs(experiment="fit/warm")
    with screen.view:
        steps = Steps(accepted=1200, rejected=34)
        shown = screen.show(fit.started(0), fit.progress(2, progress=0.25, step=1234, steps=steps), at=2)

        assert shown[1] == row
        assert all(len(line) <= width for line in shown)


def test_silence_is_told_from_progress(screen, log):
    """A pass of which nothing is heard has no estimate; after ten minutes it is only counted."""
    screen.show(log.started(0), log.progress(2, progress=0.25, step=1234), at=2)

    assert screen.show(at=97)[1:] == [
        "  fit  forward  #1  ━━━━━━━╸──────────────────────  25.0 %   t 25.00   1,234 steps   617/s    silent 1:35",
        "runs · 1 pass open · 0 ended",
    ]
    assert "  stalled 1:37" in screen.show(log.heartbeat(98, stalled=True), at=99)[1]
    assert "  silent 1:39" in screen.show(log.heartbeat(101), at=101)[1]
    assert screen.show(at=702) == ["", "runs · none open · 0 ended · 1 silent for long"]


def test_a_frame_is_written_only_when_it_changed(screen, log):
    """An idle view writes nothing, and a busy one no more than ten frames a second."""
    screen.show(log.started(0), at=1)
    screen.view.refresh(force=True)
    screen.elapsed_s = 1.5
    screen.view.refresh()
    assert screen.out.buffer.getvalue() == b""

    for i in range(100):
        screen.elapsed_s = 2 + i / 1000
        screen.view.feed([log.progress(2 + i / 1000, progress=i / 1000, step=i)])
        screen.view.refresh()
    assert screen.out.buffer.getvalue().count("━╸".encode()) <= 1
    assert screen.out.buffer.getvalue().count(b"eta") <= 1


def test_lines_that_were_skipped_are_counted(screen):
    """Where the reader looks."""
    screen.view.skipped = 1234

    assert screen.show(at=1) == ["", "runs · waiting for the first solve · 1,234 lines skipped"]


def test_a_terminal_without_unicode(log):
    """Everything can be said in ASCII."""
    screen = Screen(log.start, encoding="ascii")
    with screen.view:
        screen.show(log.experiment_started(0), log.ended(0, 1), at=0)
        whole = log.progress(1, 2, progress=0.55, step=10, lanes=log.lanes(8, 4))
        assert screen.show(log.started(0, 2, lanes=[8]), whole, at=2.1) == [
            "- 03:24:29  fit  experiment   started",
            "+ 03:24:29  fit  #1 forward   ended ok in 1.24 s: 4,602 steps (17 rejected)",
            "",
            "  fit  forward  #2  ################--------------  55.0 %   t 55.00      10 steps    10/s       eta ~1 s",
            "  `- 4/8 lanes done",
            "runs - 1 pass open - 1 ended",
        ]


@pytest.mark.parametrize("environ,coloured", [({}, True), ({"NO_COLOR": "1"}, False)], ids=["colour", "NO_COLOR"])
def test_colours(log, environ, coloured):
    """Forward is cyan and backward magenta, unless colours are unwanted; the text is the same."""
    screen = Screen(log.start, color_system="standard", _environ={"TERM": "xterm", **environ})
    with screen.view:
        started = [log.started(0, 1, "backward"), log.started(0, 1), log.progress(1, progress=0.5, step=1)]
        assert screen.show(*started, at=1)[1:] == [
            "  fit  backward  #1  ──────────────────────────────   0.0 %   t 100.0       0 steps",
            (
                "  fit  forward   #1  ━━━━━━━━━━━━━━━───────────────  50.0 %   t 50.00        1 step     1/s"
                "       eta ~1 s"
            ),
            "runs · 2 passes open · 0 ended",
        ]
    assert {"35", "36"} & screen.terminal.colours == ({"35", "36"} if coloured else set())


def test_no_value_reaches_the_terminal_raw(log, logs):
    """The terminal of these tests fails on any control that is not the view's own."""
    evil = "\x1b]0;title\x07\u202e\x9b2J\n"
    hostile = logs(evil, evil, **{evil: evil})
    ending = {"status": "error", "result": evil, "solve_id": evil, "pass_id": evil}
    screen = Screen(log.start, width=400)
    with screen.view:
        screen.show(hostile.started(0, solver=evil), hostile.started(0, 2, solve_id=evil, pass_id=evil), at=0)
        screen.show(*(hostile.ended(0, i, **ending) for i in range(9)), hostile.experiment_ended(1, error=evil), at=1)
        hostile.experiment_started(1)
        shown = screen.show(hostile.experiment_started(1), at=9)

    assert all(line.isprintable() for line in shown)
    assert r"\x1b]0;title\x07\u202e\x9b2J\n" in shown[0]


def test_a_terminal_that_became_narrower_keeps_no_ghosts(log):
    """Rows that the terminal wrapped are taken back before the frame is drawn anew."""
    screen = Screen(log.start)
    with screen.view:
        screen.show(log.experiment_started(0), log.started(0), log.progress(1, progress=0.5, step=5), at=1)
        # As a terminal does: the row of 101 characters becomes two, and what is below moves down.
        [first, blank, row, status] = screen.terminal.lines[:4]
        screen.terminal.lines = [first, blank, row[:60], row[60:], status]
        screen.terminal.row = 4
        screen.console.width = 60

        assert screen.show(log.progress(2, progress=0.6, step=6), at=2) == [
            "· 03:24:29  fit  experiment   started",
            "",
            "  fit  forward  #1  ━━━━━━━━━━───────  60.0 %       eta ~1 s",
            "runs · 1 pass open · 0 ended",
        ]


def test_an_exception_leaves_the_terminal_usable(log):
    """The cursor is back, and what was open is still to be seen."""
    screen = Screen(log.start)
    screen.show(log.started(0), at=1)

    with pytest.raises(KeyboardInterrupt), screen.view:
        raise KeyboardInterrupt

    assert screen.look() == ["", "  fit  forward  #1  ──────────────────────────────   0.0 %   t 0.000       0 steps"]
    assert screen.terminal.cursor


def test_compiling_is_said(screen, log):
    """Until a program is compiled nothing runs, so its reader is told what took so long."""
    assert screen.show(log.compiled(1), at=1)[0] == (
        "· 03:24:30  fit  program      compiled fit in 2 s (trace 800 ms, lower 100 ms, compile 1.1 s)"
    )


def test_an_estimate_is_as_wide_as_it_is_uncertain(screen, log):
    """A pass that goes now faster and now slower ends sooner or later."""
    screen.show(log.started(0), at=0)
    for i, progress in enumerate([0.1, 0.14, 0.24, 0.28, 0.38, 0.42]):
        shown = screen.show(log.progress(i + 1, progress=progress, step=i), at=i + 1)

    eta = "eta 6\N{EN DASH}14 s"
    assert shown[1].endswith(f"  {eta:>13}")


def test_runs_are_named_by_their_place(logs, log):
    """With more than one, each row and line says whose it is."""
    screen = Screen(log.start, width=80)
    first, second = logs("a"), logs("b")
    with screen.view:
        screen.show(first.opened(array_task="1", rank="0"), first.started(0), at=0)
        opened = [second.opened(array_task="12", rank="0"), second.experiment_started(1)]
        assert screen.show(*opened, second.started(1), first.ended(2), at=4) == [
            "· 03:24:30  task 12  fit  experiment   started",
            "",
            "✓ task 1   fit  forward  ended ok in 1.24 s: 4,602 steps (17 rejected)",
            "  task 12  fit  forward  #1  ──────────────   0.0 %       0 steps",
            "runs · 1 pass open · 1 ended",
        ]


def test_columns_do_not_jump(logs, log):
    """What was once as wide stays so, whoever comes and goes."""
    screen = Screen(log.start, width=80)
    long = logs(experiment="a-long-name")
    with screen.view:
        screen.show(log.started(0), long.started(0, 100), at=1)
        shown = screen.show(long.ended(1, 100), long.experiment_ended(1), at=5)
        assert shown[-2] == "  fit          forward    #1  ─────────────   0.0 %       0 steps"


def test_a_pass_is_selected_and_looked_at(screen, log):
    """Arrows select, enter shows one pass with its curves, escape leads back."""
    screen.show(log.opened(host="vm", pid=7, jax="0.10.2"), log.started(0, 1), log.started(0, 2, rtol=1e-5), at=0)
    for i in range(1, 5):
        steps = Steps(accepted=10 * i, rejected=i)
        screen.show(log.progress(i, 2, progress=0.02 * i * i, step=11 * i, t=2.0 * i * i, steps=steps), at=i)
    assert [line[:20] for line in screen.press("down", "down")[1:]] == [
        "  fit  forward  #1  ",
        "▸ fit  forward  #2  ",
        "runs · 2 passes open",
    ]

    assert screen.press("enter") == [
        "",
        "#2 forward  fit",
        "progress   ━━━━━━━━━╸────────────────────  32.0 %  t 32.00  eta 5\N{EN DASH}34 s",
        "steps      44 steps, 4 rejected",
        "dt         1.4       0.2 to 1.4            ▁▅▇█",
        "rejected   9.0 %     9.0 % to 9.0 %        ████",
        "rate       11/s      11/s to 11/s          ████",
        "drawn from reports",
        "solver     Tsit5  RecursiveCheckpointAdjoint  PIDController  rtol 1e-05",
        "over       t 0 -> 100  at most 4,096 steps",
        "since      03:24:29, for 4 s",
        "run        host=vm pid=7 jax=0.10.2",
        "id         r1.2.forward",
        "runs · 2 passes open · 0 ended",
    ]

    failed = log.ended(9, 2, status="error", result="max_steps_reached", progress=0.4, t=40.0)
    shown = screen.show(failed, at=9)
    assert shown[2] == "           FAILED in 1.24 s: max_steps_reached at 40.0 %, t=40; 4,602 steps (17 rejected)"

    assert [line[:20] for line in screen.press("esc")[1:]] == [
        "✗ fit  forward  FAIL",
        "▸ fit  forward  #1  ",
        "runs · 1 pass open ·",
    ]


def test_what_a_user_watches_has_a_column(screen, log):
    """The first two quantities, of a batch those of its slowest lane."""
    told = {"energy": 3.98765, "mass": "NaN", "third": 1.0}
    row = (
        "  fit  forward  #1  ━━─────────  20.0 %   t 20.00      19 steps    19/s  energy 3.988  mass NaN       eta ~4 s"
    )
    assert screen.show(log.started(0), log.progress(1, progress=0.2, step=19, watched=told), at=1)[1] == row


def test_more_passes_than_rows(log):
    """The list follows the selected one, and says where it is."""
    screen = Screen(log.start, height=9)
    with screen.view:
        shown = screen.show(*(log.started(0, i) for i in range(20)), at=1)
        assert [line.partition("  ─")[0] for line in shown[1:]] == [
            *(f"  fit  forward  #{i}" for i in range(4)),
            "  and 16 more",
            "runs · 20 passes open · 0 ended",
        ]
        shown = screen.press("page down", "page down", "up")
        assert [line.partition("  ─")[0] for line in shown[1:-1]] == [
            *(f"{'▸' if i == 18 else ' '} fit  forward  #{i}" for i in range(15, 19)),
            "  16\N{EN DASH}19 of 20",
        ]
        assert screen.press("home")[1].startswith("▸ fit  forward   #0")
        assert screen.press("end")[-2] == "  17\N{EN DASH}20 of 20"
        assert screen.press("esc")[-2] == "  and 16 more"


def test_what_is_looked_for(logs, log):
    """Only rows and lines that have the text are shown; the last row says so."""
    screen = Screen(log.start)
    other = logs(experiment="decay")
    with screen.view:
        screen.show(log.started(0), other.started(0, 2), at=0)
        assert screen.press("/")[-1] == "/_"
        shown = screen.press("D", "e", "c")
        assert (shown[1].split()[:3], shown[2:]) == (["decay", "forward", "#2"], ["/Dec_"])
        assert screen.press("enter")[-1] == "runs · 2 passes open in 2 experiments · 0 ended · /Dec"

        shown = screen.show(other.experiment_ended(1), log.experiment_ended(1), at=1)
        assert [line.split()[2:4] for line in shown if "ended ok" in line] == [["decay", "experiment"]]

        assert screen.press("/", *"nobody", "enter")[-2:] == [
            "  nothing to show",
            "runs · 2 passes open in 2 experiments · 0 ended · /Decnobody",
        ]


def test_failed_only(screen, log):
    """What fails, what has stalled, and the latest that ended so: also what has long scrolled away."""
    failing = {"status": "error", "result": "max_steps_reached", "progress": 0.3, "t": 30.0}
    screen.show(log.ended(0, 1, **failing), log.ended(1, 2), log.started(2, 3), log.started(2, 4), at=2)
    screen.show(log.heartbeat(20, 4, stalled=True), at=20)

    rows = screen.press("f")[-4:]
    assert rows[0] == ""
    assert (
        rows[1] == "✗ fit  forward  #1 FAILED in 1.24 s: max_steps_reached at 30.0 %, t=30; 4,602 steps (17 rejected)"
    )
    assert rows[2].startswith("! fit  forward  #4  ")
    assert rows[3] == "runs · 2 passes open · 2 ended · 1 failed · failed only"

    assert screen.press("f")[-4:-1] != rows[:3]


def test_a_picture_that_is_held(screen, log):
    """It stands still until it is let go; what came meanwhile is shown then."""
    screen.show(log.started(0), log.progress(1, progress=0.25, step=10), at=1)
    held = screen.press(" ")
    assert held[-1] == "runs · 1 pass open · 0 ended · held"

    assert screen.show(log.progress(2, progress=0.5, step=20), log.experiment_ended(2), at=2) == held

    shown = screen.press(" ")
    assert shown[0] == "✓ 03:24:31  fit  experiment   ended ok in 2 s"
    assert "  50.0 %" in shown[2]


def test_help(screen):
    """A question mark shows the keys, escape leads back."""
    shown = screen.press("?")
    assert shown[1] == "  ↑↓ j k     select a pass"
    assert shown[-2:] == ["  q          leave", "runs · waiting for the first solve"]

    assert screen.press("esc") == ["", "runs · waiting for the first solve"]


def test_leaving(screen):
    """The reader is told, and stops."""
    assert not screen.view.left.is_set()
    screen.press("q")
    assert screen.view.left.is_set()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_every_picture_fits_every_terminal(log, logs, encoding):
    """Down to one column and one row: no row is wider, no picture is higher, and nothing fails."""
    other = logs("日本", "日本の実験" * 5, note="x" * 100)
    for width, height in [(1, 1), (2, 5), (7, 3), (20, 6), (20, 15), (33, 9), (40, 15), (61, 20), (80, 24), (120, 40)]:
        screen = Screen(log.start, width, height, encoding)
        screen.console.width, screen.console.height = width, height
        with screen.view:
            passes = [other.started(0, i, lanes=[4]) for i in range(30)] + [log.started(0, 1, "backward")]
            report = other.progress(1, 1, progress=0.5, step=9, lanes=other.lanes(4, 1, 1))
            screen.show(*passes, report, log.progress(1, 1, "backward", progress=0.5, step=9), at=1)
            for keys in ([], ["down"], ["enter"], ["esc", "?"], ["esc", "f"], ["/", "x"]):
                screen.view.press(*keys)
                frame = screen.view._frame
                assert [line.plain for line in frame if line.cell_len > width] == []
                assert len(frame) <= max(3, height - 2)


KEYS = ["up", "down", "page down", "end", "enter", "esc", "s", "r", "/", "x", "f", " ", "?", "backspace", "tab", "q"]
HAPPENINGS = [
    lambda log, at: log.opened(at, rank="1"),
    lambda log, at: log.experiment_started(at),
    lambda log, at: log.compiled(at),
    lambda log, at: log.started(at, int(at) % 5, lanes=[3]),
    lambda log, at: log.progress(at, int(at) % 5, progress=0.5, step=7, batch_index=[1]),
    lambda log, at: log.progress(at, int(at) % 5, progress=0.5, step=7, lanes=log.lanes(3, 1, 1)),
    lambda log, at: log.progress(at, int(at) % 3, progress=[1e308, 5e-324, -1e308][int(at) % 3], step=10**30, t=1e308),
    lambda log, at: log.heartbeat(at, int(at) % 3, stalled=at > 9, progress=5e-324 * at, step=10**30, eta_s=1e308),
    lambda log, at: log.lane_ended(at, int(at) % 5, lane=[2]),
    lambda log, at: log.ended(at, int(at) % 5, status="error" if int(at) % 2 else "ok"),
    lambda log, at: log.experiment_ended(at),
    lambda log, at: log.dropped(at, 3),
]


@given(st.lists(st.sampled_from(KEYS + HAPPENINGS), max_size=60), st.integers(1, 130), st.integers(1, 30))
def test_whatever_happens_and_is_pressed(logs, happenings, width, height):
    """Nothing fails, and each frame fits the terminal."""
    log, other = logs("a"), logs("b", "other")
    screen = Screen(log.start, width, height)
    with screen.view:
        for i, happening in enumerate(happenings):
            if isinstance(happening, str):
                screen.view.press(happening)
            else:
                screen.show(happening(log if i % 3 else other, i / 2), at=i / 2)
            assert [line.plain for line in screen.view._frame if line.cell_len > width] == []
            assert len(screen.view._frame) <= max(3, height - 2)
