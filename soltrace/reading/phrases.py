"""Puts what records say into words, for the plain lines and the live view.

Whatever comes out of a log passes `clean`, so that the words can go to a terminal.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC
from typing import Final

from msgspec import UNSET, UnsetType

from soltrace.reading.runs.run_watch import LostRun
from soltrace.reading.text import clean, duration, number, percent, plural, size
from soltrace.wire.record_parts import Lanes, Steps, Usage
from soltrace.wire.records import (
    AnyRecord,
    AttemptedSteps,
    Attribute,
    ExperimentEnded,
    ExperimentStarted,
    LaneEnded,
    LaneNonfinite,
    LogOpened,
    LogResource,
    Nonfinite,
    Number,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassRecord,
    PassStarted,
    PassSteps,
    ProgramCompiled,
    RunEnded,
    RunHeartbeat,
    TelemetryDropped,
)

_MOST_ATTRIBUTES: Final = 12
_LONGEST_ERROR: Final = 300
_STUCK: Final = {
    "step": "in one step",
    "step or other processes": "in one step, or waiting for other processes",
    "compiling": "while a program is compiled",
}


def subject(record: AnyRecord) -> str:
    """Return what a record is about, within its experiment: `#12 forward`, `experiment`, `log`, `telemetry`."""
    if not isinstance(record, PassRecord):
        return str(record.__struct_config__.tag).partition(".")[0]
    return f"{solve_name(record)} {pass_name(record)}"


def solve_name(record: PassRecord) -> str:
    """Return the name of a solve within its run: `#12`."""
    return "#" + clean(record.solve_id.removeprefix(f"{record.run_id}."), 16)


def pass_name(record: PassRecord) -> str:
    """Return the name of a pass within its solve: `forward`, `backward`, `backward.2`."""
    name = record.pass_id.removeprefix(f"{record.solve_id}.")
    return clean(name, 16) if name.startswith(record.phase) else record.phase


def attributes_text(attributes: Mapping[str, Attribute]) -> str:
    """Write attributes as `seed=3 lr=0.001`, those beyond a dozen as an ellipsis."""
    shown = [f"{clean(key)}={_attribute(value)}" for key, value in _first(attributes.items())]
    return " ".join(shown + (["…"] if len(attributes) > len(shown) else []))


def describe_record(record: AnyRecord, known: Mapping[str, Attribute] | None = None) -> str:
    """Describe a record in one line, beside what it is about (see `subject`).

    Args:
        record: A record of any kind.
        known: Attributes that the reader has seen already, and that are not repeated.
    """
    match record:
        case LogOpened():
            part = "opened" if record.part is UNSET else f"goes on in part {record.part}"
            former = "" if record.continues is UNSET else f"continues {clean(record.continues)}"
            text = _words(part, former, attributes_text(record.resource))
        case LogResource():
            text = _words("runs on", attributes_text(record.resource))
        case ExperimentStarted():
            text = _words("started", attributes_text(record.attributes))
        case ExperimentEnded() | RunEnded():
            text = _ended_text(record)
        case ProgramCompiled():
            text = _compiled(record)
        case RunHeartbeat():
            text = _run_heartbeat(record)
        case TelemetryDropped():
            text = f"{record.dropped:,} dropped: {clean(record.what)} ({clean(record.reason, _LONGEST_ERROR)})"
        case _:
            text = _of_a_pass(record, known or {})
    return text


def _of_a_pass(
    record: PassStarted | PassProgress | PassSteps | PassHeartbeat | LaneNonfinite | LaneEnded | PassEnded,
    known: Mapping[str, Attribute],
) -> str:
    match record:
        case PassStarted():
            text = _started(record, known)
        case PassProgress():
            text = _progress(record)
        case PassHeartbeat():
            text = _heartbeat(record)
        case LaneEnded():
            text = f"lane {lane_name(record.batch_index)} {_outcome(record)}"
        case PassEnded():
            text = pass_ended_text(record)
        case PassSteps():
            text = _attempts(record.attempts)
        case LaneNonfinite():
            lane = "" if record.batch_index is UNSET else f"lane {lane_name(record.batch_index)}"
            text = _words(lane, nonfinite_text(record.nonfinite))
    return text


def lost_text(lost: LostRun, name: str = "") -> str:
    """Write that a run is lost: `lost since 2026-11-25 03:24:29 UTC: task 3: Slurm says OUT_OF_MEMORY; 1 pass open`."""
    since = f"{lost.since.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    still_open = f"; {plural(lost.passes, 'pass')} open" if lost.passes else ""
    return f"lost since {since}: {name or clean(lost.run_id)}: {lost.why}{still_open}"


def _attempts(attempts: AttemptedSteps) -> str:
    if not attempts.step:
        return "no step"
    first, last = attempts.step[0], attempts.step[-1]
    return f"every step from {first:,} to {last:,}: {plural(len(attempts.step), 'attempt')}"


def nonfinite_text(found: Nonfinite) -> str:
    """Write where a value that is not finite was found: `NaN in y['a'][3] (state), in step 12 at t=0.3, from 1.5`."""
    before = "" if found.before is UNSET else f", from {number(found.before)}"
    where = f"{clean(found.path, _LONGEST_ERROR)} ({clean(found.found_in)})"
    step = "" if found.step is UNSET else f", in step {found.step:,}"
    t = "" if found.t is UNSET else f"{'' if step else ','} at t={number(found.t)}"
    return f"{number(found.value)} in {where}{step}{t}{before}"


def pass_ended_text(record: PassEnded) -> str:
    """Write how a pass ended: `ended ok in 1.24 s: 4,602 steps (17 rejected)`."""
    text = _outcome(record, f" in {duration(record.duration_s)}")
    if record.lanes is UNSET:
        return text
    return f"{text}, {lanes_text(record.lanes)}"


def steps_text(counted: Steps) -> str:
    """Write how many steps were attempted, and what became of them: `4,602 steps (17 rejected, 9,000 recomputed)`."""
    recomputed = 0 if counted.recomputed is UNSET else counted.recomputed
    parts = [
        f"{count:,} {name}" for count, name in ((counted.rejected, "rejected"), (recomputed, "recomputed")) if count
    ]
    return plural(counted.accepted + counted.rejected, "step") + (f" ({', '.join(parts)})" if parts else "")


def lanes_text(lanes: Lanes) -> str:
    """Write how many lanes are over: `3/8 lanes done, 1 failed`."""
    failed = f", {lanes.failed:,} failed" if lanes.failed else ""
    return f"{lanes.finished:,}/{lanes.total:,} lanes done{failed}"


def usage_text(usage: Usage) -> str:
    """Write what a process takes: `1.24 GiB, processors 93.1 %, devices 3.2 GiB of 60 GiB, devices 97.0 % busy`."""
    parts: list[str] = []
    if usage.memory_bytes is not UNSET:
        parts.append(size(usage.memory_bytes))
    if usage.cpu_utilization is not UNSET:
        parts.append(f"processors {percent(usage.cpu_utilization)}")
    if usage.device_memory_bytes is not UNSET:
        limit = usage.device_memory_limit_bytes
        parts.append(f"devices {size(usage.device_memory_bytes)}" + ("" if limit is UNSET else f" of {size(limit)}"))
    if usage.device_utilization is not UNSET:
        parts.append(f"devices {percent(usage.device_utilization)} busy")
    return ", ".join(parts)


def lane_name(batch_index: Sequence[int]) -> str:
    """Return the name of a lane, its index with the outermost vmap first: `3`, `0,2`."""
    return clean(",".join(str(i) for i in batch_index[:8]), 40)


def _outcome(record: PassEnded | LaneEnded, took: str = "") -> str:
    where = ", ".join(part for part in (f"at {percent(record.progress)}", _named("t=", record.t)) if part)
    counted = "" if record.steps is UNSET else steps_text(record.steps)
    if record.status == "error":
        return "; ".join(filter(None, (f"FAILED{took}: {clean(record.result)} {where}", counted)))
    how = f" ({clean(record.result)} {where})" if record.result != "successful" else ""
    return ": ".join(filter(None, (f"ended ok{took}{how}", counted)))


def _started(record: PassStarted, known: Mapping[str, Attribute]) -> str:
    span = ""
    if not isinstance(record.t0, UnsetType) and not isinstance(record.t1, UnsetType):
        span = f"t {number(record.t0)} -> {number(record.t1)}"
    own = {key: value for key, value in record.attributes.items() if known.get(key) != value}
    return _words(
        "started",
        " ".join(clean(name) for name in (record.solver, record.adjoint, record.controller)),
        span,
        " ".join(part for part in (_named("rtol ", record.rtol), _named("atol ", record.atol)) if part),
        "lanes " + "x".join(str(size) for size in record.batch_shape) if record.batch_shape else "",
        attributes_text(own),
    )


def _named(name: str, value: Number | UnsetType) -> str:
    return "" if isinstance(value, UnsetType) else name + number(value)


def _progress(record: PassProgress) -> str:
    lane = "" if record.batch_index is UNSET else f"lane {lane_name(record.batch_index)}"
    rejected = f"{record.steps.rejected:,} rejected" if record.steps is not UNSET and record.steps.rejected else ""
    lanes = "" if record.lanes is UNSET else lanes_text(record.lanes)
    step = f"step {record.step:,}"
    watched = "" if record.watched is UNSET else attributes_text(record.watched)
    place = percent(record.progress).rjust(len("100.0 %")), _named("t=", record.t)
    return _words(lane, *place, step, rejected, lanes, watched)


def _heartbeat(record: PassHeartbeat) -> str:
    where = "" if record.doing is UNSET else f", {_STUCK.get(record.doing, clean(record.doing))}"
    state = f"STALLED: silent for {duration(record.silent_s)}{where}" if record.stalled else "alive"
    left = "" if record.eta_s is UNSET or record.stalled else f"about {duration(record.eta_s)} left"
    used = "" if record.usage is UNSET else usage_text(record.usage)
    place = percent(record.progress), _named("t=", record.t)
    return _words(state, f"open for {duration(record.open_s)}", *place, left, used)


def _run_heartbeat(record: RunHeartbeat) -> str:
    used = "" if record.usage is UNSET else usage_text(record.usage)
    state = "alive" if record.doing == "elsewhere" else f"alive, {clean(record.doing)}"
    return _words(state, f"no pass for {duration(record.silent_s)}", used)


def _compiled(record: ProgramCompiled) -> str:
    stages = (("trace", record.trace_s), ("lower", record.lower_s), ("compile", record.compile_s))
    took = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in stages)
    return f"compiled {clean(record.function)} in {duration(sum(seconds for _, seconds in stages))} ({took})"


def _ended_text(record: ExperimentEnded | RunEnded) -> str:
    took = duration(record.duration_s)
    if record.status == "ok":
        return f"ended ok in {took}"
    error = "" if record.error is UNSET else f": {clean(record.error, _LONGEST_ERROR)}"
    return f"FAILED in {took}{error}"


def _words(*parts: str) -> str:
    return "  ".join(part for part in parts if part)


def _attribute(value: Attribute) -> str:
    if isinstance(value, list):
        inner = ",".join(_attribute(item) for item in value[:_MOST_ATTRIBUTES])
        return clean(f"[{inner}{',…' if len(value) > _MOST_ATTRIBUTES else ''}]")
    return number(value) if isinstance(value, float) else clean(str(value))


def _first(items: Iterable[tuple[str, Attribute]]) -> list[tuple[str, Attribute]]:
    return [item for item, _ in zip(items, range(_MOST_ATTRIBUTES), strict=False)]
