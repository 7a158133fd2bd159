import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, timedelta
from pathlib import Path

from rich.console import Console

from soltrace.reading import watch
from soltrace.reading.files.follow import Follower
from soltrace.reading.outcome import Outcome
from soltrace.reading.plain import PlainView
from soltrace.reading.reader import POLL_S, Display, Reader
from soltrace.reading.select import RecordFilter
from soltrace.reading.where import Where


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
    show = Display(lambda entries: portions.append(len(entries)), lambda problems: ticks.append(problems.total))

    Reader(Follower([tmp_path], print), show).once()

    assert portions == [1000, 1000, 500]
    assert len(ticks) == 5  # after each, after the poll, and after the last lines without a newline


def test_problems_are_counted_whatever_is_chosen(tmp_path: Path, log):
    """A filter narrows what is shown, not what is known to be damaged."""
    paused = log.line(log.ended(1), event="pass.paused")
    log.append(tmp_path / "run.jsonl", b"damage\n", paused, log.started(0), log.started(0, 1, "backward"))
    written: list[str] = []
    view = PlainView(written.append)
    reader = Reader(Follower([tmp_path], print), Display.plain(view), RecordFilter(phases=("backward",)))

    reader.once()

    assert len("".join(written).splitlines()) == 2
    assert reader.problems.summary() == (
        f"2 lines were skipped: 1 not JSON, 1 of the unknown event 'pass.paused' (first: {tmp_path / 'run.jsonl'}:1)"
    )


def follow(path: Path, record_filter: RecordFilter | None = None, **options) -> list[str]:
    """What following shows of what is there, until it is told that it is over."""
    written: list[str] = []
    reader = Reader(Follower([path], print), Display.plain(PlainView(written.append, UTC)), record_filter, **options)
    reader.follow(threading.Event(), lambda: "outcome" not in options)
    return "".join(written).splitlines()[1:]


def test_the_last_of_what_is_there(tmp_path: Path, log, logs):
    """Of all files together, and of what was chosen."""
    other = logs("r2", experiment=None)
    log.append(
        tmp_path / "a.jsonl", *(log.experiment_ended(i) for i in range(4)), log.line(log.experiment_ended(8))[:-1]
    )
    log.append(tmp_path / "b.jsonl", *(other.ended(i + 0.5) for i in range(4)))
    written: list[str] = []
    show = Display.plain(PlainView(written.append, UTC))

    Reader(Follower([tmp_path], print), show, last=3).once()
    Reader(Follower([tmp_path], print), show, RecordFilter(events=("experiment.*",)), last=1).once()
    Reader(Follower([tmp_path], print), show, last=0).once()

    assert [line[6:12] for line in "".join(written).splitlines() if not line.startswith("--")] == [
        "32.123",
        "32.623",
        "37.123",
        "37.123",
    ]
    assert [line[6:12] for line in follow(tmp_path, last=2)] == ["32.123", "32.623"]


def test_a_span_of_time_and_a_condition(tmp_path: Path, log):
    """The end is not included."""
    log.append(tmp_path / "run.jsonl", *(log.progress(i, progress=0.1, step=i) for i in range(10)))
    span = RecordFilter(
        since=log.start + timedelta(seconds=2), until=log.start + timedelta(seconds=8), where=Where("step > 5")
    )

    assert [line.split()[-1] for line in follow(tmp_path, span)] == ["6", "7"]


def test_lines_that_come_late_are_marked(tmp_path: Path, log, logs):
    """They are shown where they come."""
    other = logs("r2")
    log.append(tmp_path / "a.jsonl", log.started(0), log.ended(5))
    (tmp_path / "b.jsonl").touch()
    written: list[str] = []
    reader = Reader(Follower([tmp_path], print), Display.plain(PlainView(written.append, UTC)))
    asked = []

    def over() -> bool:
        asked.append(True)
        if len(asked) == 2:  # Once it has looked.
            log.append(tmp_path / "b.jsonl", other.ended(2), other.ended(6))
        return len(asked) > 2

    reader.follow(threading.Event(), over)

    assert [line[6:].split("  ended")[0] for line in "".join(written).splitlines()[2:]] == [
        "34.123  fit  #1 forward ",
        "31.123  r2 fit  #1 forward   late",
        "35.123  r2 fit  #1 forward ",
    ]


def test_passes_that_are_waited_for(tmp_path: Path, log):
    """Following ends with them; what is shown narrows what is waited for to its experiments, not to its events."""
    log.append(tmp_path / "run.jsonl", log.started(0), log.ended(1, status="error"))
    outcome = Outcome()

    shown = follow(tmp_path, RecordFilter(events=("log.*", "pass.started")), outcome=outcome)

    assert ([line.split("  ")[3] for line in shown], outcome.status()) == ([" started"], 1)


def test_a_view_waits_as_it_likes(tmp_path: Path):
    """For a key that is pressed, for instance."""
    waited: list[float] = []
    times = iter([False, False, True])

    Reader(Follower([tmp_path], print), Display(list, wait=waited.append)).follow(
        threading.Event(), lambda: next(times)
    )

    assert waited == [POLL_S, POLL_S]


def test_at_the_end_quiet_files_are_looked_at_too(tmp_path: Path, log):
    """What was written before it was told to stop is shown."""
    path = tmp_path / "run.jsonl"
    log.append(path, log.started(0))
    seconds = [0.0]
    shown: list[float] = []

    def over() -> bool:
        seconds[0] += 100
        if seconds[0] == 300:
            seconds[0] = 201
            log.append(path, log.ended(1))
            return True
        return False

    show = Display(lambda entries: shown.extend(entry.number for entry in entries), wait=lambda _: None)
    Reader(Follower([path], print, clock=lambda: seconds[0]), show).follow(threading.Event(), over)

    assert shown == [1, 2]


def test_when_nobody_looks_any_more_nothing_more_is_read(tmp_path: Path, log):
    """However much there is."""
    log.append(tmp_path / "run.jsonl", *(log.progress(i, progress=0.1, step=i) for i in range(2500)))
    portions: list[int] = []
    show = Display(lambda entries: portions.append(len(entries)), left=lambda: bool(portions))

    Reader(Follower([tmp_path], print), show).follow(threading.Event())

    assert portions == [1000]
