"""`soltrace run`: runs a program of the user's, unchanged and in this process, with its solves traced."""

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Final

from soltrace.cli import program
from soltrace.cli.checks import OTLP_ENDPOINT, endpoint, missing_exporter, unfit_directory
from soltrace.wire.flags import LIVE
from soltrace.wire.log_names import DIRECTORY_VARIABLE, directory_of
from soltrace.wire.warn import say_on

_USAGE_ERROR: Final = 2
_NO_MODULE: Final = 1
"""The exit status that Python itself has then."""
_MODULE: Final = "-m"
_CODE: Final = "-c"
_STDIN: Final = "-"
_FROM: Final = (_MODULE, _CODE)
"""Options of Python's that say what the program is: what follows is not ours."""
_OTLP: Final = "--otlp"
_LIVE: Final = "--live"
_VALUED: Final = frozenset({"--attributes", "--experiment", "--dir"})
"""Those of our options that are followed by a value."""
_PYTHONS: Final = ("-b", "-B", "-d", "-E", "-i", "-I", "-O", "-P", "-q", "-s", "-S", "-u", "-v", "-W", "-x", "-X")
"""Options of Python's that it can only be given when it is started."""
_PYTHONS_VALUED: Final = ("-W", "-X")
"""Those of them that are followed by a value."""

_DESCRIPTION: Final = """\
Run a Python program, unchanged, and trace its solves. Its arguments, its exit status and what it prints stay
its own; where the log is, is said on stderr."""
_EPILOG: Final = """\
examples:
  soltrace run fit.py --epochs 10
  soltrace run --experiment fit --attributes seed=3,lr=1e-3 -m mypackage.fit --epochs 10
  soltrace run --otlp http://collector:4318 fit.py
  soltrace run --live fit.py
  python -X dev -u -m soltrace run fit.py

A program is whatever Python takes for one: a file, a directory or an archive with a __main__.py, compiled code, a
module, -c and code, or - for what stdin holds.
A value of --attributes is a number where it is spelled as one (3, -2.5, 1e-3), true or false, or else a text: 007,
3.10, 1_000 and 12e5678 stay what they are.

Processes that it starts anew (multiprocessing's spawn, subprocess) are not traced; those that it forks are.
A program that sets OpenTelemetry up itself keeps its own providers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace run` takes. What follows the program's name is the program's."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.usage = (
        f"soltrace run [-h] [--attributes KEY=VALUE,...] [--experiment NAME] [--dir PATH] [{_OTLP} [ENDPOINT]]\n"
        f"                    [{_LIVE}] (PROGRAM.py | {_MODULE} MODULE | {_CODE} CODE | DIRECTORY | -) [ARGUMENT ...]"
    )
    parser.allow_abbrev = False  # `split` knows the names as they are
    parser.add_argument(
        "--attributes", type=_attributes, metavar="KEY=VALUE,...", help="put on every line and span of the run"
    )
    parser.add_argument(
        "--experiment", type=_name, metavar="NAME", help="make the whole run an experiment of this name"
    )
    parser.add_argument(
        "--dir", metavar="PATH", help="where the log is written (default: $SOLTRACE_DIR, or soltrace-runs/)"
    )
    parser.add_argument(
        _OTLP,
        type=endpoint,
        nargs="?",
        const=OTLP_ENDPOINT,
        metavar="ENDPOINT",
        help=f"export to an OpenTelemetry collector too (default: {OTLP_ENDPOINT})",
    )
    parser.add_argument(
        _LIVE, action="store_true", help="show the live view here, below what the program prints, until it ends"
    )
    parser.add_argument(*_PYTHONS, action=_Pythons, nargs="?", help=argparse.SUPPRESS)


class _Pythons(argparse.Action):
    """Refuses an option of Python's, and says where it belongs."""

    def __call__(self, parser: argparse.ArgumentParser, _: object, value: object, option: str | None = None) -> None:
        given = f"{option}{value or (' ...' if option in _PYTHONS_VALUED else '')}"
        parser.exit(
            _USAGE_ERROR,
            f"soltrace run: {given} is an option of Python's, to be given before: python {given} -m soltrace run ...\n",
        )


def split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Split a command line into our part and the program's. argparse cannot, since both may have options.

    Returns:
        Our part, and the program's: a file, `-`, or `-m` or `-c` and what that takes, and its arguments.
    """
    index = arguments.index("run") + 1
    while index < len(arguments) and arguments[index].startswith("-") and arguments[index] != _STDIN:
        if arguments[index].startswith(_FROM):
            attached = arguments[index][2:]  # as in -mpdb
            return list(arguments[:index]), [arguments[index][:2], *filter(None, [attached]), *arguments[index + 1 :]]
        option = arguments[index]
        index += 1
        if option == "--":
            return list(arguments[: index - 1]), list(arguments[index:])
        # An endpoint is a URL, and a program is none.
        if option in _VALUED or (option == _OTLP and "://" in "".join(arguments[index : index + 1])):
            index += 1
    return list(arguments[:index]), list(arguments[index:])


def _attributes(text: str) -> str:
    from soltrace.wire.attributes import parse_attributes

    _, malformed = parse_attributes(text)
    if malformed:
        parts = ", ".join(map(repr, malformed))
        raise argparse.ArgumentTypeError(f"must be like seed=3,lr=1e-3; not so: {parts}")
    return text


def _name(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("must not be empty")
    return text


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace run` does. What the program raises is raised, `SystemExit` included."""
    if args.dir is not None and (problem := unfit_directory(directory_of(args.dir))):
        return _complain(f"{problem}; choose another with --dir")
    if args.otlp is not None and (problem := missing_exporter()):
        return _complain(f"{_OTLP} {problem}")
    name = args.program[0] if args.program else ""
    if not name or (name in _FROM and not args.program[1:]):
        return _complain(f"which program? A file or {_MODULE} MODULE is missing; see soltrace run --help")
    os.environ.update(_environment(args, os.environ))
    import soltrace
    from soltrace.zero_code import hooks

    hooks.instrument()
    if not args.live:  # whose screen has to know of each line
        say_on(sys.stderr)
    try:
        execute = program.prepared(args.program)
    except OSError as error:
        return _complain(f"can't open {name}: {error.strerror}")
    except ImportError as error:
        return _complain(f"{error}", _NO_MODULE)
    with nullcontext() if args.experiment is None else soltrace.experiment(args.experiment):
        try:
            execute()
        except SystemExit as ending:
            hooks.tell_exit(ending)
            raise
    return 0


def _environment(args: argparse.Namespace, environ: Mapping[str, str]) -> dict[str, str]:
    """Return the settings as environment variables.

    No `configure()` in the program undoes these, and its own processes inherit them.
    """
    variables: dict[str, str] = {}
    if args.dir is not None:
        variables[DIRECTORY_VARIABLE] = str(directory_of(args.dir).absolute())  # the program may go elsewhere
    if args.attributes is not None:
        before = environ.get("SOLTRACE_ATTRIBUTES")
        variables["SOLTRACE_ATTRIBUTES"] = f"{before},{args.attributes}" if before else args.attributes
    if args.live:
        variables[LIVE] = "1"
    if args.otlp is not None:
        variables["OTEL_EXPORTER_OTLP_ENDPOINT"] = args.otlp
    return variables


def _complain(message: str, status: int = _USAGE_ERROR) -> int:
    print(f"soltrace run: {message}", file=sys.stderr)
    return status
