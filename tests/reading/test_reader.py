import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from soltrace.reading import watch
from soltrace.reading.follow import Follower
from soltrace.reading.plain import PlainView
from soltrace.reading.reader import Reader, Show
from soltrace.reading.select import Selection


@contextmanager
def watching(path: Path, console: Console, **options) -> Iterator[list]:
    """Watch on a thread, as a program does that solves meanwhile; afterwards the list holds what `watch` returned."""
    stop = threading.Event()
    returned = []
    thread = threading.Thread(target=lambda: returned.append(watch([path], console, stop, **options)))
    thread.start()
    try:
        yield returned
    finally:
        stop.set()
        thread.join()


def test_what_was_written_before_the_stop_is_shown(tmp_path: Path, log, capsys):
    """A program may stop watching as soon as its log is written: no line is missed."""
    console = Console(file=io.StringIO())

    with watching(tmp_path / "runs", console, utc=True) as returned:
        (tmp_path / "runs").mkdir()
        log.append(tmp_path / "runs" / "run.jsonl", log.experiment_started(0), b"damage\n", log.experiment_ended(1))

    assert console.file.getvalue().splitlines() == [
        "-- 2026-11-25 UTC",
        "03:24:29.123  fit  experiment   started",
        "03:24:30.123  fit  experiment   ended ok in 1 s",
    ]
    assert returned[0].summary() == (f"1 line was skipped: 1 not JSON (first: {tmp_path / 'runs' / 'run.jsonl'}:2)")
    assert capsys.readouterr().err in {"", f"soltrace: waiting for {tmp_path / 'runs'}, which does not exist yet\n"}


def test_a_terminal_gets_the_live_view(tmp_path: Path, log):
    """The same call draws where there is something to draw on."""
    console = Console(file=io.StringIO(), force_terminal=True, color_system=None, width=200, _environ={})

    with watching(tmp_path, console, utc=True):
        log.append(tmp_path / "run.jsonl", log.experiment_started(0), log.ended(1))

    shown = console.file.getvalue()
    assert "· 03:24:29  fit  experiment   started" in shown
    assert "✓ 03:24:30  fit  #1 forward   ended ok in 1.24 s: 4,602 steps (17 rejected)" in shown
    assert f"{tmp_path} · " in shown
    assert shown.endswith("\x1b[?25h")


def test_plain_lines_can_be_had_on_a_terminal(tmp_path: Path, log):
    """Where the program wants to draw itself."""
    console = Console(file=io.StringIO(), force_terminal=True, _environ={})

    with watching(tmp_path, console, plain=True, utc=True):
        log.append(tmp_path / "run.jsonl", log.experiment_started(0))

    assert console.file.getvalue() == "-- 2026-11-25 UTC\n03:24:29.123  fit  experiment   started\n"


def test_a_long_log_is_shown_in_portions(tmp_path: Path, log):
    """So that a view can draw while the past is read."""
    log.append(tmp_path / "run.jsonl", *(log.progress(i, progress=0.1, step=i) for i in range(2500)))
    portions: list[int] = []
    ticks: list[int] = []
    show = Show(lambda entries: portions.append(len(entries)), lambda problems: ticks.append(problems.total))

    Reader(Follower([tmp_path], print), show).once()

    assert portions == [1000, 1000, 500]
    assert len(ticks) == 5  # after each, after the poll, and after the last lines without a newline


def test_problems_are_counted_whatever_is_chosen(tmp_path: Path, log):
    """A selection narrows what is shown, not what is known to be damaged."""
    paused = log.line(log.ended(1), event="pass.paused")
    log.append(tmp_path / "run.jsonl", b"damage\n", paused, log.started(0), log.started(0, 1, "backward"))
    written: list[str] = []
    view = PlainView(written.append)
    reader = Reader(Follower([tmp_path], print), Show.plain(view), Selection(phases=("backward",)))

    reader.once()

    assert len("".join(written).splitlines()) == 2
    assert reader.problems.summary() == (
        f"2 lines were skipped: 1 not JSON, 1 of the unknown event 'pass.paused' (first: {tmp_path / 'run.jsonl'}:1)"
    )
