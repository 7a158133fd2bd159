"""The pages and what stands in their fences, found by the parser that also builds them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT: Final = Path(__file__).parents[2]
PAGES: Final = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


@dataclass(frozen=True)
class Fence:
    """A block of code: its language (empty where none is named), its text, and the line of the page it begins on."""

    language: str
    text: str
    line: int


def fences(page: Path) -> list[Fence]:
    """All blocks of code of a page, indented ones too, which have no language."""
    return list(_fences(MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))))


def _fences(tokens: list[Token]) -> Iterator[Fence]:
    for token in tokens:
        if token.type in {"fence", "code_block"}:
            line = 0 if token.map is None else token.map[0] + 1
            yield Fence(token.info.strip(), token.content, line)


def name_of(page: Path) -> str:
    """The page as the id of a test."""
    return str(page.relative_to(ROOT).with_suffix(""))
