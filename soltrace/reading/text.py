"""Writes values as people read them: cleaned strings, times, durations, counts.

Nothing that was read from a file goes to a terminal without passing `clean`.
"""

import math
import re
from datetime import datetime, tzinfo
from typing import Final

from soltrace.wire.records import Number

LONGEST_VALUE: Final = 80
"""How many characters of a single value (a name, an attribute) are shown."""
_MINUTE: Final = 60
_HOUR: Final = 3600
_DAY: Final = 86400
_THOUSAND: Final = 1000
_A_SECOND: Final = 0.9995
"""From here on a thousand of the smaller unit would be shown."""
_TEN: Final = 9.95
_SMALL: Final = 1e-3
_LARGE: Final = 1e4
_FOREVER: Final = 1e12
_SIZES: Final = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")
_KIBI_BITS: Final = 10
_MOST_BYTES: Final = 1 << 62
_THREE_DIGITS: Final = 999.5
"""From here on three digits would be written with an exponent."""
_UNITS: Final = (
    (1, "s", 100),
    (_MINUTE, "min", 100 * _MINUTE),
    (_HOUR, "h", 48 * _HOUR),
    (_DAY, "d", math.inf),
)
"""The units of an estimate: their length in seconds, their name, and the time from which on the next one is used."""
_HAS_A_FRACTION: Final = 1.95
"""Fewer minutes, hours or days than this get a digit after the point: 1 and 2 are far apart."""


def clean(text: str, longest: int = LONGEST_VALUE) -> str:
    r"""Escape what a terminal would obey instead of show, and cut what is too long.

    Control characters, escape sequences, bidirectional and other invisible formatting, separators other than the space,
    and unassigned characters become `\x1b`, `\u202e`: exactly those that `str.isprintable` refuses.
    """
    # Cut first: escaping a value of a hundred megabytes would take its time. Once more: escapes are longer.
    shown = text[: longest + 1]
    if not shown.isprintable():
        shown = "".join(char if char.isprintable() else _escape(char) for char in shown)
    return shown if len(shown) <= longest else shown[: longest - 1] + "…"


def clean_end(text: str, longest: int) -> str:
    """Do the same as `clean`, but cut the front: the end is what tells the ids of runs apart."""
    return clean(text if len(text) <= longest else "…" + text[1 - longest :], longest)


def _escape(char: str) -> str:
    return char.encode("unicode_escape", "surrogatepass").decode("ascii")


def printable_json(text: str) -> str:
    r"""Rewrite a valid JSON line so that a terminal shows all of it and obeys none of it. Its value stays the same."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _json_escape(char) for char in text)


def _json_escape(char: str) -> str:
    if char in "\t\r\n":
        return " "  # White space between tokens: JSON allows none of it inside a string.
    units = char.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))


def local(time: datetime, zone: tzinfo | None) -> datetime:
    """Convert a time to a zone, or to this machine's for None. At the ends of the calendar it keeps its own."""
    try:
        return time.astimezone(zone)
    except (OverflowError, ValueError, OSError):
        return time


def clock(time: datetime) -> str:
    """Write the time of day to the millisecond: `03:24:29.123`."""
    return f"{time:%H:%M:%S}.{time.microsecond // 1000:03d}"


def day(time: datetime) -> str:
    """Write the date, and how far the clock is from UTC: `2026-11-25 UTC+05:30`."""
    offset = f"{time:%z}"
    zone = "UTC" if offset in {"", "+0000"} else f"UTC{offset[:3]}:{offset[3:5]}"
    return f"{time.year:04d}-{time:%m-%d} {zone}"


def duration(seconds: float) -> str:
    """Write a duration with the digits that matter: `0.5 ms`, `12 ms`, `1.24 s`, `3 min 20 s`, `2 h 05 min`."""
    seconds = max(0.0, seconds)
    if seconds >= _MINUTE - 0.05:  # What would be rounded to "60 s".
        return coarse(seconds)
    return f"{seconds:.3g} s" if seconds >= _A_SECOND else f"{_two_digits(seconds * _THOUSAND)} ms"


def coarse(seconds: float) -> str:
    """Write a duration that is only an estimate, in whole seconds: `12 s`, `3 min 20 s`, `2 h 05 min`, `3 d 4 h`."""
    whole = round(min(max(0.0, seconds), _FOREVER))
    if whole < _MINUTE:
        return f"{whole} s"
    if whole < _HOUR:
        return f"{whole // _MINUTE} min {whole % _MINUTE:02d} s"
    if whole < _DAY:
        return f"{whole // _HOUR} h {whole % _HOUR // _MINUTE:02d} min"
    return f"{whole // _DAY:,} d {whole % _DAY // _HOUR} h"


def percent(progress: float) -> str:
    """Write progress in [0, 1] as a percentage, rounded down: what is not over never reads 100 %."""
    # A millionth of a digit more, or 0.2 that came out as 0.19999999999999996 would read 19.9 %.
    tenths = math.floor(min(max(progress, 0.0), 1.0) * 1000 + 1e-6)
    return f"{(tenths if progress >= 1 else min(tenths, 999)) / 10:.1f} %"


def size(count: int) -> str:
    """Write bytes with the digits that matter: `512 B`, `1.24 GiB`."""
    count = min(max(0, count), _MOST_BYTES)
    unit = max(count.bit_length() - 1, 0) // _KIBI_BITS
    in_units = count / (1 << _KIBI_BITS * unit)
    return f"{in_units:.3g} {_SIZES[unit]}" if in_units < _THREE_DIGITS else f"{in_units:.0f} {_SIZES[unit]}"


def number(value: Number) -> str:
    """Write a float with up to six digits, or the name of a non-finite one."""
    return value if isinstance(value, str) else f"{value:.6g}"


def steady(value: Number) -> str:
    """Write a float that changes all the time, with digits that don't come and go: `46.10`."""
    if isinstance(value, str) or not (value == 0 or _SMALL <= abs(value) < _LARGE):
        return value if isinstance(value, str) else f"{value:.4g}"
    return f"{value:#.4g}".rstrip(".")


def countdown(seconds: float) -> str:
    """Write a duration as a clock that runs down: `0:05`, `1:30`, `2:05:00`, `3 d 4 h`."""
    whole = round(min(max(0.0, seconds), _FOREVER))
    if whole >= _DAY:
        return coarse(whole)
    if whole >= _HOUR:
        return f"{whole // _HOUR}:{whole % _HOUR // _MINUTE:02d}:{whole % _MINUTE:02d}"
    return f"{whole // _MINUTE}:{whole % _MINUTE:02d}"


def between(low_s: float, high_s: float | None, dash: str = "-") -> str:
    """Write a duration that is not known exactly: `40 s`, `2-4 min`, `1.5-3 h`; `> 2 min` without an upper bound.

    Args:
        low_s: Its lower bound in seconds.
        high_s: Its upper bound in seconds; None if it has none.
        dash: What stands between the two, in signs that the terminal has.
    """
    longest = min(low_s if high_s is None else high_s, _FOREVER)
    unit_s, unit = next((size, name) for size, name, limit in _UNITS if longest < limit)
    low = _in_unit(min(max(0.0, low_s), longest), unit_s)
    if high_s is None:
        return f"> {low} {unit}"
    high = _in_unit(longest, unit_s)
    return f"{low} {unit}" if low == high else f"{low}{dash}{high} {unit}"


def _in_unit(seconds: float, unit_s: int) -> str:
    value = seconds / unit_s
    return f"{value:.1f}".removesuffix(".0") if unit_s > 1 and value < _HAS_A_FRACTION else f"{value:,.0f}"


def rate(per_second: float) -> str:
    """Write a rate with about three digits: `0.25/s`, `31/s`, `5.2k/s`, `1.2M/s`."""
    for unit in ("", "k", "M"):
        if per_second < _THOUSAND * _A_SECOND:
            return f"{_two_digits(per_second)}{unit}/s"
        per_second /= _THOUSAND
    return f"{per_second:,.3g}G/s"


def _two_digits(value: float) -> str:
    return f"{value:.2g}" if value < _TEN else f"{value:.0f}"


def natural_key(text: str) -> list[tuple[str, int, str]]:
    """Return a key that sorts numbers within texts by their size: `rank 2` before `rank 10`, `3.9` before `3.10`."""
    parts = ((words, digits.lstrip("0")) for words, digits in re.findall(r"([^0-9]*)([0-9]*)", text))
    # Not as an int: Python refuses to make one of thousands of digits.
    return [(words, len(digits), digits) for words, digits in parts]


def plural(count: int, noun: str) -> str:
    """Write a count with its noun: `1 step`, `4,602 steps`."""
    if noun.endswith("s"):
        return f"{count:,} {noun if count == 1 else noun + 'es'}"
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
