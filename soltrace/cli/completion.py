"""`soltrace completion`: prints what a shell needs to complete commands, options and their values.

The script is made from the parsers of the commands, and the shell then completes without starting Python.
"""

import argparse
import importlib
import re
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_DESCRIPTION: Final = "Print a script that lets your shell complete soltrace's commands, options and their values."
_EPILOG: Final = """\
examples:
  eval "$(soltrace completion bash)"       in ~/.bashrc
  eval "$(soltrace completion zsh)"        in ~/.zshrc, after compinit
  soltrace completion fish | source        in ~/.config/fish/config.fish"""


_PATHS: Final = ("PATH", "TARGET")
"""What the value of an option is called that is a path."""


@dataclass(frozen=True)
class OptionSpec:
    """What a shell is told of an option."""

    flags: tuple[str, ...]
    help: str
    valued: bool
    files: bool
    """Whether its value is a path."""
    words: tuple[str, ...]
    """The values that it can have, as far as they are known."""


@dataclass(frozen=True)
class CommandSpec:
    """What a shell is told of a command."""

    name: str
    help: str
    options: tuple[OptionSpec, ...]
    words: tuple[str, ...]
    """The arguments that it can have; empty for paths."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what `soltrace completion` takes."""
    parser.description, parser.epilog = _DESCRIPTION, _EPILOG
    parser.add_argument("shell", choices=sorted(SCRIPTS))


def run(args: argparse.Namespace) -> int:
    """Do what `soltrace completion` does."""
    print("\n".join(SCRIPTS[args.shell](list(_commands()))))
    return 0


def _commands() -> Iterator[CommandSpec]:
    from soltrace.cli import COMMANDS

    for name, (module, summary) in COMMANDS.items():
        parser = argparse.ArgumentParser(prog=f"soltrace {name}")
        importlib.import_module(module).add_arguments(parser)
        actions = parser._actions  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - argparse has no public list
        options = tuple(
            _option(action) for action in actions if action.option_strings and action.help is not argparse.SUPPRESS
        )
        words = [str(word) for action in actions if not action.option_strings for word in action.choices or ()]
        yield CommandSpec(name, summary, options, tuple(words))


def _option(action: argparse.Action) -> OptionSpec:
    flags, valued = tuple(action.option_strings), action.nargs != 0
    words = tuple(str(word) for word in action.choices or ())
    if "--event" in flags:
        from soltrace.reading.parse import KNOWN_EVENTS

        words = KNOWN_EVENTS
    text = " ".join((action.help or action.dest).replace("%%", "%").split())
    return OptionSpec(flags, text, valued, valued and (action.type is Path or action.metavar in _PATHS), words)


def _bash(commands: Sequence[CommandSpec]) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    yield "_soltrace() {"
    yield '    local cur="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}" command="" word'
    yield '    [[ "$cur" == "=" ]] && cur="" || { [[ "$previous" == "=" ]] && previous="${COMP_WORDS[COMP_CWORD-2]}"; }'
    yield '    for word in "${COMP_WORDS[@]:1:COMP_CWORD-1}"; do'
    yield '        [[ "$word" == -* ]] || { command="$word"; break; }'
    yield "    done"
    yield "    COMPREPLY=()  # Nothing here means paths: see the last line."
    yield '    case "$command:$previous" in'
    for command in commands:
        for option in command.options:
            if option.words:
                yield f"        {_patterns(command, option)}) {_compgen(option.words)}; return ;;"
            elif option.valued:
                yield f"        {_patterns(command, option)}) return ;;"
    yield "    esac"
    yield '    case "$command" in'
    yield f'        "") {_compgen([*names.split(), "--help", "--version"])} ;;'
    for command in commands:
        flags = [flag for option in command.options for flag in option.flags]
        otherwise = f"else {_compgen(command.words)}; " if command.words else ""
        yield f'        {command.name}) if [[ "$cur" == -* ]]; then {_compgen(flags)}; {otherwise}fi ;;'
    yield "    esac"
    yield "}"
    yield "complete -o default -F _soltrace soltrace"


def _patterns(command: CommandSpec, option: OptionSpec) -> str:
    return "|".join(f"{command.name}:{flag}" for flag in option.flags)


def _compgen(words: Sequence[str]) -> str:
    return f'COMPREPLY=($(compgen -W {shlex.quote(" ".join(words))} -- "$cur"))'


def _zsh(commands: Sequence[CommandSpec]) -> Iterator[str]:
    yield "#compdef soltrace"
    yield "_soltrace() {"
    yield '    local command="" word previous="${words[CURRENT-1]}"'
    yield "    local -a found"
    yield '    for word in "${(@)words[2,CURRENT-1]}"; do'
    yield '        [[ "$word" == -* ]] || { command="$word"; break; }'
    yield "    done"
    yield '    case "$command:$previous" in'
    for command in commands:
        for option in command.options:
            if option.valued:
                what = f"compadd -- {' '.join(option.words)}" if option.words else "_files" if option.files else ":"
                yield f"        {_patterns(command, option)}) {what}; return ;;"
    yield "    esac"
    yield '    case "$command" in'
    described = [(command.name, command.help) for command in commands]
    yield f'        "") found=({_described(described)}); _describe command found ;;'
    for command in commands:
        flags = [(flag, option.help) for option in command.options for flag in option.flags]
        otherwise = f"compadd -- {' '.join(command.words)}" if command.words else "_files"
        yield f"        {command.name})"
        yield f'            if [[ "$PREFIX" == -* ]]; then found=({_described(flags)}); _describe option found'
        yield f"            else {otherwise}; fi ;;"
    yield "    esac"
    yield "}"
    yield 'if [[ "${funcstack[1]}" == _soltrace ]]; then _soltrace "$@"; else compdef _soltrace soltrace; fi'


def _described(items: Sequence[tuple[str, str]]) -> str:
    return " ".join(shlex.quote(f"{name}:{text.replace(':', chr(92) + ':')}") for name, text in items)


def _fish(commands: Sequence[CommandSpec]) -> Iterator[str]:
    names = " ".join(command.name for command in commands)
    yield "complete -c soltrace -e"
    before = f"not __fish_seen_subcommand_from {names}"
    yield f"complete -c soltrace -n {_fish_quoted(before)} -f -l help -s h -d 'say what it does'"
    yield f"complete -c soltrace -n {_fish_quoted(before)} -f -l version -d 'show the version and leave'"
    for command in commands:
        yield f"complete -c soltrace -n {_fish_quoted(before)} -f -a {command.name} -d {_fish_quoted(command.help)}"
    for command in commands:
        after = f"complete -c soltrace -n {_fish_quoted(f'__fish_seen_subcommand_from {command.name}')}"
        for option in command.options:
            flags = " ".join(f"-l {flag[2:]}" if flag.startswith("--") else f"-s {flag[1:]}" for flag in option.flags)
            value = f" -x -a {_fish_quoted(' '.join(option.words))}" if option.words else " -r" if option.valued else ""
            yield f"{after} {flags}{value} -d {_fish_quoted(option.help)}"
        if command.words:
            yield f"{after} -f -a {_fish_quoted(' '.join(command.words))}"


def _fish_quoted(text: str) -> str:
    return "'" + re.sub(r"(['\\])", r"\\\1", text) + "'"


SCRIPTS: Final[dict[str, Callable[[Sequence[CommandSpec]], Iterator[str]]]] = {
    "bash": _bash,
    "zsh": _zsh,
    "fish": _fish,
}
