"""Names on the wire: of attributes, of metrics. All rooms share this module, and it imports none of them.

By OpenTelemetry's rules: `soltrace.` in front, dots between namespaces, no name that is both a value and a namespace,
units not in the name. The keys of the JSON log are the field names of `soltrace.wire.records`.
"""

from typing import Final

SCOPE: Final = "soltrace"
"""The instrumentation scope of tracer, meter and logger."""
PREFIX: Final = "soltrace."
"""Before the name of a record's field, where it is an attribute of a span or of a log record."""

# Attributes
EXPERIMENT: Final = "soltrace.experiment.name"
ATTRIBUTES: Final = "soltrace.experiment.attributes."
"""Before the user's own attributes, so that one called `name` is not taken for the experiment's."""
PHASE: Final = "soltrace.phase"
SOLVER: Final = "soltrace.solver"
STATUS: Final = "soltrace.status"
MARKER: Final = "soltrace.marker"
"""True on a span that only says that a pass is under way."""

# Attributes of metrics only
OUTCOME: Final = "soltrace.outcome"
"""Of steps: `accepted`, `rejected` or `recomputed`."""
EVENT: Final = "soltrace.event"
"""The name of an event, as in the JSON log: `pass.started`."""
WHAT: Final = "soltrace.what"
"""What was lost: as `what` in `telemetry.dropped`."""
SIGNAL: Final = "soltrace.signal"
"""What was to be exported: `traces`, `metrics` or `logs`."""
STAGE: Final = "soltrace.stage"
"""Of compilation: `trace`, `lower` or `compile`."""

# Metrics: kind, unit; attributes
PASSES_ACTIVE: Final = "soltrace.passes.active"  # updown, {pass}; experiment, phase, solver
PASSES_STALLED: Final = "soltrace.passes.stalled"  # gauge, {pass}; experiment, phase, solver
PASS_DURATION: Final = "soltrace.pass.duration"  # histogram, s; experiment, phase, solver, status
PASS_PROGRESS: Final = "soltrace.pass.progress"  # gauge, 1: the open pass that is least far; experiment, phase, solver
PASS_ETA: Final = "soltrace.pass.eta"  # gauge, s: of the open pass that takes longest; experiment, phase, solver
STEPS: Final = "soltrace.steps"  # counter, {step}; experiment, phase, solver, outcome
LANES: Final = "soltrace.lanes"  # counter, {lane} that ended; experiment, phase, solver, status
LANES_ACTIVE: Final = "soltrace.lanes.active"  # gauge, {lane} of open passes; experiment, phase, solver
EVENTS_EMITTED: Final = "soltrace.events.emitted"  # counter, {event}; event
EVENTS_DROPPED: Final = "soltrace.events.dropped"  # counter, {event}; what
QUEUE_SIZE: Final = "soltrace.queue.size"  # gauge, {event}
QUEUE_CAPACITY: Final = "soltrace.queue.capacity"  # gauge, {event}
EXPORT_FAILURES: Final = "soltrace.export.failures"  # counter, {item} that did not reach the backend; signal
COMPILE_DURATION: Final = "soltrace.compile.duration"  # histogram, s; stage
