"""Phrases that several sections use."""

from datetime import UTC, datetime

from soltrace.reading.text import clean, number
from soltrace.report.facts import Failure
from soltrace.wire.records import Number


def moment(at: datetime) -> str:
    """Write a moment to the second, in UTC."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"


def solver_time(t: Number | None) -> str:
    """Write the solver's time as `t=3.5`; nothing if it is not known."""
    return "" if t is None else f"t={number(t)}"


def first_cause(failure: Failure) -> str:
    """Say what failed first and made the rest fail."""
    cause = failure.cause
    if cause is None:
        return "its own" if failure.what == "pass" else "no pass in it failed before"
    where = ", ".join(filter(None, (f"at {moment(cause.at)}", solver_time(cause.t))))
    return f"{cause.what} {clean(cause.name)}: {clean(cause.result)} {where}"
