"""`soltrace convert`: writes logs as one Parquet file, for those who ask many questions of them."""

import argparse
import sys
from pathlib import Path
from typing import Final

from soltrace.cli.log_files import add_paths, files, missing_modules, unfit, unfit_target
from soltrace.cli.streams import complain

_USAGE_ERROR: Final = 2
_FAILURE: Final = 1
_SUFFIX: Final = ".parquet"

_DESCRIPTION: Final = """\
Write logs as one Parquet file: a row for each record, under the names of the log, with types: timestamps with a
time zone, floats (NaN and infinities too), lists, structures, and the attributes as JSON. What a record leaves out is
null."""
_EPILOG: Final = """\
examples:
  soltrace convert -o runs.parquet                    everything in soltrace-runs/
  soltrace convert /scratch/me/runs -o fit.parquet
  duckdb -c "SELECT phase, avg(duration_s) FROM 'fit.parquet' WHERE event = 'pass.ended' GROUP BY phase"

exit status: 0, 1 if there is no room for the work, 2 if there is nothing to read or nowhere to write"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace convert` takes."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    add_paths(parser)
    parser.add_argument("-o", "--output", type=_target, required=True, metavar="FILE.parquet", help="where to write")


def _target(text: str) -> Path:
    if not text.lower().endswith(_SUFFIX):
        raise argparse.ArgumentTypeError(f"must end with {_SUFFIX}, got {text!r}")
    return Path(text)


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace convert` does."""
    if problem := missing_modules(["duckdb"]) or unfit(args.paths) or unfit_target(args.output):
        return _complain(problem)
    # Here and not above: `--help` and the other commands do without.
    import duckdb

    from soltrace.reading.text import plural
    from soltrace.report.interruptible import interruptible
    from soltrace.report.parquet import convert

    try:
        chosen = files(args.paths, _say)
        converted = interruptible(lambda: convert(chosen, args.output, _say))
    except (duckdb.Error, OSError) as error:
        return _complain(f"it could not be done: {error}", _FAILURE)
    if not converted.records:
        return _complain("there is no record in what was read")
    print(f"soltrace: wrote {plural(converted.records, 'record')} to {args.output}", file=sys.stderr)
    if converted.skipped:
        print(
            f"soltrace convert: {plural(converted.skipped, 'line')} skipped: no records of soltrace's", file=sys.stderr
        )
    return 0


def _complain(message: str, status: int = _USAGE_ERROR) -> int:
    _say(message)
    return status


def _say(message: str) -> None:
    complain("convert", message)
