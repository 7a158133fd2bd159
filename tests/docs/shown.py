"""Is what a page shows what its code prints? What differs from run to run counts as the same, all else has to be equal.

A line of `...` in a page stands for any number of lines. Blanks count as one, because tables line up by what differs.
The live view's lines are left out unless one is shown: without a terminal it says one every few seconds, between
whatever is printed.
"""

import re
from collections.abc import Sequence
from typing import Final

_NUMBER: Final = r"\d[\d,]*(?:\.\d+)?(?:e[+-]?\d+)?"
_UNSTEADY: Final = (
    (re.compile(r"(?<=\s)/\S*/(?=soltrace-runs)"), "<where>/"),
    (re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"), "<timestamp>"),
    (re.compile(r"\d{8}T\d{6}Z-[\w.-]+?-\d+(?=\D|$)"), "<run>"),
    (re.compile(r"…\d*T?\d+Z-[\w.-]+?-\d+\b"), "<run>"),
    (re.compile(r"\b\d\d:\d\d:\d\d\.\d{3}\b"), "<time>"),
    (re.compile(r"\b\d{4}-\d\d-\d\d\b"), "<date>"),
    (re.compile(r"\b(?:0x)?[0-9a-f]{32}\b"), "<trace id>"),
    (re.compile(r"\b(?:0x)?[0-9a-f]{16}\b"), "<span id>"),
    (re.compile(rf'("\w+_s"|"s"): ?{_NUMBER}'), r"\1:<seconds>"),
    (re.compile(rf"\b{_NUMBER} ?(?:s|ms|µs|min|h)\b"), "<duration>"),
    (re.compile(r"\s+"), " "),
)
ANYTHING: Final = "..."
_LIVE: Final = re.compile(r"soltrace: (?:none|\d+ pass(?:es)?) open,")


def matches(shown: str, printed: str) -> bool:
    """Tell whether what is printed is what is shown."""
    if not any(map(_LIVE.match, shown.splitlines())):
        printed = "\n".join(line for line in printed.splitlines() if not _LIVE.match(line))
    return _match(_lines(shown), _lines(printed))


def steady(text: str) -> str:
    """A text without what differs from run to run."""
    for pattern, name in _UNSTEADY:
        text = pattern.sub(name, text)
    return text.strip()


def _lines(text: str) -> list[str]:
    return [steady(line) for line in text.splitlines() if line.strip()]


def _match(shown: Sequence[str], printed: Sequence[str]) -> bool:
    if not shown:
        return not printed
    if shown[0] == ANYTHING:
        return any(_match(shown[1:], printed[skipped:]) for skipped in range(len(printed) + 1))
    return bool(printed) and shown[0] == printed[0] and _match(shown[1:], printed[1:])
