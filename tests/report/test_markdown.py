"""The report as text, whole."""

from pathlib import Path

import pytest

from soltrace import __version__
from soltrace.report.gather import gather
from soltrace.report.markdown import escaped, markdown

EXPECTED = Path(__file__).parent / "expected" / "story.md"


@pytest.fixture
def report(story, monkeypatch):
    monkeypatch.chdir(story)
    return gather([Path("a.jsonl"), Path("b.jsonl")])


def test_the_story_of_two_runs(report):
    """What ran, when, where and how it ended, what it cost and what went wrong: to the letter."""
    text = markdown(report).replace(f"soltrace {__version__}", "soltrace VERSION")
    assert text == EXPECTED.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "text,expected",
    [
        ("a|b", r"a\|b"),
        ("<script>alert(1)</script>", r"\<script\>alert(1)\</script\>"),
        ("![x](http://y)", r"!\[x\](http://y)"),
        ("`$x$` & *y*", r"\`\$x\$\` \& \*y\*"),
    ],
    ids=["cell", "tag", "picture", "signs"],
)
def test_what_a_log_says_is_text(text, expected):
    """No value ends a cell, becomes a tag, loads a picture or is set as a formula."""
    assert escaped(text) == expected
