"""The command line. Each command is a module of its own, which is imported only when the command is called.

Such a module defines `add_arguments` and `run`; see `Command`.
"""

import argparse
import importlib
import signal
import sys
from collections.abc import Sequence
from types import FrameType
from typing import TYPE_CHECKING, Final, Protocol, cast

from soltrace import __version__
from soltrace.cli.streams import complain, discard_output, failed_output, open_streams

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

COMMANDS: Final = {
    "run": ("soltrace.cli.run", "run a Python program, unchanged, and trace its solves"),
    "tail": ("soltrace.cli.tail", "follow logs: a live view on a terminal, else a readable line per event"),
    "demo": ("soltrace.cli.demo", "fit a Lotka-Volterra model to the lynx and hare pelts, and watch it"),
    "report": ("soltrace.cli.report", "say what logs hold as a whole: a page, Markdown or JSON"),
    "explain": ("soltrace.cli.explain", "say why passes failed or took long, and what to try"),
    "query": ("soltrace.cli.query", "ask logs a question in SQL"),
    "convert": (
        "soltrace.cli.convert",
        "write logs as other tools read them: Parquet, Perfetto, speedscope, TensorBoard",
    ),
    "ship": ("soltrace.cli.ship", "send logs to a collector that could not be reached while they were written"),
    "formats": ("soltrace.cli.formats", "have the log viewers lnav and hl read the log well"),
    "completion": ("soltrace.cli.completion", "print what your shell needs to complete all of this"),
}
"""The module of each command and one line of help, by the name of the command."""
RUN: Final = "run"
"""The command whose arguments end with a program and its arguments."""
MIXED: Final = frozenset({"query", "explain"})
"""The commands whose options may stand between their arguments."""
FAILURE: Final = 1
USAGE_ERROR: Final = 2
INTERRUPTED: Final = 128 + signal.SIGINT
TERMINATED: Final = 128 + signal.SIGTERM


class Command(Protocol):
    """What the module of a command defines. It is the one thing that `soltrace.cli` knows of it."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the command's options, its description, and an epilog with examples."""
        ...

    def run(self, args: argparse.Namespace) -> int:
        """Do what the command does, and return the exit status."""
        ...


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: The arguments after the program's name; None for those of this process.

    Returns:
        The exit status: 130 when interrupted, 0 when nobody reads the output any more (`| head`), 1 when it can't be
        written.

    Raises:
        BaseException: What a program raises that `soltrace run` runs.
    """
    arguments = sys.argv[1:] if argv is None else argv
    chosen = _chosen(arguments)
    if chosen == RUN:
        return _run(arguments)  # signals, and what is raised, are the program's own affair
    open_streams()
    signal.signal(signal.SIGTERM, _terminate)
    try:
        try:
            return _run(arguments)
        finally:
            sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        discard_output()
        return 0
    except OSError as error:
        discard_output()
        complain(chosen, failed_output(error))
        return FAILURE


def _run(arguments: Sequence[str]) -> int:
    chosen = _chosen(arguments)
    parser, command = _parser(chosen)
    program: list[str] = []
    if chosen == RUN:
        from soltrace.cli.run import split

        arguments, program = split(arguments)
    elif chosen in MIXED and arguments[0] == chosen:
        from soltrace.cli.query import options_first

        arguments = options_first(arguments)
    args = parser.parse_args(arguments, argparse.Namespace(program=program))
    if command is None:
        parser.print_help()
        return USAGE_ERROR
    return command.run(args)


def _chosen(arguments: Sequence[str]) -> str | None:
    return next((argument for argument in arguments if not argument.startswith("-")), None)


def _parser(chosen: str | None) -> tuple[argparse.ArgumentParser, Command | None]:
    parser = _Parser(
        prog="soltrace", description="Progress of differentiable solvers as telemetry: look at what was written."
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="show the version and leave")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND")
    command: Command | None = None
    # Only the command that was named is imported: the others' libraries take their time.
    for name, (module, summary) in COMMANDS.items():
        own = commands.add_parser(name, help=summary, formatter_class=argparse.RawDescriptionHelpFormatter)
        if name == chosen:
            command = cast("Command", importlib.import_module(module))
            command.add_arguments(own)
    return parser, command


class _Parser(argparse.ArgumentParser):
    """Shows its help on stdout, and fails where that can't be written: argparse's own takes that for shown."""

    def print_help(self, file: "SupportsWrite[str] | None" = None) -> None:
        (file or sys.stdout).write(self.format_help())


class _Version(argparse.Action):
    """Shows the version on stdout, as argparse's own action would."""

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        print(f"soltrace {__version__}")
        parser.exit()


def _terminate(_signum: int, _frame: FrameType | None) -> None:
    # An exception, and not the default end of the process, so that a terminal gets its cursor back.
    raise SystemExit(TERMINATED)
