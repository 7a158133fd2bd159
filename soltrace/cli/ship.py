"""`soltrace ship`: sends logs to a collector that could not be reached while they were written."""

import argparse
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from soltrace.cli.log_files import absent, add_paths, files, unfit
from soltrace.cli.progress_bar import progress_bar
from soltrace.cli.streams import complain
from soltrace.wire.log_names import default_directory

if TYPE_CHECKING:
    from soltrace.cli.progress_bar import TellProgress
    from soltrace.shipping.one_log import ShippedCounts
    from soltrace.shipping.worker_process import LogTold, Orders

_USAGE_ERROR: Final = 2
_FAILURE: Final = 1
_GRPC_PORT: Final = 4317
_EXPORTED: Final = ".exported.jsonl"
_PATIENCE_S: Final = 60.0
_JOBS_AT_MOST: Final = 4

_DESCRIPTION: Final = """\
Send logs to an OpenTelemetry collector that could not be reached while they were written: their spans and log records
as they would have been sent live, with the ids that stand in the log. What was sent is noted beside each log, in
.shipped/, so that a second call sends the rest, and nothing twice.

A log whose name ends with .exported.jsonl is one of a run that sent its records itself. In a directory it is left
alone, but for what never ended with --all: a run that was killed can't have sent that. Give its name to have it shipped
as a whole."""
_EPILOG: Final = """\
examples:
  soltrace ship --endpoint http://localhost:4318                everything in soltrace-runs/
  soltrace ship /scratch/me/runs --endpoint http://jaeger:4318 --only traces --all
  soltrace ship /scratch/me/runs --follow                       while the job runs

OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_COMPRESSION, OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES count too.

exit status: 0, 1 if something was not sent, a compressed file is damaged or a part of a log is missing, 2 if there is
nothing to read or nowhere to send; lines that are no records are counted, and no failure"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace ship` takes."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    add_paths(parser)
    parser.add_argument(
        "--endpoint",
        metavar="URL",
        help="the collector, over HTTP (default: $OTEL_EXPORTER_OTLP_ENDPOINT)",
    )
    parser.add_argument("--follow", action="store_true", help="go on while the logs grow and others appear")
    parser.add_argument(
        "--all", action="store_true", help="the runs are over: send what never ended too, as abandoned, with an error"
    )
    parser.add_argument(
        "--state", type=Path, metavar="PATH", help="where to note what was sent, if not beside the logs"
    )
    parser.add_argument(
        "--patience",
        type=float,
        default=_PATIENCE_S,
        metavar="SECONDS",
        help="how long to try again while the collector does not answer, and with --follow to wait for a part of a log "
        "that is missing (default: %(default)g)",
    )
    parser.add_argument(
        "--metrics",
        action="store_true",
        help="send counters and histograms too, with the times of the log: where old ones are taken, or with --follow",
    )
    parser.add_argument(
        "--only",
        choices=("logs", "traces"),
        help="send only these, as to Jaeger or Tempo, which take no log records (default: both)",
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="logs at once (default: one for each core, at most 4)")


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace ship` does."""
    endpoint: str = args.endpoint or os.environ.get("OTEL_EXPORTER_OTLP_ENDPOINT", "")
    problem = _unfit_endpoint(endpoint) or _unfit_state(args.state)
    problem = problem or (absent(args.paths, follow=True) if args.follow else unfit(args.paths))
    if problem:
        _say(problem)
        return _USAGE_ERROR
    if args.all and args.follow:
        _say("--all is for runs that are over, --follow for those that are not")
        return _USAGE_ERROR
    # Here and not above: `--help` and the other commands do without.
    from soltrace.shipping.sender import SIGNALS, SentSignal
    from soltrace.shipping.worker_process import Orders

    signals: tuple[SentSignal, ...] = SIGNALS if args.only is None else (args.only,)
    if args.metrics:
        signals = (*signals, "metrics")
    orders = Orders(endpoint.rstrip("/"), args.state, args.patience, args.all, args.follow, signals)
    jobs = args.jobs or min(_JOBS_AT_MOST, os.cpu_count() or 1)
    paths: list[Path] = args.paths or [default_directory()]
    return _follow(paths, orders, jobs) if args.follow else _once(paths, orders, jobs)


def _once(paths: Sequence[Path], orders: "Orders", jobs: int) -> int:
    from soltrace.shipping.workers import Workers

    found = files(paths, _say)
    chosen = _without_the_exported(paths, found, _say, but_open=orders.abandon)
    named = frozenset(paths)
    orders = orders._replace(open_only=frozenset(path for path in chosen if _is_exported(path, named)))
    summary = _Summary()
    summary.miss(chosen)
    try:
        with progress_bar() as tell:
            # To know the sizes, each file is looked at: not where nobody sees it.
            heard = _drawn(chosen, summary, tell) if sys.stderr.isatty() else summary.tell
            with Workers(orders, max(1, min(jobs, len(chosen))), heard) as workers:
                workers.ship(chosen)
    finally:
        summary.say()
    return _FAILURE if summary.problems else 0


def _follow(paths: Sequence[Path], orders: "Orders", jobs: int) -> int:
    from soltrace.reading.files.parts import is_behind_another
    from soltrace.reading.files.places import Places
    from soltrace.shipping.workers import Workers

    places, summary, named = Places(paths, _say), _Summary(), frozenset(paths)

    def appeared() -> list[Path]:
        chosen = _without_the_exported(paths, places.appeared(time.monotonic()), lambda _: None)
        # Behind a gap too a later part is shipped with what comes before it, once nobody waits for what is missing.
        chosen = [path for path in chosen if path in named or not is_behind_another(path)]
        summary.miss(chosen)
        return chosen

    try:
        with Workers(orders, jobs, summary.tell) as workers:
            workers.follow(appeared)
    finally:
        summary.say()
    return _FAILURE


def _is_exported(path: Path, named: Collection[Path]) -> bool:
    """Say whether a log is one of a run that sent it itself, and nobody has named it."""
    return _EXPORTED in path.name and path not in named


def _without_the_exported(
    paths: Sequence[Path], found: Sequence[Path], say: Callable[[str], None], *, but_open: bool = False
) -> list[Path]:
    """Leave out logs of runs that sent them themselves, unless they are named, or wanted for what never ended."""
    named = frozenset(paths)
    exported = frozenset(path for path in found if _is_exported(path, named))
    left_out = frozenset[Path]() if but_open else exported
    if exported:
        what = "read for what never ended" if but_open else "left out"
        say(f"{len(exported)} x *{_EXPORTED} {what}, whose runs sent them themselves: give their names to ship them")
    from soltrace.reading.files.parts import goes_on

    # A later part is shipped with what comes before it.
    return [path for path in found if path not in left_out and (path in named or not goes_on(path))]


class _Summary:
    """Sums up what the workers say."""

    def __init__(self) -> None:
        self.problems = 0
        self._counts: dict[Path, ShippedCounts] = {}
        self._totals: Counter[str] = Counter()
        self._missing = 0
        self._began = time.monotonic()

    def tell(self, told: "LogTold") -> None:
        """Take in what a worker says of a log."""
        before, self._counts[told.path] = self._counts.get(told.path), told.counts
        # Not summed up when it is asked for: what ten thousand logs tell would take a hundred million steps.
        self._totals.update(asdict(told.counts))
        self._totals.subtract({} if before is None else asdict(before))
        if told.problem:
            self.problems += 1
            _say(told.problem)

    def miss(self, chosen: Sequence[Path]) -> None:
        """Say which logs lack a part in their middle, or their beginning."""
        from soltrace.reading.files.parts import lacks_a_part
        from soltrace.shipping.one_log import BEFORE_IT

        for path in filter(lacks_a_part, chosen):
            self.problems += 1
            self._missing += 1
            _say(f"{path}: {BEFORE_IT}")

    def total(self, name: str) -> int:
        """Add up a count over all logs."""
        return self._totals[name]

    def say(self) -> None:
        """Say what was sent."""
        from soltrace.reading.text import plural

        records, spans = self.total("log_records"), self.total("spans")
        took_s = time.monotonic() - self._began
        logs = plural(len(self._counts), "log")
        print(
            f"soltrace: sent {plural(records, 'log record')} and {plural(spans, 'span')} of {logs} in {took_s:.1f} s",
            file=sys.stderr,
        )
        if skipped := self.total("skipped"):
            _say(f"{plural(skipped, 'line')} skipped: no records of soltrace's")
        if unfinished := self.total("unfinished"):
            _say(f"{plural(unfinished, 'line')} without an end: shipped once it has one")
        if missing := self._missing + self.total("missing"):
            _say(f"{plural(missing, 'part')} of logs missing, and not shipped")
        if cut := self.total("cut"):
            _say(f"{plural(cut, 'log')} cut since it was shipped, and written on: read again")
        if refused := self.total("refused"):
            self.problems += 1
            _say(f"{plural(refused, 'item')} refused by the collector")


def _drawn(chosen: Sequence[Path], summary: _Summary, tell: "TellProgress") -> Callable[["LogTold"], None]:
    """Return what takes in what workers say, and draws how many of the bytes were read."""
    from soltrace.reading.files.parts import later_parts

    sizes = {path: sum(part.stat().st_size for part in (path, *later_parts(path))) for path in chosen}
    read: dict[Path, int] = {}
    read_of_all, total = 0, sum(sizes.values()) or 1

    def draw(told: "LogTold") -> None:
        nonlocal read_of_all
        summary.tell(told)
        size = sizes[told.path]
        # Of a compressed log it is not known how far it is: what is read of it is more than it holds.
        now = size if told.over else min(told.counts.read_bytes, size)
        read_of_all += now - read.get(told.path, 0)
        read[told.path] = now
        sent = f"{summary.total('log_records')} log records, {summary.total('spans')} spans"
        tell(sent, read_of_all / total)

    return draw


def _unfit_endpoint(endpoint: str) -> str | None:
    if not endpoint:
        return "needs --endpoint URL, or OTEL_EXPORTER_OTLP_ENDPOINT"
    try:
        address = urlsplit(endpoint)
        port = address.port
    except ValueError as error:
        return f"{endpoint!r} is no address: {error}"
    if address.scheme not in {"http", "https"} or not address.hostname:
        return f"--endpoint must begin with http:// or https://, got {endpoint!r}"
    return f"port {port} is gRPC's: give that for HTTP, which is 4318" if port == _GRPC_PORT else None


def _unfit_state(state: Path | None) -> str | None:
    if state is None or (state.is_dir() and os.access(state, os.W_OK)):
        return None
    return f"--state must be a directory that can be written, got {state}"


def _say(message: str) -> None:
    complain("ship", message)
