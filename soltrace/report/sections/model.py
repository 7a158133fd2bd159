"""What a report in words is made of: sections of sentences, tables and charts, as plain text without markup.

All strings are printable already (`soltrace.reading.text.clean`), so that a format has only its own markup to escape.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """The cells of one row of a table."""

    cells: tuple[str, ...]
    experiment: str | None = None
    """The experiment by which a reader may choose rows."""
    bad: bool = False
    """Whether it is about something that went wrong."""


@dataclass(frozen=True)
class Table:
    """A table. The first column names what a row is about."""

    title: str
    columns: tuple[str, ...]
    rows: list[Row]
    left_out: int = 0
    """How many more rows there would be."""
    text_columns: frozenset[str] = frozenset()
    """The columns that hold text. All others but the first hold numbers, and are aligned to the right."""

    def numeric(self, index: int) -> bool:
        """Return whether a column holds numbers."""
        return index > 0 and self.columns[index] not in self.text_columns


@dataclass(frozen=True)
class Figure:
    """A chart, and in a table what it shows."""

    chart: str
    """The name of its specification (see `soltrace.report.charts`)."""
    title: str
    description: str
    """For those who can't see it: what is drawn, and what can be seen in it."""
    table: Table


@dataclass(frozen=True)
class Choice:
    """One of several ways to look at the same thing."""

    name: str
    sentences: list[str]
    figure: Figure


@dataclass(frozen=True)
class Section:
    """The answer to something that readers ask."""

    name: str
    """A short name, for links within the page."""
    title: str
    sentences: list[str]
    tables: list[Table] = field(default_factory=list[Table])
    figures: list[Figure] = field(default_factory=list[Figure])
    choices: list[Choice] = field(default_factory=list[Choice])
    """The page shows one of them at a time, and a text all."""
