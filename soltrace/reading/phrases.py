"""What a record says, in words: shared by the plain lines and the live view."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import UNSET, UnsetType

from soltrace.reading.text import clean, duration, number, percent, plural
from soltrace.wire.records import (
    AnyRecord,
    Attribute,
    ExperimentEnded,
    ExperimentStarted,
    LaneEnded,
    Lanes,
    LogOpened,
    Number,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassRecord,
    PassStarted,
    ProgramCompiled,
    Steps,
    TelemetryDropped,
)

_MOST_ATTRIBUTES: Final = 12
_LONGEST_ERROR: Final = 300


def subject(record: AnyRecord) -> str:
    """Name the thing within its experiment that a record is about: `#12 forward`, `experiment`, `log`, `telemetry`."""
    if not isinstance(record, PassRecord):
        return str(record.__struct_config__.tag).partition(".")[0]
    return f"{solve(record)} {half(record)}"


def solve(record: PassRecord) -> str:
    """Name a solve within its run: `#12`."""
    return "#" + clean(record.solve_id.removeprefix(f"{record.run_id}."), 16)


def half(record: PassRecord) -> str:
    """Name a pass within its solve: `forward`, `backward`, `backward.2`."""
    name = record.pass_id.removeprefix(f"{record.solve_id}.")
    return clean(name, 16) if name.startswith(record.phase) else record.phase


def attributes(values: Mapping[str, Attribute]) -> str:
    """Write attributes as `seed=3 lr=0.001`."""
    shown = [f"{clean(key)}={_attribute(value)}" for key, value in _first(values.items())]
    return " ".join(shown + (["…"] if len(values) > len(shown) else []))


def describe(record: AnyRecord, known: Mapping[str, Attribute] | None = None) -> str:
    """Say what a record says.

    Args:
        record: Of any kind.
        known: Attributes that were said before and are not repeated.
    """
    match record:
        case LogOpened():
            text = _words("opened", attributes(record.resource))
        case ExperimentStarted():
            text = _words("started", attributes(record.attributes))
        case ExperimentEnded():
            text = _experiment_ended(record)
        case ProgramCompiled():
            text = _compiled(record)
        case TelemetryDropped():
            text = f"{record.dropped:,} dropped: {clean(record.what)} ({clean(record.reason, _LONGEST_ERROR)})"
        case _:
            text = _of_a_pass(record, known or {})
    return text


def _of_a_pass(
    record: PassStarted | PassProgress | PassHeartbeat | LaneEnded | PassEnded, known: Mapping[str, Attribute]
) -> str:
    match record:
        case PassStarted():
            text = _started(record, known)
        case PassProgress():
            text = _progress(record)
        case PassHeartbeat():
            text = _heartbeat(record)
        case LaneEnded():
            text = f"lane {index(record.batch_index)} {_outcome(record)}"
        case PassEnded():
            text = ended(record)
    return text


def ended(record: PassEnded) -> str:
    """Say how a pass ended: `ended ok in 1.24 s: 4,602 steps (17 rejected)`."""
    text = _outcome(record, f" in {duration(record.duration_s)}")
    if record.lanes is UNSET:
        return text
    return f"{text}, {finished(record.lanes)}"


def steps(counted: Steps) -> str:
    """Write steps attempted, and what became of them: `4,602 steps (17 rejected, 9,000 recomputed)`."""
    recomputed = 0 if counted.recomputed is UNSET else counted.recomputed
    parts = [
        f"{count:,} {name}" for count, name in ((counted.rejected, "rejected"), (recomputed, "recomputed")) if count
    ]
    return plural(counted.accepted + counted.rejected, "step") + (f" ({', '.join(parts)})" if parts else "")


def finished(lanes: Lanes) -> str:
    """Say how many lanes are over: `3/8 lanes done, 1 failed`."""
    failed = f", {lanes.failed:,} failed" if lanes.failed else ""
    return f"{lanes.finished:,}/{lanes.total:,} lanes done{failed}"


def index(batch_index: Sequence[int]) -> str:
    """Write a lane's index, outermost vmap first: `3`, `0,2`."""
    return clean(",".join(str(i) for i in batch_index[:8]), 40)


def _outcome(record: PassEnded | LaneEnded, took: str = "") -> str:
    where = ", ".join(part for part in (f"at {percent(record.progress)}", _named("t=", record.t)) if part)
    counted = "" if record.steps is UNSET else steps(record.steps)
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
        attributes(own),
    )


def _named(name: str, value: Number | UnsetType) -> str:
    return "" if isinstance(value, UnsetType) else name + number(value)


def _progress(record: PassProgress) -> str:
    lane = "" if record.batch_index is UNSET else f"lane {index(record.batch_index)}"
    rejected = f"{record.steps.rejected:,} rejected" if record.steps is not UNSET and record.steps.rejected else ""
    lanes = "" if record.lanes is UNSET else finished(record.lanes)
    step = f"step {record.step:,}"
    return _words(lane, percent(record.progress).rjust(len("100.0 %")), _named("t=", record.t), step, rejected, lanes)


def _heartbeat(record: PassHeartbeat) -> str:
    state = f"STALLED: silent for {duration(record.silent_s)}" if record.stalled else "alive"
    left = "" if record.eta_s is UNSET or record.stalled else f"about {duration(record.eta_s)} left"
    return _words(state, f"open for {duration(record.open_s)}", percent(record.progress), _named("t=", record.t), left)


def _compiled(record: ProgramCompiled) -> str:
    stages = (("trace", record.trace_s), ("lower", record.lower_s), ("compile", record.compile_s))
    took = ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in stages)
    return f"compiled {clean(record.function)} in {duration(sum(seconds for _, seconds in stages))} ({took})"


def _experiment_ended(record: ExperimentEnded) -> str:
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
