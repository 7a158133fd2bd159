"""A report in words: what every form of it but JSON shows, in this order."""

from soltrace.report.facts import Report
from soltrace.report.sections.cost import cost
from soltrace.report.sections.course import course, lanes, when
from soltrace.report.sections.model import Section
from soltrace.report.sections.ran import ran
from soltrace.report.sections.sides import sides
from soltrace.report.sections.trouble import failures, telemetry

__all__ = ["sections"]


def sections(report: Report) -> list[Section]:
    """Put a report into words."""
    parts = (ran, failures, when, cost, sides, course, lanes, telemetry)
    return [part(report) for part in parts]
