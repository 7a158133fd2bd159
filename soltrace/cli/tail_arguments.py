"""The arguments of `soltrace tail`, and how their values are read. What reads a value is imported when there is one."""

import argparse
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, TypeVar

from soltrace.cli.checks import count
from soltrace.cli.log_files import add_paths

if TYPE_CHECKING:
    from soltrace.reading.where import Where

_T = TypeVar("_T")

_DESCRIPTION: Final = """\
Follow soltrace's logs. On a terminal: a live view with a row per open pass; what has ended scrolls above, and
? says what the keys do. Anywhere else, or with --plain: one readable line per event. Ctrl-C leaves."""
_EPILOG: Final = """\
examples:
  soltrace tail                            follow everything in soltrace-runs/
  soltrace tail /scratch/me/runs           the logs of a job, those that appear later too
  soltrace tail 'runs/*/rank-*.jsonl*'     a pattern; rotated and compressed logs (.gz, .zst) are read too
  soltrace tail --no-follow run.jsonl      read a log to its end
  soltrace tail --experiment fit           one experiment and those inside it
  soltrace tail --event '*.ended' --plain  only how things ended
  soltrace tail --since 10m --until 14:30  a span of time: of what is there, and what comes
  soltrace tail --where 'phase == "backward" and steps.rejected > 10'
  soltrace tail --json --phase backward | jq .progress
  soltrace tail --csv --no-follow --event pass.ended > passes.csv
  soltrace tail --until-done --plain && ./plot.py

--where compares fields of the line (dotted: steps.rejected, attributes.seed, attributes["lr.max"]) with numbers,
"texts", true, false, null and [lists]: == != < <= > >= in, not in; and, or, not, brackets. A field that is not
there, or is of another type, matches nothing.

--until-done leaves when at least one pass was seen, and none is open any more and no experiment either, every run of a
scheduler's job has said how it ended, and, where Slurm tells, no task of their jobs has yet to begin. A pass has
stalled if its heartbeat says so. A run is lost if it has stopped without a word while something of it was open, or
without its last line: because its process is gone, its scheduler says so, or nothing is heard of it for --patience. Of
lines that several files have gained, each waits a second for those of the others; one that comes later still is marked
"late".

exit status: 0, 1 if a pass, an experiment or a run failed and 3 if a pass stalled or a run is lost (with --until-done),
2 if the arguments are wrong or there is nothing to read, 130 after Ctrl-C"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace tail` takes."""
    parser.description = _DESCRIPTION
    parser.epilog = _EPILOG
    add_paths(parser)
    end = parser.add_mutually_exclusive_group()
    end.add_argument("--no-follow", action="store_true", help="leave at the end of what is there")
    end.add_argument("--until-done", action="store_true", help="leave when all passes are over, with a status")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--plain", action="store_true", help="a line per event on a terminal too")
    form.add_argument("--json", action="store_true", help="pass the chosen lines on as they stand in the log")
    form.add_argument("--csv", action="store_true", help="a row per record, always with the same columns")
    parser.add_argument("--utc", action="store_true", help="show times in UTC instead of the local time")
    parser.add_argument(
        "--patience",
        type=_read(_duration),
        metavar="TIME",
        help="a run that is silent for so long, with a pass open, is lost (default: 60s)",
    )
    _add_filters(parser)


def _add_filters(parser: argparse.ArgumentParser) -> None:
    chosen = parser.add_argument_group("what is shown", "Names may be given more than once: any of them will do.")
    chosen.add_argument("--phase", action="append", default=[], choices=("forward", "backward"))
    chosen.add_argument(
        "--experiment", action="append", default=[], metavar="NAME", help="and those inside it; * ? [ ]"
    )
    chosen.add_argument("--event", action="append", default=[], metavar="NAME", help="for instance pass.ended; * ? [ ]")
    chosen.add_argument("--where", type=_read(_where), metavar="CONDITION", help="on the line's fields: see below")
    # Read when it is known whether --utc is given.
    when = "like 2026-11-25T14:30:00Z, 2026-11-25, 14:30 or 10m (ago)"
    chosen.add_argument("--since", type=_read(_time), metavar="TIME", help=when)
    chosen.add_argument("--until", type=_read(_time), metavar="TIME", help="following ends then")
    chosen.add_argument(
        "--last", type=count(), metavar="N", help="of what is there already, the last N lines that are chosen"
    )


def since_until(args: argparse.Namespace) -> tuple[datetime | None, datetime | None]:
    """Return the times that `--since` and `--until` name, in the zone that is shown."""
    from soltrace.reading.times import parse_time

    now, zone = datetime.now(UTC), UTC if args.utc else None
    since, until = (None if text is None else parse_time(text, now, zone) for text in (args.since, args.until))
    return since, until


def _read(read: Callable[[str], _T]) -> Callable[[str], _T]:
    """Make an argparse type that complains in the words of the function that reads the value."""

    def checked(text: str) -> _T:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return checked


def _duration(text: str) -> float:
    from soltrace.reading.times import parse_duration_s

    return parse_duration_s(text)


def _time(text: str) -> str:
    from soltrace.reading.times import parse_time

    parse_time(text, datetime.now(UTC))
    return text


def _where(text: str) -> "Where":
    from soltrace.reading.where import Where

    return Where(text)
