"""The examples in docstrings: what they say comes out does."""

import ast
import importlib
import inspect
import re
import textwrap

import pytest

MODULES = [
    "soltrace.reading.files.follow",
    "soltrace.reading.files.lines",
    "soltrace.reading.live.view",
    "soltrace.reading.parse",
    "soltrace.reading.plain",
    "soltrace.reading.reader",
    "soltrace.reading.select",
    "soltrace.reading.times",
    "soltrace.reading.where",
    "soltrace.report.gather",
    "soltrace.wire.attributes",
    "soltrace.wire.number_text",
    "soltrace.wire.progress",
]


def examples(module) -> list[tuple[str, str]]:
    """The blocks of code in the docstrings of what a module defines, by its name."""
    return [
        (name, textwrap.dedent(block))
        for name, value in vars(module).items()
        if getattr(value, "__module__", "") == module.__name__ and isinstance(getattr(value, "__doc__", None), str)
        for block in re.findall(r"```python\n(.*?)```", inspect.getdoc(value), re.DOTALL)
    ]


@pytest.mark.parametrize("name", MODULES)
def test_examples_are_true(name):
    """A line that ends with a comment gives what the comment says; all other lines are Python at least."""
    module = importlib.import_module(name)
    found = examples(module)
    assert found
    for _, block in found:
        tree = ast.parse(block)
        results = dict(re.findall(r"(?m)^(\S.*?)  # (.*)$", block))
        if not results:
            continue  # It needs a log, or a terminal.
        names = dict(vars(module))
        for statement in tree.body:
            text = ast.get_source_segment(block, statement)
            if text in results:
                assert (text, repr(eval(text, names))) == (text, results.pop(text))
            else:
                exec(text, names)
        assert results == {}
