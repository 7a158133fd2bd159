"""`soltrace demo`: fits a model to measurements, shows its passes live, and says what they cost."""

import argparse
import importlib.util
import os
import shlex
import shutil
import sys
import threading
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from soltrace.cli.checks import OTLP_ENDPOINT, count, deaf, endpoint, missing_exporter, unfit_directory
from soltrace.wire.log_names import default_directory

if TYPE_CHECKING:
    from soltrace.demo.fit import Fit, Setting

DEFAULT_STEPS: Final = 64
_NEEDED: Final = ("diffrax", "jax", "optax")
_USAGE_ERROR: Final = 2
_SAYINGS: Final = 8
"""Lines about the progress of each fit, where there is no live view."""

_DESCRIPTION: Final = """\
Fit a Lotka-Volterra model to the lynx and hare pelts of 1900 to 1920, twice: eight random starts as lanes of one vmap,
gradients through the solver. On a terminal: a live view of the passes. It takes about half a minute."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace demo` takes."""
    parser.description = _DESCRIPTION
    parser.add_argument(
        "--steps", type=count(least=1), default=DEFAULT_STEPS, help=f"of each optimiser (default: {DEFAULT_STEPS})"
    )
    parser.add_argument(
        "--directory",
        type=Path,
        default=None,
        metavar="PATH",
        help="where the log is written (default: $SOLTRACE_DIR, or soltrace-runs/)",
    )
    parser.add_argument(
        "--otlp",
        type=endpoint,
        nargs="?",
        const=OTLP_ENDPOINT,
        metavar="ENDPOINT",
        help=f"export spans, metrics and logs to a collector too (default: {OTLP_ENDPOINT})",
    )
    parser.add_argument("--plain", action="store_true", help="no live view on a terminal either")


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace demo` does."""
    if missing := [name for name in _NEEDED if importlib.util.find_spec(name) is None]:
        return _complain(f"needs {', '.join(missing)}, not installed here: pip install 'soltrace[demo]'")
    directory = args.directory or default_directory()
    if problem := unfit_directory(directory):
        return _complain(f"{problem}; choose another with --directory")
    if args.otlp is not None and (problem := _unfit_collector(args.otlp)):
        return _complain(f"--otlp: {problem}")
    # Eight small lanes are faster on the processor than on any accelerator. Whoever wants to see that may say so.
    os.environ.setdefault("JAX_PLATFORMS", "cpu")

    import soltrace
    from soltrace.demo import summary
    from soltrace.demo.pass_costs import costs, read_log

    find_log = _log_of_this_run(directory)
    # Enabled whatever the environment says: it is why it runs.
    soltrace.configure(enabled=True, directory=directory, otlp_endpoint=args.otlp)
    fits = _fit(args.steps, find_log, live=not args.plain and sys.stdout.isatty())
    arrived = soltrace.shutdown()
    log = find_log()
    if log is None:
        return _complain(f"found no log in {directory}")
    records = read_log(log)
    print("", *summary.fitted(fits), sep="\n")
    print("", *summary.cost_table(costs(records)), sep="\n")
    print("", *summary.next_steps(log, len(records), _command()), sep="\n")
    if args.otlp is not None:
        print("", *_where_to_look(args.otlp, arrived=arrived), sep="\n")
    return 0


def _unfit_collector(address: str) -> str | None:
    if problem := missing_exporter():
        return problem
    if problem := deaf(address):
        return f"{problem}. Start one, with soltrace's docker-compose.yml: docker compose up --wait; or name another"
    return None


def _where_to_look(address: str, *, arrived: bool) -> Iterator[str]:
    """Write where the pages are, if it is soltrace's docker-compose.yml that runs there."""
    host = urlsplit(address).hostname
    yield f"Exported to {address}" if arrived else f"Not everything could be exported to {address}"
    yield f"  Jaeger   http://{host}:16686/search?service={os.environ.get('OTEL_SERVICE_NAME', 'soltrace')}"
    yield f"  Grafana  http://{host}:3000/d/soltrace-experiments"


def _command() -> str:
    """Return how the command line was called, for the same shell: `make demo` activates no environment."""
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{shlex.quote(sys.executable)} -m soltrace"
    found = shutil.which(called.name)
    return called.name if found is not None and called.resolve() == Path(found).resolve() else shlex.quote(str(called))


def _complain(message: str) -> int:
    print(f"soltrace demo: {message}", file=sys.stderr)
    return _USAGE_ERROR


def _log_of_this_run(directory: Path) -> Callable[[], Path | None]:
    """Return what finds the log of this process once it is there: its name ends with the process's number."""
    pattern = f"*-{os.getpid()}*.jsonl"
    before = set(directory.glob(pattern))
    return lambda: next(iter(sorted(set(directory.glob(pattern)) - before)), None)


def _fit(steps: int, find_log: Callable[[], Path | None], *, live: bool) -> "list[Fit]":
    import soltrace
    from soltrace.demo.fit import LANE_COUNT, SETTINGS, fit_all

    names = ", then of ".join(setting.optimiser for setting in SETTINGS)
    print(f"Fitting a Lotka-Volterra model to lynx and hare pelts: {LANE_COUNT} starts at once, as lanes of one vmap,")
    print(f"{steps} steps of {names}. Compiling comes first, and takes some seconds.", flush=True)
    if not live:
        return fit_all(steps, _sayer(steps))
    with _watching(find_log):
        fits = fit_all(steps, _nothing)
        soltrace.flush()
    return fits


def _nothing(setting: "Setting", done: int, residual: float) -> None:
    """Say nothing: the view shows how it goes."""


def _sayer(steps: int) -> "Callable[[Setting, int, float], None]":
    """Return what says now and then how a fit is doing, on lines of their own."""

    def say(setting: "Setting", done: int, residual: float) -> None:
        if done == steps or done % -(-steps // _SAYINGS) == 0:
            print(f"{setting.optimiser:<9}  step {done:>4} of {steps}  best residual {residual:.3f}", flush=True)

    return say


@contextmanager
def _watching(find_log: Callable[[], Path | None]) -> Generator[None]:
    """Show the live view on a thread of its own. The fit has the main one, and with it Ctrl-C."""
    from rich.console import Console

    from soltrace.reading import watch

    stop = threading.Event()

    def show() -> None:
        while (log := find_log()) is None:
            if stop.wait(0.05):
                return
        watch([log], Console(), stop)

    thread = threading.Thread(target=show, name="soltrace-demo-view")
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
