"""`soltrace convert`: writes logs as a file of another tool: a table, a trace, a flame graph, curves."""

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

from soltrace.cli.log_files import add_paths, files, missing_modules, unfit, unfit_target
from soltrace.cli.progress_bar import progress_bar
from soltrace.cli.streams import complain

if TYPE_CHECKING:
    from soltrace.report.loading import Converted
    from soltrace.shipping.otlp_json import Written

_USAGE_ERROR: Final = 2
_FAILURE: Final = 1
_TOOLS: Final = {
    ".parquet": "parquet",
    ".pftrace": "perfetto",
    ".perfetto-trace": "perfetto",
    "speedscope.json": "speedscope",
}
"""The form by the ending of the target's name. A directory is TensorBoard's, unless another form is asked for."""
_OTLP_JSON: Final = "otlp-json"
_PARTITIONS: Final = ("day", "event", "experiment", "host", "run_id")
"""What `soltrace.report.partitioned` knows."""

_DESCRIPTION: Final = """\
Write logs as another tool reads them. The name of the target says which:

- FILE.parquet: a table for DuckDB, pandas and polars. A row for each record, under the names of the log, with types:
  timestamps with a time zone, floats (NaN and infinities too), lists, structures, and the attributes as JSON. What a
  record leaves out is null.
- FILE.pftrace, FILE.perfetto-trace: a trace for ui.perfetto.dev. Runs as processes, passes and lanes as tracks,
  forward to backward as flows; progress, step size and rate as counters.
- DIRECTORY/ with --partition-by day,experiment: the same table as a data set for DuckDB, polars and Spark, in
  directories as day=2026-11-27/experiment=fit/. A partition that these logs have rows of is replaced; others stay.
- speedscope.json, or NAME.speedscope.json: a flame graph for speedscope.app, by experiment. Compiling, forward,
  rejected, backward, recomputed; in seconds and in steps.
- DIRECTORY/: curves for TensorBoard. What each pass of an experiment took, one after the other; progress, step sizes
  and rates of the longest passes.
- DIRECTORY/ with --to otlp-json: OpenTelemetry's own JSON lines, traces.jsonl and logs.jsonl, as the receiver
  otlpjsonfile of a collector reads them."""
_EPILOG: Final = """\
examples:
  soltrace convert -o runs.parquet                    everything in soltrace-runs/
  soltrace convert /scratch/me/runs -o fit.parquet
  duckdb -c "SELECT phase, avg(duration_s) FROM 'fit.parquet' WHERE event = 'pass.ended' GROUP BY phase"
  soltrace convert -o fit.pftrace                     then open it in ui.perfetto.dev, which uploads nothing
  soltrace convert -o fit.speedscope.json
  soltrace convert -o events/                         then tensorboard --logdir events
  soltrace convert -o otlp/ --to otlp-json
  soltrace convert -o runs/ --partition-by day,experiment

exit status: 0, 1 if there is no room for the work, 2 if there is nothing to read or nowhere to write"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace convert` takes."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    add_paths(parser)
    parser.add_argument(
        "-o", "--output", type=_target, required=True, metavar="TARGET", help="where to write, and what"
    )
    parser.add_argument(
        "--partition-by",
        type=_columns,
        metavar="COLUMNS",
        help=f"write Parquet into a directory, partitioned by some of {', '.join(_PARTITIONS)}: commas between them",
    )
    parser.add_argument("--to", choices=(_OTLP_JSON,), help="what to write into a directory, if not curves")


def _target(text: str) -> str:
    if not _tool(text):
        endings = ", ".join(_TOOLS)
        raise argparse.ArgumentTypeError(f"must end with one of {endings}, or with / for a directory, got {text!r}")
    return text


def _columns(text: str) -> list[str]:
    names = text.split(",")
    if len(set(names)) < len(names) or not set(names) <= set(_PARTITIONS):
        raise argparse.ArgumentTypeError(f"must be some of {', '.join(_PARTITIONS)}, each once, got {text!r}")
    return names


def _tool(text: str) -> str | None:
    named = next((tool for ending, tool in _TOOLS.items() if text.lower().endswith(ending)), None)
    return named or ("tensorboard" if text.endswith("/") or Path(text).is_dir() else None)


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace convert` does."""
    tool, target = _tool(args.output), Path(args.output)
    if args.partition_by and (args.to or tool != "tensorboard"):
        return _complain("--partition-by needs -o DIRECTORY/, and no --to")
    if args.to:
        return _otlp_json(args, target) if tool == "tensorboard" else _complain(f"--to {args.to} needs -o DIRECTORY/")
    problem = missing_modules(["duckdb"]) or unfit(args.paths)
    problem = problem or (_unfit_directory(target) if tool == "tensorboard" else unfit_target(target))
    problem = problem or (_unlike(target, args.partition_by) if args.partition_by else None)
    if problem:
        return _complain(problem)
    # Here and not above: `--help` and the other commands do without.
    import duckdb

    from soltrace.report.interruptible import interruptible

    try:
        with progress_bar() as tell:
            converted = interruptible(lambda: _convert(str(tool), args, target), tell)
    except (duckdb.Error, OSError) as error:
        return _complain(f"it could not be done: {error}", _FAILURE)
    return _said(converted, args.output)


def _otlp_json(args: argparse.Namespace, target: Path) -> int:
    if problem := unfit(args.paths) or _unfit_directory(target):
        return _complain(problem)
    from soltrace.shipping.otlp_json import write_otlp_json

    try:
        with progress_bar() as tell:
            written = write_otlp_json(files(args.paths, _say), target, _say, lambda share: tell("writing", share))
    except OSError as error:
        return _complain(f"it could not be done: {error}", _FAILURE)
    return _said(written, args.output)


def _said(converted: "Converted | Written", output: str) -> int:
    from soltrace.reading.text import plural

    if not converted.records:
        return _complain("there is no record in what was read")
    print(f"soltrace: wrote {plural(converted.records, 'record')} to {output}", file=sys.stderr)
    if converted.skipped:
        print(
            f"soltrace convert: {plural(converted.skipped, 'line')} skipped: no records of soltrace's", file=sys.stderr
        )
    return 0


def _convert(tool: str, args: argparse.Namespace, target: Path) -> "Converted":
    chosen = files(args.paths, _say)
    if args.partition_by:
        from soltrace.report.partitioned import convert_partitioned

        return convert_partitioned(chosen, target, args.partition_by, _say)
    if tool == "parquet":
        from soltrace.report.parquet import convert

        return convert(chosen, target, _say)
    from soltrace.report.pictures.drawing import draw

    return draw(tool, chosen, target, _say)


def _unfit_directory(target: Path) -> str | None:
    if target.exists() and not target.is_dir():
        return f"{target} is a file, and no directory"
    return None if target.is_dir() and os.access(target, os.W_OK) else unfit_target(target)


def _unlike(target: Path, columns: list[str]) -> str | None:
    from soltrace.report.partitioned import other_columns

    others = other_columns(target, columns)
    if others is None:
        return None
    found = f"by {','.join(others)}" if others else "by nothing"
    return f"{target} holds Parquet files that are partitioned {found}: give another directory"


def _complain(message: str, status: int = _USAGE_ERROR) -> int:
    _say(message)
    return status


def _say(message: str) -> None:
    complain("convert", message)
