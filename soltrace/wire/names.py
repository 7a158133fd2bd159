"""Names on the wire: of attributes and of metrics. Any side; it imports none of the rooms.

They follow OpenTelemetry's naming rules: `soltrace.` in front, dots between namespaces, no name that is both a value
and a namespace, and units not in the name. The constants are called as in OpenTelemetry's semantic conventions: `ATTR_`
and `METRIC_` before the name. The keys of the JSON log are the field names of `soltrace.wire.records`.
"""

from collections.abc import Mapping
from typing import Final

SCOPE: Final = "soltrace"
"""The instrumentation scope of the tracer, the meter and the logger."""
PREFIX: Final = "soltrace."
"""Stands before the name of a record's field where it is an attribute of a span or of a log record."""
SPAN_RUN: Final = "run"
"""The name of the span of a run, where it has one."""

# Attributes

ATTR_EXPERIMENT: Final = "soltrace.experiment.name"
"""Names of the open experiments, outermost first, joined by `/`."""
ATTR_EXPERIMENT_ATTRIBUTES: Final = "soltrace.experiment.attributes."
"""Stands before the user's own attributes, so that one called `name` is not taken for the experiment's."""
ATTR_PHASE: Final = "soltrace.phase"
"""Of a pass: `forward` or `backward`."""
ATTR_SOLVER: Final = "soltrace.solver"
"""The solver's class, such as `Tsit5`."""
ATTR_STATUS: Final = "soltrace.status"
"""How a pass or a lane ended: `ok` or `error`."""
ATTR_VERDICT: Final = "soltrace.verdict.kind"
"""What is wrong with a pass, as on its last line: `stiff`."""
ATTR_BACKEND: Final = "soltrace.jax.backend"
"""What jax computes on: of the resource, or of a pass where that was not known when the resource was made."""
ATTR_MARKER: Final = "soltrace.marker"
"""True on a span that only says that a pass is under way."""
ATTR_OPEN_ENDED: Final = "soltrace.open_ended"
"""True on a span that `soltrace ship` had to end: it took at least so long, by the last that was heard of its run."""

# Attributes of metrics only

ATTR_OUTCOME: Final = "soltrace.outcome"
"""Of steps: `accepted`, `rejected` or `recomputed`."""
ATTR_EVENT: Final = "soltrace.event"
"""The name of an event, as in the JSON log: `pass.started`."""
ATTR_WHAT: Final = "soltrace.what"
"""What was lost, as `what` in `telemetry.dropped`: `progress`."""
ATTR_SIGNAL: Final = "soltrace.signal"
"""What was to be exported: `traces`, `metrics` or `logs`."""
ATTR_STAGE: Final = "soltrace.stage"
"""Of compilation: `trace`, `lower` or `compile`."""

# Metrics

METRIC_PASSES_ACTIVE: Final = "soltrace.passes.active"
"""Passes that are open. Up-down counter, {pass}."""
METRIC_PASSES_STALLED: Final = "soltrace.passes.stalled"
"""Open passes that have been silent for unusually long. Gauge, {pass}."""
METRIC_PASS_DURATION: Final = "soltrace.pass.duration"
"""How long passes took. Histogram, s."""
METRIC_PASS_VERDICTS: Final = "soltrace.pass.verdicts"
"""Passes that ended with a verdict: something is wrong with them. Counter, {pass}."""
METRIC_PASS_PROGRESS: Final = "soltrace.pass.progress"
"""Progress of the open pass that is least far. Gauge, 1 (in [0, 1])."""
METRIC_PASS_ETA: Final = "soltrace.pass.eta"
"""Time until the open pass that takes longest is over. Gauge, s."""
METRIC_STEPS: Final = "soltrace.steps"
"""Steps of all lanes. Counter, {step}."""
METRIC_LANES: Final = "soltrace.lanes"
"""Lanes that have ended. Counter, {lane}."""
METRIC_LANES_ACTIVE: Final = "soltrace.lanes.active"
"""Lanes of open passes that have not ended. Gauge, {lane}."""
METRIC_EVENTS_EMITTED: Final = "soltrace.events.emitted"
"""Events that were written. Counter, {event}."""
METRIC_EVENTS_DROPPED: Final = "soltrace.events.dropped"
"""What was lost before it was written. Counter, {event}."""
METRIC_QUEUE_SIZE: Final = "soltrace.queue.size"
"""Events that wait to be written. Gauge, {event}."""
METRIC_QUEUE_CAPACITY: Final = "soltrace.queue.capacity"
"""Events that may wait. Gauge, {event}."""
METRIC_EXPORT_FAILURES: Final = "soltrace.export.failures"
"""Items that did not reach the backend. Counter, {item}."""
METRIC_COMPILE_DURATION: Final = "soltrace.compile.duration"
"""How long programs took to compile. Histogram, s."""

_OF_PASSES: Final = (ATTR_EXPERIMENT, ATTR_PHASE, ATTR_SOLVER)
METRICS: Final[Mapping[str, tuple[str, ...]]] = {
    METRIC_PASSES_ACTIVE: _OF_PASSES,
    METRIC_PASSES_STALLED: _OF_PASSES,
    METRIC_PASS_DURATION: (*_OF_PASSES, ATTR_STATUS),
    METRIC_PASS_VERDICTS: (*_OF_PASSES, ATTR_VERDICT),
    METRIC_PASS_PROGRESS: _OF_PASSES,
    METRIC_PASS_ETA: _OF_PASSES,
    METRIC_STEPS: (*_OF_PASSES, ATTR_OUTCOME),
    METRIC_LANES: (*_OF_PASSES, ATTR_STATUS),
    METRIC_LANES_ACTIVE: _OF_PASSES,
    METRIC_EVENTS_EMITTED: (ATTR_EVENT,),
    METRIC_EVENTS_DROPPED: (ATTR_WHAT,),
    METRIC_QUEUE_SIZE: (),
    METRIC_QUEUE_CAPACITY: (),
    METRIC_EXPORT_FAILURES: (ATTR_SIGNAL,),
    METRIC_COMPILE_DURATION: (ATTR_STAGE,),
}
"""All metrics, each with the attributes that it is told apart by. Their values are bounded."""
