"""`soltrace tail`: shows logs while they are written, or afterwards."""

import argparse
import gc
import os
import select
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from soltrace.cli.log_files import absent, files
from soltrace.cli.streams import complain
from soltrace.cli.tail_arguments import add_arguments, since_until
from soltrace.wire.log_names import default_directory

if TYPE_CHECKING:
    import io

    from soltrace.reading.files.follow import Follower
    from soltrace.reading.outcome import Outcome
    from soltrace.reading.problems import Problems
    from soltrace.reading.reader import Display, Reader
    from soltrace.reading.runs.run_watch import RunWatch
    from soltrace.reading.select import RecordFilter

__all__ = ["add_arguments", "run"]

_USAGE_ERROR: Final = 2
_AFTER_UNTIL: Final = timedelta(seconds=2)
"""For so long lines of that time may still be under way."""
GARBAGE: Final = 100_000
"""Objects that are made between two searches for cycles. Records have none, and a search takes a third of the time."""


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace tail` does."""
    # Here and not above: `--help` and the other commands do without.
    from soltrace.reading.files.follow import Follower
    from soltrace.reading.outcome import Outcome
    from soltrace.reading.prefilter import prefilter
    from soltrace.reading.runs.jobs import Jobs
    from soltrace.reading.select import RecordFilter

    paths: list[Path] = args.paths or [default_directory()]
    if complaint := _complaint(paths, follow=not args.no_follow):
        return _say(complaint) or _USAGE_ERROR
    if args.where is not None and (names := args.where.unknown()):
        _say(f"no record has a field {', '.join(names)}: is it misspelt?")
    since, until = since_until(args)
    record_filter = RecordFilter(tuple(args.phase), tuple(args.experiment), tuple(args.event), since, until, args.where)
    outcome = Outcome(_patience_s(args), jobs=Jobs()) if args.until_done else None
    # How passes end is to be seen, whatever is shown.
    skip = prefilter(record_filter.events if outcome is None else (), since)
    # A copy by itself stays as it is, and would be shown as if all had happened twice.
    follower = Follower(files(paths, _say) if args.no_follow else paths, _say, skip=skip)
    gc.set_threshold(GARBAGE)
    # A value may hold what the output's encoding has no sign for.
    cast("io.TextIOWrapper[io.BufferedWriter]", sys.stdout).reconfigure(errors="backslashreplace")
    if args.no_follow or args.plain or args.json or args.csv or not _animated():
        return _lines(args, follower, record_filter, outcome)
    return _live(args, paths, follower, record_filter, outcome)


def _lines(
    args: argparse.Namespace, follower: "Follower", record_filter: "RecordFilter", outcome: "Outcome | None"
) -> int:
    from soltrace.reading.reader import Reader

    # Where lines are passed over unread, it is not known which passes have ended.
    chosen = args.event or (args.no_follow and not (record_filter.everything and args.last is None))
    watch = None if outcome is not None or chosen else _run_watch(args)
    reader = Reader(
        follower,
        _show(args),
        record_filter,
        unknown=args.json,
        last=args.last,
        outcome=outcome,
        watch=watch,
        say=_say,
    )
    with _summarised(reader.problems):
        if args.no_follow:
            reader.once()
            return 0
        return _follow(reader, record_filter, outcome)


def _run_watch(args: argparse.Namespace) -> "RunWatch":
    from soltrace.reading.runs.jobs import Jobs
    from soltrace.reading.runs.lost import RunJudge
    from soltrace.reading.runs.run_watch import RunWatch

    jobs = Jobs()
    return RunWatch(RunJudge(_patience_s(args), jobs), jobs, lazy=True)


def _patience_s(args: argparse.Namespace) -> float:
    from soltrace.reading.runs.lost import PATIENCE_S

    return PATIENCE_S if args.patience is None else args.patience


def _show(args: argparse.Namespace) -> "Display":
    from soltrace.reading.reader import Display

    tick = _flush_while_read()
    if args.json:
        from soltrace.reading.json_lines import JsonView

        return Display(JsonView(sys.stdout.buffer, terminal=sys.stdout.isatty()).feed, tick)
    if args.csv:
        from soltrace.reading.csv_lines import CsvView

        return Display(CsvView(sys.stdout.write, terminal=sys.stdout.isatty()).feed, tick)
    from soltrace.reading.plain import PlainView

    return Display.plain(PlainView(sys.stdout.write, UTC if args.utc else None), tick)


def _live(
    args: argparse.Namespace,
    paths: Sequence[Path],
    follower: "Follower",
    record_filter: "RecordFilter",
    outcome: "Outcome | None",
) -> int:
    # rich takes its time to import, and plain lines do without.
    from rich.console import Console

    from soltrace.reading.live.keyboard import Keyboard
    from soltrace.reading.live.view import LiveView
    from soltrace.reading.reader import Display, Reader

    title = ", ".join(str(path) for path in paths)
    watch = None if args.event and outcome is None else _run_watch(args)
    view = LiveView(Console(), title=title, zone=UTC if args.utc else None, keyboard=Keyboard(), watch=watch)
    reader = Reader(follower, Display.live(view, view.listen), record_filter, last=args.last, outcome=outcome)
    with _summarised(reader.problems), view:
        return _follow(reader, record_filter, outcome)


def _follow(reader: "Reader", record_filter: "RecordFilter", outcome: "Outcome | None") -> int:
    """Follow until what was waited for has come, and return the exit status."""
    end = None if record_filter.until is None else record_filter.until + _AFTER_UNTIL
    reader.follow(threading.Event(), lambda: end is not None and datetime.now(UTC) >= end)
    if outcome is None:
        return 0
    return outcome.final()


@contextmanager
def _summarised(problems: "Problems") -> Generator[None]:
    try:
        yield
    finally:
        if summary := problems.summary():
            _say(summary)


def _complaint(paths: Sequence[Path], *, follow: bool) -> str | None:
    from soltrace.reading.files.compressed import missing_decompressor

    lacks = ((path, missing_decompressor(path)) for path in paths if path.is_file())
    return absent(paths, follow=follow) or next((f"cannot read {path}: {lack}" for path, lack in lacks if lack), None)


def _animated() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


def _flush_while_read() -> Callable[["Problems"], None]:
    """Return what flushes stdout, and notices that nobody reads a pipe any more even without writing."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)

    def tick(problems: "Problems") -> None:
        del problems
        sys.stdout.flush()
        if any(event & select.POLLERR for _, event in poll.poll(0)):
            raise BrokenPipeError

    return tick


def _say(message: str) -> None:
    complain("tail", message)
