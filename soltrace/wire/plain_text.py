"""Text from outside, made fit for a line: strict Unicode, and bounded.

Any side, any thread. A string of Python's may hold what no encoding takes, such as the name of a file that is not UTF-8
or half an emoji; one such character would cost the whole line.
"""

from typing import Final

TEXT_AT_MOST: Final = 4096
"""Characters of a text on a line. It is there again on each line, so a longer one has its place in a file."""
NAME_AT_MOST: Final = 256
"""Characters of a name: of an attribute, an experiment, a class, a function."""
PATH_AT_MOST: Final = 1024
"""Characters of the names of nested experiments, joined."""


def plain_text(text: str, at_most: int = TEXT_AT_MOST) -> str:
    r"""Make a text fit for a line.

    What is no character is escaped as Python would, `\udce9`; where the text is too long, its beginning is kept, and
    its end says so.

    Args:
        text: Any string, also of a subclass.
        at_most: How many characters are kept.
    """
    kept = str.__str__(text) if len(text) <= at_most else f"{text[:at_most]}… ({len(text)} characters)"
    return kept if kept.isascii() else kept.encode("utf-8", "backslashreplace").decode("utf-8")


def said_by(error: BaseException, at_most: int = TEXT_AT_MOST) -> str:
    """Return the type and the message of an exception, whatever its class makes of that."""
    kind = type(error).__name__
    try:
        message = str(error)
    except Exception as failure:  # noqa: BLE001 - a class of the user's; that it has no message is said instead
        message = f"its message could not be read: {type(failure).__name__}"
    return plain_text(f"{kind}: {message}", at_most)
