"""Where a run stands among the runs of other processes: under which span, and in which trace.

Host side, on the thread of whoever solves first. Who has started this process may have said so: the parent that has
forked it or that `multiprocessing` knows, or else whoever has set `TRACEPARENT`. Where a scheduler has started it, the
run has a span of its own, in the trace of the whole job if nobody has said another.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from soltrace.callers import HANDING
from soltrace.host.process import PROCESS
from soltrace.setup.settings import Settings
from soltrace.sinks import Ids, RunSpan, Tracing
from soltrace.wire.flags import ONE_TRACE, flag
from soltrace.wire.job_trace import job_trace_id
from soltrace.wire.losses import described
from soltrace.wire.records import Attribute
from soltrace.wire.warn import warn_once


@dataclass(frozen=True)
class RunPlace:
    """The place of a run."""

    parent: object = None
    """Under which its spans are opened that are in nothing else; None: each begins a trace."""
    span: RunSpan | None = None
    """Its own, around all others."""
    above: Ids | None = None
    """Of the span of another process that it is under."""

    @property
    def ids(self) -> Ids | None:
        """Of its own span."""
        return None if self.span is None else self.span.ids


def place_of(
    settings: Settings,
    tracing: Tracing | None,
    facts: Mapping[str, Attribute],
    said: Mapping[str, str | None],
    time_ns: int,
) -> RunPlace:
    """Find the place of a run, and open its span if it is to have one.

    Args:
        settings: What was configured.
        tracing: Opens the span; None: there are to be no spans.
        facts: What is known of where the run lives.
        said: What the span says of the run, as far as it is known.
        time_ns: When the run began, in nanoseconds since 1970.
    """
    if tracing is None:
        return RunPlace()
    from soltrace.sinks.propagation import ids_above

    parent, by_a_process = _given()
    above = ids_above(parent)
    trace_id = None if by_a_process or not _one_trace(settings) else job_trace_id(facts)
    span = None
    if trace_id is not None:
        try:
            span = tracing.run(parent, trace_id, {key: text for key, text in said.items() if text}, time_ns)
        except Exception as error:  # noqa: BLE001 - a provider's own: there are the other spans
            warn_once(f"no span of the run: {described(error)}")
    return RunPlace(parent if span is None else span.parent, span, above)


def _given() -> tuple[object, bool]:
    """The place that this process was told, and whether a process told it that has started it as a part of itself."""
    from soltrace.sinks.propagation import received

    if PROCESS.inherited is not None:
        return PROCESS.inherited, True
    told = HANDING.told()
    place, problems = received(told or os.environ)
    for problem in problems:
        warn_once(problem)
    return place, bool(told)


def _one_trace(settings: Settings) -> bool:
    return flag(ONE_TRACE) if settings.one_trace is None else settings.one_trace
