"""`soltrace tail`: look at logs while they are written, or afterwards."""

import argparse
import os
import select
import sys
import threading
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from datetime import UTC
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    import io

    from soltrace.reading.follow import Follower
    from soltrace.reading.problems import Problems
    from soltrace.reading.select import Selection

DEFAULT_DIRECTORY: Final = "soltrace-runs"
DIRECTORY_VARIABLE: Final = "SOLTRACE_DIR"
_USAGE_ERROR: Final = 2

_DESCRIPTION: Final = """\
Follow soltrace's logs. On a terminal: a live view with a row per open pass; what has ended scrolls above.
Anywhere else, or with --plain: one readable line per event. Ctrl-C leaves."""
_EPILOG: Final = """\
examples:
  soltrace tail                            follow everything in soltrace-runs/
  soltrace tail /scratch/me/runs           the logs of a job, those that appear later too
  soltrace tail --no-follow run.jsonl      read a log to its end
  soltrace tail --experiment fit           one experiment and those inside it
  soltrace tail --event '*.ended' --plain  only how things ended
  soltrace tail --json --phase backward | jq .progress

exit status: 0, 2 if there is nothing to read, 130 after Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace tail` takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    parser.add_argument(
        "paths",
        nargs="*",
        type=Path,
        metavar="PATH",
        help=f"log files, or directories of *.jsonl (default: ${DIRECTORY_VARIABLE}, or {DEFAULT_DIRECTORY}/)",
    )
    parser.add_argument("--no-follow", action="store_true", help="leave at the end of what is there")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--plain", action="store_true", help="a line per event on a terminal too")
    form.add_argument("--json", action="store_true", help="pass the chosen lines on as they stand in the log")
    parser.add_argument("--utc", action="store_true", help="show times in UTC instead of the local time")
    chosen = parser.add_argument_group("what is shown", "Each may be given more than once: any of them will do.")
    chosen.add_argument("--phase", action="append", default=[], choices=("forward", "backward"))
    chosen.add_argument(
        "--experiment", action="append", default=[], metavar="NAME", help="and those inside it; * ? [ ]"
    )
    chosen.add_argument("--event", action="append", default=[], metavar="NAME", help="for instance pass.ended; * ? [ ]")


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace tail` does."""
    # Here and not above: `--help` and the other commands do without.
    from soltrace.reading.follow import Follower
    from soltrace.reading.select import Selection

    paths: list[Path] = args.paths or [Path(os.environ.get(DIRECTORY_VARIABLE) or DEFAULT_DIRECTORY)]
    if complaint := _complaint(paths, follow=not args.no_follow):
        return _say(complaint) or _USAGE_ERROR
    selection = Selection(tuple(args.phase), tuple(args.experiment), tuple(args.event))
    follower = Follower(paths, _say)
    # A value may hold what the output's encoding has no sign for.
    cast("io.TextIOWrapper[io.BufferedWriter]", sys.stdout).reconfigure(errors="backslashreplace")
    if args.no_follow or args.plain or args.json or not _animated():
        return _lines(args, follower, selection)
    return _live(args, paths, follower, selection)


def _lines(args: argparse.Namespace, follower: "Follower", selection: "Selection") -> int:
    from soltrace.reading.json_lines import JsonView
    from soltrace.reading.plain import PlainView
    from soltrace.reading.reader import Reader, Show

    tick = _flush_while_read()
    if args.json:
        show = Show(JsonView(sys.stdout.buffer, terminal=sys.stdout.isatty()).feed, tick)
    else:
        show = Show.plain(PlainView(sys.stdout.write, UTC if args.utc else None), tick)
    reader = Reader(follower, show, selection, unknown=args.json)
    with _summarised(reader.problems):
        if args.no_follow:
            reader.once()
        else:
            reader.follow(threading.Event())
    return 0


def _live(args: argparse.Namespace, paths: Sequence[Path], follower: "Follower", selection: "Selection") -> int:
    # rich takes its time to import, and plain lines do without.
    from rich.console import Console

    from soltrace.reading.live import LiveView
    from soltrace.reading.reader import Reader, Show

    title = ", ".join(str(path) for path in paths)
    view = LiveView(Console(), title=title, zone=UTC if args.utc else None)
    reader = Reader(follower, Show.live(view), selection)
    with _summarised(reader.problems), view:
        reader.follow(threading.Event())
    return 0


@contextmanager
def _summarised(problems: "Problems") -> Generator[None]:
    try:
        yield
    finally:
        if summary := problems.summary():
            _say(summary)


def _complaint(paths: Sequence[Path], *, follow: bool) -> str | None:
    from soltrace.reading.follow import PATTERN, logs

    for path in paths:
        if not path.exists():
            if not follow:
                return f"{path} does not exist: give a file or a directory that soltrace has written"
        elif not (path.is_dir() or path.is_file()):
            return f"{path} is neither a file nor a directory"
        elif not follow and not any(logs(path)):
            return f"there is no {PATTERN} in {path}: give a file or a directory that soltrace has written"
    return None


def _animated() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM", "") not in {"", "dumb", "unknown"}


def _flush_while_read() -> Callable[["Problems"], None]:
    """Flush, and notice that the reading end of a pipe is gone even while there is nothing to write."""
    poll = select.poll()
    poll.register(sys.stdout.fileno(), 0)

    def tick(problems: "Problems") -> None:
        del problems
        sys.stdout.flush()
        if any(event & select.POLLERR for _, event in poll.poll(0)):
            raise BrokenPipeError

    return tick


def _say(message: str) -> None:
    print(f"soltrace tail: {message}", file=sys.stderr, flush=True)
