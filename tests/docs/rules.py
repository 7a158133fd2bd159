"""What becomes of each block of the pages: one rule a block, and what no rule covers is an error.

- `{...}`: a directive of the generator. `make docs` builds it, and fails where it can't.
- `python` or `bash` that begins with the name of a file (`# fit.py`): is written there; a later command has to use it.
- `python`: runs, in one namespace a page.
- `bash`: runs, with what can't be had in a test answered for: see `Bash`.
- `text` or `json`, right after one that runs: has to be what that printed.
"""

import re
import shlex
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from tests.docs.pages import ROOT, Fence


@dataclass(frozen=True)
class Directive:
    """The generator's business."""


@dataclass(frozen=True)
class File:
    """A file to be written."""

    name: str
    text: str


@dataclass(frozen=True)
class Python:
    """Code to be run in the page's namespace."""

    text: str


@dataclass(frozen=True)
class Bash:
    """Commands to be run; `checked` are those that are looked at instead."""

    text: str
    checked: tuple[str, ...]


@dataclass(frozen=True)
class Output:
    """What the block before it prints."""

    text: str


Rule: TypeAlias = Directive | File | Python | Bash | Output


class UncoveredError(Exception):
    """No rule says what is to become of a block or a command."""


def rules(fences: list[Fence]) -> list[Rule]:
    """The rule of each block.

    Raises:
        UncoveredError: There is none.
    """
    found: list[Rule] = []
    for fence in fences:
        found.append(_rule(fence, found[-1] if found else None))
    text = "\n".join(rule.text for rule in found if isinstance(rule, Bash | Python | File))
    for rule in found:
        if isinstance(rule, File) and text.count(rule.name) < 2:
            raise UncoveredError(f"nothing on the page uses {rule.name}")
    return found


_FILE: Final = re.compile(r"\A(?:#!.*\n)?# ([\w.-]+\.(?:py|sh))\n")


def _rule(fence: Fence, before: Rule | None) -> Rule:
    if fence.language.startswith("{"):
        return Directive()
    if fence.language in {"python", "bash"}:
        if (named := _FILE.match(fence.text)) is not None:
            return File(named[1], fence.text)
        return Python(fence.text) if fence.language == "python" else _bash(fence.text)
    if fence.language in {"text", "json"} and isinstance(before, Python | Bash):
        return Output(fence.text)
    what = repr(fence.language) if fence.language else "an indented block or one without a language"
    raise UncoveredError(f"line {fence.line}: no rule for {what} after {before!r:.60}")


def _bash(text: str) -> Bash:
    run, checked = [], []
    for command in _commands(text):
        words = shlex.split(command, comments=True)
        if words and check(words):
            checked.append(command)
        else:
            run.append(f"{command} --no-follow" if words[:2] == ["soltrace", "tail"] and not _ends(words) else command)
    return Bash("\n".join(run), tuple(checked))


def _ends(words: list[str]) -> bool:
    """Whether a `soltrace tail` ends by itself: one that follows for ever is run to the end of what is there."""
    return not {"--no-follow", "--until-done", "--help"}.isdisjoint(words)


def _commands(text: str) -> Iterator[str]:
    yield from text.replace("\\\n", " ").splitlines()


def check(words: list[str]) -> bool:
    """Check a command that no test can run; false for one that runs.

    Raises:
        UncoveredError: It names what is not there.
    """
    while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    match words:
        case [("pip" | "make" | "docker"), *others] if not {"&&", "||", "|", ";"}.isdisjoint(others):
            raise UncoveredError(f"one command a line, or what follows is not run: `{shlex.join(words)}`")
        case ["pip", "install", target]:
            _check_extras(target)
        case ["make", target, *_]:
            _check_target(target)
        case ["docker", "compose", "up" | "down", *_]:
            _there(ROOT / "docker-compose.yml")
        case ["mlflow", "server"]:
            pass  # the tests of that page run one
        case [("pip" | "make" | "docker" | "git" | "conda" | "uv"), *_]:
            raise UncoveredError(f"no rule for `{shlex.join(words)}`")
        case _:
            return False
    return True


def _check_extras(target: str) -> None:
    """`pip install ".[otlp]"`: the project is made anew by other tests; here its extras have to exist."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    named = re.fullmatch(r"\.(?:\[([\w,-]+)\])?", target)
    if named is None or not set((named[1] or "").split(",")) <= {"", *project["optional-dependencies"]}:
        raise UncoveredError(f"pip can't install {target}")


def _check_target(target: str) -> None:
    if not re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE):
        raise UncoveredError(f"the Makefile has no target {target}")


def _there(path: object) -> None:
    if not getattr(path, "is_file", bool)():
        raise UncoveredError(f"{path} is not there")
