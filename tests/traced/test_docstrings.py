"""The examples in the docstrings of what users import."""

import doctest

import pytest

import soltrace
from soltrace import traced
from soltrace.testing import capture


@pytest.mark.parametrize("name", traced.__all__)
def test_the_example_does_what_it_says(name: str) -> None:
    """Each public name has one."""
    (example,) = doctest.DocTestFinder(recurse=False).find(getattr(soltrace, name), name, globs={})
    assert example.examples
    with capture():
        assert doctest.DocTestRunner().run(example).failed == 0


def test_help_shows_our_docstring_and_diffraxs_arguments() -> None:
    """Not diffrax's docstring, which says nothing of attributes."""
    assert "soltrace.AttributeValueError" in (soltrace.diffeqsolve.__doc__ or "")
    assert soltrace.diffeqsolve.__module__ == "soltrace.traced.solve"
