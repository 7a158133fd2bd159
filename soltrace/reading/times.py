"""Parses the times and durations that people type: `2026-11-25T14:30:00Z`, `2026-11-25`, `14:30`, `10m`."""

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Final

_DURATION: Final = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*(ms|s|m|min|h|d|w)")
_SECONDS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_TIME_OF_DAY: Final = re.compile(r"([0-9]{1,2})(:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]+)?)?)")
EXAMPLES: Final = "2026-11-25T14:30:00Z, 2026-11-25, 14:30 or 10m"


def parse_duration_s(text: str) -> float:
    """Parse a duration, and return it in seconds.

    Args:
        text: A number and a unit: `250ms`, `90s`, `10m` (or `10min`), `1.5h`, `2d`, `1w`.

    Raises:
        ValueError: The text is not a duration.
    """
    if not (match := _DURATION.fullmatch(text.strip())):
        raise ValueError(f"must be a duration like 90s, 10m, 1.5h or 2d, got {text!r}")
    return float(match[1]) * _SECONDS[match[2]]


def parse_time(text: str, now: datetime, zone: tzinfo | None = None) -> datetime:
    """Parse a point in time.

    ```python
    now = datetime(2026, 11, 25, 14, 30, tzinfo=UTC)
    str(parse_time("9:05:03", now, UTC))  # '2026-11-25 09:05:03+00:00'
    str(parse_time("10m", now, UTC))  # '2026-11-25 14:20:00+00:00'
    ```

    Args:
        text: A date, a date and time (RFC 3339), a time of the present day, or a duration: how long ago.
        now: The present; aware of its zone.
        zone: The zone of a time that names none; None for this machine's, summer time included.

    Raises:
        ValueError: The text is none of these.
    """
    text = text.strip()
    try:
        if _DURATION.fullmatch(text):
            return now - timedelta(seconds=parse_duration_s(text))
        if match := _TIME_OF_DAY.fullmatch(text):
            hour, rest = match.groups()
            text = f"{now.astimezone(zone):%Y-%m-%d}T{hour:0>2}{rest}"
        value = datetime.fromisoformat(text.upper())
        if value.tzinfo is None:
            # Not `now`'s offset: in November that of July is another one. `astimezone` looks up that of its own day.
            value = value.astimezone() if zone is None else value.replace(tzinfo=zone)
        value.astimezone(UTC)  # At the ends of the calendar there is no such time, and comparisons would fail later.
    except (ValueError, OverflowError, OSError):
        raise ValueError(f"must be a time like {EXAMPLES} (ago), got {text!r}") from None
    return value
