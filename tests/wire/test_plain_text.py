"""Text from outside, on a line: escaped where it is no text, and bounded."""

import os

import pytest

from soltrace.wire.plain_text import plain_text, said_by


class SilentError(Exception):
    """An exception that can't say what it is."""

    def __str__(self) -> str:
        raise KeyError("no")


@pytest.mark.parametrize(
    "text,plain",
    [
        ("Zürich 🎉\n\0", "Zürich 🎉\n\0"),
        (os.fsdecode(b"r\xe9sum\xe9.csv"), r"r\udce9sum\udce9.csv"),
        ("half \ud83d", r"half \ud83d"),
        ("12345", "12345"),
        ("123456", "12345… (6 characters)"),
        ("1234\ud83d6", r"1234\ud83d… (6 characters)"),
    ],
    ids=["text", "bytes", "half", "fits", "long", "both"],
)
def test_a_text_fits_on_a_line(text: str, plain: str) -> None:
    """What is text stays as it is."""
    assert plain_text(text, 5 if text[0] == "1" else 99) == plain


@pytest.mark.parametrize(
    "error,said",
    [
        (ValueError("bad"), "ValueError: bad"),
        (ValueError(), "ValueError: "),
        (OSError("no \ud83d"), r"OSError: no \ud83d"),
        (SilentError(), "SilentError: its message could not be read: KeyError"),
    ],
    ids=["message", "none", "surrogate", "raises"],
)
def test_an_exception_says_what_it_is(error: Exception, said: str) -> None:
    """Whatever its class makes of that."""
    assert said_by(error) == said
