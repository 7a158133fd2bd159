"""The page that a benchmark writes: what was measured, the table, on what, and the command that repeats it."""

import argparse
import sys
from collections.abc import Iterable, Sequence
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


def tell(
    args: argparse.Namespace,
    lines: tuple[Sequence[str], Iterable[str]],
    path: Path,
    text: tuple[str, str],
    module: str,
    argv: Sequence[str] | None,
) -> int:
    """Print a table while it is measured, and write its page.

    Args:
        args: `no_write`: do not write; `check`: a limit that is exceeded is a failure.
        lines: Of the table: its header, and a line for each row.
        path: The page.
        text: Its title, and what it is about.
        module: As in `write`.
        argv: As in `write`.

    Returns:
        The exit status.
    """
    header, rows = lines
    print(*header, sep="\n")
    table = list(header)
    for row in rows:
        table.append(row)
        print(row, flush=True)
    if not args.no_write:
        write(path, *text, table, module, argv)
    return 1 if args.check and any("✗" in row for row in table) else 0
