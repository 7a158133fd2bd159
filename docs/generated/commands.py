"""The reference of the command line: every command and option, from the parsers that read them."""

import argparse
import importlib
from collections.abc import Iterator
from functools import partial

from soltrace.cli import COMMANDS

WIDTH = 84
"""Of a line of usage: what a page shows without scrolling."""


def parser_of(name: str) -> argparse.ArgumentParser:
    """The parser of a command, without what `soltrace` puts around it."""
    formatter = partial(argparse.RawDescriptionHelpFormatter, width=WIDTH)
    parser = argparse.ArgumentParser(prog=f"soltrace {name}", formatter_class=formatter)
    parser.color = False  # type: ignore[attr-defined] - Python 3.14 would colour it
    importlib.import_module(COMMANDS[name][0]).add_arguments(parser)
    return parser


def page() -> str:
    """All commands."""
    return "\n".join(_command(name) for name in COMMANDS)


def _command(name: str) -> str:
    parser = parser_of(name)
    usage = parser.format_usage().removeprefix("usage: ").rstrip()
    return "\n".join(
        [
            f"## `soltrace {name}`",
            "",
            parser.description or COMMANDS[name][1],
            "",
            *_fenced(usage),
            *(line for group in parser._action_groups for line in _group(parser, group)),  # noqa: SLF001 - no public list
            *_fenced((parser.epilog or "").rstrip()),
        ]
    )


def _group(parser: argparse.ArgumentParser, group: argparse._ArgumentGroup) -> Iterator[str]:
    rows = [_row(parser, action) for action in group._group_actions if action.help != argparse.SUPPRESS]  # noqa: SLF001
    if rows:
        yield from (f"**{(group.title or '').capitalize()}.** {group.description or ''}", "")
        yield from ("| | |", "| --- | --- |", *rows, "")


def _row(parser: argparse.ArgumentParser, action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else _value(action)
    names = action.option_strings or [value]
    shown = ", ".join(f"`{name}`" for name in names) + (f" `{value}`" if value and action.option_strings else "")
    text = " ".join((action.help or "").replace("%%", "%").split()) % (vars(action) | {"prog": parser.prog})
    repeated = " May be given more than once." if isinstance(action.default, list) else ""
    return f"| {shown} | {_escaped(text)}{repeated} |"


def _value(action: argparse.Action) -> str:
    choices = "|".join(map(str, action.choices)) if action.choices else ""
    value = str(action.metavar or choices or action.dest.upper())
    return f"[{value}]" if action.nargs == "?" and action.option_strings else value.replace("|", " or ")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("[", "\\[").replace("$", "\\$")


def _fenced(text: str) -> list[str]:
    return ["```text", text, "```", ""] if text else []
