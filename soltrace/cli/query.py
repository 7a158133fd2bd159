"""`soltrace query`: questions in SQL over logs."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from soltrace.cli.log_files import files, missing_modules, unfit
from soltrace.cli.streams import complain
from soltrace.wire.log_names import DEFAULT_DIRECTORY, DIRECTORY_VARIABLE

_STDIN: Final = "-"
_USAGE_ERROR: Final = 2
_FAILURE: Final = 1

_DESCRIPTION: Final = """\
Ask logs a question in DuckDB's SQL, of views such as passes, lanes, progress, steps and attempts. Without a question:
say which columns these have, with their units. A question reads: it is shown no other file, and writes none."""
_EPILOG: Final = """\
examples:
  soltrace query "SELECT phase, count(*), sum(duration_s) FROM passes GROUP BY ALL"
  soltrace query /scratch/me/runs "SELECT run_id, result, t FROM passes WHERE status = 'error' ORDER BY started"
  soltrace query --json "SELECT attributes->>'lr' AS lr, avg(step) AS steps FROM passes GROUP BY ALL" | jq .steps
  soltrace query runs - < question.sql
  soltrace query                                  the views and their columns

exit status: 0, 1 if there is no room for the work, 2 if the question is none or there is nothing to read"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace query` takes."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument(
        "arguments",
        nargs="*",
        metavar="PATH or SQL",
        help=f"log files, directories of them, or patterns (default: ${DIRECTORY_VARIABLE}, or {DEFAULT_DIRECTORY}/), "
        "and one question: what has a blank in it and is no file, or - for the standard input",
    )
    parser.add_argument("--json", action="store_true", help="an object of JSON for each row, one a line")


def options_first(arguments: Sequence[str]) -> list[str]:
    """Put the options before the paths and the question: argparse takes those that stand together, and no others."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    before, after = arguments[1:end], arguments[end:]
    options = [argument for argument in before if argument.startswith("-") and argument != _STDIN]
    return [arguments[0], *options, *(argument for argument in before if argument not in options), *after]


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace query` does."""
    questions = [argument for argument in args.arguments if _is_question(argument)]
    paths = [Path(argument) for argument in args.arguments if not _is_question(argument)]
    if len(questions) > 1:
        return _complain(f"expected one question, got {len(questions)}")
    if problem := (missing_modules(["duckdb"]) if questions else None) or (
        unfit(paths) if questions or paths else None
    ):
        return _complain(problem)
    if not questions:
        _show_views(as_json=args.json)
        return 0
    return _answer(paths, _read_stdin() if questions == [_STDIN] else questions[0], as_json=args.json)


def _is_question(argument: str) -> bool:
    return argument == _STDIN or (any(map(str.isspace, argument)) and not Path(argument).exists())


def _read_stdin() -> str:
    with open(0, "rb", closefd=False) as file:  # not sys.stdin, which may be None, or of any encoding
        return file.read().decode("utf-8", "replace")


def _show_views(*, as_json: bool) -> None:
    from soltrace.cli.answers import print_json
    from soltrace.report.views import LOG_VIEWS

    if as_json:
        every = ((name, column) for name, view in LOG_VIEWS.items() for column in view.columns)
        rows = ((name, column.name, column.type, column.unit, column.means) for name, column in every)
        print_json(["view", "column", "type", "unit", "means"], rows)
        return
    for name, view in LOG_VIEWS.items():
        print(f"{name}\n  {view.rows}\n")
        for column in view.columns:
            means = f"{column.means} [{column.unit}]" if column.unit else column.means
            print(f"  {column.name:<16} {column.type.replace(' WITH TIME ZONE', 'TZ'):<12} {means}")
        print()


def _answer(paths: Sequence[Path], question: str, *, as_json: bool) -> int:
    # Here and not above: `--help` and the other commands do without.
    import duckdb

    from soltrace.cli.answers import MOST_SHOWN, print_json, print_table
    from soltrace.reading.text import plural
    from soltrace.report.interruptible import interruptible
    from soltrace.report.question import QuestionError, query

    def show() -> None:
        with query(files(paths, _say), question, _say) as answer:
            if as_json:
                print_json(answer.names, answer.rows)
            elif print_table(answer.names, answer.rows):
                _say(f"the first {MOST_SHOWN:,} rows are shown: --json writes all")
            if answer.read.skipped:
                _say(f"{plural(answer.read.skipped, 'line')} skipped: no records of soltrace's")

    try:
        interruptible(show)
    except QuestionError as error:
        return _complain(str(error))
    except duckdb.Error as error:  # what can't be written is said by `main`
        return _complain(f"it could not be done: {error}", _FAILURE)
    return 0


def _complain(message: str, status: int = _USAGE_ERROR) -> int:
    _say(message)
    return status


def _say(message: str) -> None:
    complain("query", message)
