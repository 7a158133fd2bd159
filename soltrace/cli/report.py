"""`soltrace report`: reports what logs say as a whole, as a page or as text."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

from soltrace.cli.log_files import add_paths, files, missing_modules, unfit, unfit_target
from soltrace.cli.progress_bar import progress_bar
from soltrace.cli.streams import complain

if TYPE_CHECKING:
    import io

    from soltrace.report.facts import LogReport

FORMATS: Final = {"html": ".html", "md": ".md", "json": ".json"}
"""The formats, and the endings of file names by which they are recognised."""
DEFAULT_PAGE: Final = Path("soltrace-report.html")
STDOUT: Final = Path("-")
_NEEDED: Final = {"html": ("duckdb", "jinja2", "vl_convert"), "md": ("duckdb",), "json": ("duckdb",)}
_USAGE_ERROR: Final = 2
_FAILURE: Final = 1

_DESCRIPTION: Final = """\
Say what logs hold as a whole: what ran, when, where and how it ended; the time of forward and backward passes;
progress, step sizes and the slowest lanes; failures with their first cause; experiments side by side. As one page that
needs no network, or as text. A log may be larger than the memory: what does not fit goes to $TMPDIR."""
_EPILOG: Final = f"""\
examples:
  soltrace report                               everything in soltrace-runs/, as {DEFAULT_PAGE}
  soltrace report /scratch/me/runs -o fit.html  the logs of a job
  soltrace report run.jsonl --format md         the same facts as text
  soltrace report --format json | jq '.failures.rows[0].cause'

exit status: 0, 1 if there is no room for the work, 2 if there is nothing to read or nowhere to write"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace report` takes."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    add_paths(parser)
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="FILE",
        help=f"where to write, - for stdout (default: {DEFAULT_PAGE} for a page, stdout for text)",
    )
    parser.add_argument(
        "--format", choices=tuple(FORMATS), help="what to write (default: by the ending of FILE, or else html)"
    )


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace report` does."""
    form = args.format or _form(args.output)
    target: Path = args.output or (DEFAULT_PAGE if form == "html" else STDOUT)
    problem = (
        missing_modules(_NEEDED[form]) or unfit(args.paths) or (None if target == STDOUT else unfit_target(target))
    )
    if problem:
        return _complain(problem)
    # Here and not above: `--help` and the other commands do without.
    import duckdb

    from soltrace.report.gather import NothingToReportError, gather
    from soltrace.report.interruptible import interruptible

    try:
        chosen = files(args.paths, _say)
        with progress_bar() as tell:
            text = interruptible(lambda: _write(form, gather(chosen, _say)), tell)
        if target == STDOUT:
            _print(text)
            return 0
        target.write_text(text, encoding="utf-8")
    except NothingToReportError as error:
        return _complain(str(error))
    except (duckdb.Error, OSError) as error:
        return _complain(f"it could not be done: {error}", _FAILURE)
    print(f"soltrace: wrote {target}", file=sys.stderr)
    return 0


def _form(target: Path | None) -> str:
    suffix = "" if target is None else target.suffix.lower()
    return next((form for form, ending in FORMATS.items() if ending == suffix), "html")


def _write(form: str, report: "LogReport") -> str:
    # Each form has libraries of its own.
    if form == "html":
        from soltrace.report.page import page

        return page(report)
    if form == "md":
        from soltrace.report.markdown import markdown

        return markdown(report)
    import msgspec

    return msgspec.json.format(msgspec.json.encode(report)).decode() + "\n"


def _print(text: str) -> None:
    out = cast("io.TextIOWrapper[io.BufferedWriter]", sys.stdout)
    out.reconfigure(encoding="utf-8")
    if out.isatty():
        from soltrace.reading.text import clean

        # Names of files come as they are, and a terminal obeys what it should show.
        text = "".join(char if char == "\n" else clean(char) for char in text)
    out.write(text)


def _complain(message: str, status: int = _USAGE_ERROR) -> int:
    _say(message)
    return status


def _say(message: str) -> None:
    complain("report", message)
