"""Phrases that several sections use."""

from datetime import UTC, datetime

from soltrace.reading.text import clean, number
from soltrace.report.facts import Failure
from soltrace.wire.records import Number


def utc_text(at: datetime) -> str:
    """Write a time in UTC, to the second: `2026-11-25 03:24:29`."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds")


def solver_time(t: Number | None) -> str:
    """Write a solver time as `t=3.5`; nothing if it is not known."""
    return "" if t is None else f"t={number(t)}"


def first_cause(failure: Failure) -> str:
    """Say what failed first and made the rest fail."""
    cause = failure.cause
    if cause is None:
        return "its own" if failure.what == "pass" else "no pass in it failed before"
    where = ", ".join(filter(None, (f"at {utc_text(cause.at)}", solver_time(cause.t))))
    return f"{cause.what} {clean(cause.name)}: {clean(cause.result)} {where}"
