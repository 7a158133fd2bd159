"""The page that a benchmark writes: what was measured, the table, on what, and the command that repeats it."""

import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine


def write(path: Path, title: str, about: str, table: Sequence[str], module: str, argv: Sequence[str] | None) -> None:
    """Write the page, and say so.

    Args:
        path: The file to write.
        title: Of the page.
        about: What the table shows.
        table: Its lines.
        module: That was run.
        argv: Its arguments; None: those of this process.
    """
    command = " ".join([f"python -m {module}", *(sys.argv[1:] if argv is None else argv)])
    lines = [f"# {title}", "", about, "", *table, "", machine.describe(), "", f"Written by `{command}`.", ""]
    path.write_text("\n".join(lines), encoding="utf-8")
    print(f"\nWritten to benchmarks/{path.name}.")
