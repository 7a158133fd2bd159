"""Moments as people give them: `2026-11-25T14:30:00Z`, `2026-11-25`, `14:30`, `10m` ago."""

import re
from datetime import datetime, timedelta, tzinfo
from typing import Final

_AGO: Final = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|min|h|d|w)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_CLOCK: Final = re.compile(r"\d\d?:\d\d(:\d\d(\.\d+)?)?")
EXAMPLES: Final = "2026-11-25T14:30:00Z, 2026-11-25, 14:30 or 10m"


def duration_s(text: str) -> float:
    """Read `90s`, `10m`, `1.5h`, `2d`.

    Raises:
        ValueError: It is none.
    """
    if not (match := _AGO.fullmatch(text.strip())):
        raise ValueError(f"must be a duration like 90s, 10m, 1.5h or 2d, got {text!r}")
    return float(match[1]) * _SECONDS[match[2]]


def moment(text: str, now: datetime) -> datetime:
    """Read a moment.

    Args:
        text: RFC 3339, a date, a time of today, or how long ago.
        now: The present, in the zone in which a time without one is meant.

    Raises:
        ValueError: It is none.
    """
    text = text.strip()
    try:
        if _AGO.fullmatch(text):
            return now - timedelta(seconds=duration_s(text))
        if _CLOCK.fullmatch(text):
            text = f"{now:%Y-%m-%d}T{text.zfill(5) if text.count(':') == 1 else text}"
        value = datetime.fromisoformat(text.upper())
        return _zoned(value, now.tzinfo)
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"must be a time like {EXAMPLES} (ago), got {text!r}") from None


def _zoned(value: datetime, zone: tzinfo | None) -> datetime:
    # `astimezone()` of a naive time takes it as local, with the offset of its own day: summer is not winter.
    if value.tzinfo is not None:
        return value
    return value.replace(tzinfo=zone) if zone is not None else value.astimezone()
