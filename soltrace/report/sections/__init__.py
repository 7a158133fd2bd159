"""Puts a report into words. This is what every format but JSON shows, section by section."""

from soltrace.report.facts import LogReport
from soltrace.report.sections.cost import cost_section
from soltrace.report.sections.course import course_section, lanes_section, when_section
from soltrace.report.sections.model import Section
from soltrace.report.sections.ran import ran_section
from soltrace.report.sections.sides import sides_section
from soltrace.report.sections.trouble import failures_section, telemetry_section
from soltrace.report.sections.why import why_section

__all__ = ["sections"]


def sections(report: LogReport) -> list[Section]:
    """Return the sections of a report in their order."""
    why = why_section(report)
    return [
        ran_section(report),
        failures_section(report),
        *([] if why is None else [why]),
        when_section(report),
        cost_section(report),
        sides_section(report),
        course_section(report),
        lanes_section(report),
        telemetry_section(report),
    ]
