"""What Sphinx needs: a directive that puts a generated part into a page, and docstrings as they stand in the source."""

from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from . import commands, records, signals, source, views

PARTS = {
    "commands": commands.page,
    "records": records.page,
    "metrics": signals.metrics,
    "attributes": signals.attributes,
    "views": views.page,
}


class Generated(SphinxDirective):
    """`{generated} records`: what `PARTS` makes of that name."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Make it, as if it stood in the page."""
        return self.parse_text_to_nodes(PARTS[self.arguments[0]](), allow_section_headings=True)


def _as_in_the_source(_: Sphinx, kind: str, __: str, what: Any, ___: Any, lines: list[str]) -> None:
    if kind == "function" and hasattr(what, "__wrapped__") and (text := source.docstring(what)):
        lines[:] = [*text.splitlines(), ""]


def _fences_as_directives(_: Sphinx, __: str, ___: str, ____: Any, _____: Any, lines: list[str]) -> None:
    """Docstrings have Markdown's fences around code, which autodoc takes for text."""
    inside = False
    found = []
    for line in lines:
        if line.lstrip().startswith("```"):
            indent, inside = line[: len(line) - len(line.lstrip())], not inside
            found += ["", f"{indent}.. code-block:: {line.strip('` ')}", ""] if inside else [""]
        else:
            found.append(f"    {line}" if inside else line)
    lines[:] = found


def setup(app: Sphinx) -> dict[str, bool]:
    """Register them; before napoleon, which rewrites the docstring."""
    app.add_directive("generated", Generated)
    app.connect("autodoc-process-docstring", _as_in_the_source, priority=0)
    app.connect("autodoc-process-docstring", _fences_as_directives, priority=1)
    return {"parallel_read_safe": True}
