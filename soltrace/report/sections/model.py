"""What the forms of a report are made of: sections of sentences, tables and pictures, as plain text and no markup.

All strings are printable already (`soltrace.reading.text.clean`); a form has only its own signs to escape.
"""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """Cells of a table."""

    cells: tuple[str, ...]
    experiment: str | None = None
    """By which a reader may choose rows."""
    bad: bool = False
    """It is about something that went wrong."""


@dataclass(frozen=True)
class Table:
    """A table. The first column names what a row is about."""

    title: str
    columns: tuple[str, ...]
    rows: list[Row]
    left_out: int = 0
    """Rows that there are beside those."""
    text_columns: frozenset[str] = frozenset()
    """All other columns but the first are numbers, and are aligned to the right."""

    def numeric(self, index: int) -> bool:
        """Tell whether a column holds numbers."""
        return index > 0 and self.columns[index] not in self.text_columns


@dataclass(frozen=True)
class Figure:
    """A picture, and in a table what it shows."""

    chart: str
    """Its name among the charts."""
    title: str
    description: str
    """For who can't see it: what is drawn, and what is to be seen."""
    table: Table


@dataclass(frozen=True)
class Choice:
    """One way to look at something."""

    name: str
    sentences: list[str]
    figure: Figure


@dataclass(frozen=True)
class Section:
    """Something that a reader asks."""

    name: str
    """Short, for addresses within the page."""
    title: str
    sentences: list[str]
    tables: list[Table] = field(default_factory=list[Table])
    figures: list[Figure] = field(default_factory=list[Figure])
    choices: list[Choice] = field(default_factory=list[Choice])
    """Of which the page shows one at a time, and a text all."""
