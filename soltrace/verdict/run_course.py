"""What only a run as a whole shows: programs that are compiled again and again, and events that chatter.

Any side, one thread at a time.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import UNSET

from soltrace.verdict.finding import Finding, figure, seconds, share, times
from soltrace.wire.records import AnyRecord, PassEnded, PassStarted, ProgramCompiled

_OFTEN: Final = 5
"""So often a program is compiled at least. A fit compiles its loss, its gradient, and a second shape at its end."""
_PASSES_EACH: Final = 2.0
"""Forward passes from one compilation to the next, at most: else most calls find their program."""
_IN_A_ROW: Final = 8
"""Solves that an event ends, one after the other, at least."""
_SHRUNK: Final = 1e-2
"""How far the last of them gets, of what the first did, at most. None of them gets further than the one before."""
_LAST: Final = 4


@dataclass(slots=True)
class _Program:
    """One function, compiled for one kind of solve."""

    compiled: list[ProgramCompiled] = field(default_factory=list[ProgramCompiled])
    starts: list[PassStarted] = field(default_factory=list[PassStarted])
    """The first pass after each compilation."""
    passes: int = 0
    """Forward passes since the first compilation."""


class RunCourse:
    """Follows a run from its first record to its last."""

    def __init__(self) -> None:
        """Begin."""
        self._programs: dict[tuple[str, ...], _Program] = {}
        self._compiled: list[ProgramCompiled] = []
        self._latest: _Program | None = None
        self._starts: dict[str, PassStarted] = {}
        self._spans: list[float] = []
        """How far each solve got that an event has ended, of those that followed one another."""
        self._chattering: Finding | None = None

    def add(self, record: AnyRecord) -> None:
        """Take the next record."""
        match record:
            case ProgramCompiled():
                self._compiled.append(record)
            case PassStarted(phase="forward"):
                self._starts[record.pass_id] = record
                self._started(record)
            case PassEnded(phase="forward"):
                self._ended(record, self._starts.pop(record.pass_id, None))
            case _:
                pass

    def findings(self) -> list[Finding]:
        """Return what is wrong with the run."""
        again = [_again(program) for program in self._programs.values()]
        return [finding for finding in (*again, self._chattering) if finding is not None]

    def _started(self, record: PassStarted) -> None:
        # What was compiled since the last pass is this one's program, and what it needs beside it.
        for compiled in self._compiled[-1:]:
            key = compiled.function, record.solver, record.adjoint, record.controller
            self._latest = self._programs.setdefault(key, _Program())
            self._latest.compiled.append(compiled)
            self._latest.starts.append(record)
        self._compiled.clear()
        if self._latest is not None:
            self._latest.passes += 1

    def _ended(self, record: PassEnded, started: PassStarted | None) -> None:
        t0 = UNSET if started is None else started.t0
        if record.result != "event_occurred" or not isinstance(t0, float) or not isinstance(record.t, float):
            self._spans.clear()
            return
        span = abs(record.t - t0)
        if self._spans and span > self._spans[-1]:
            self._spans.clear()
        self._spans.append(span)
        if len(self._spans) >= _IN_A_ROW and span <= _SHRUNK * self._spans[0]:
            self._chattering = _chatters(self._spans, record)


def _chatters(spans: Sequence[float], last: PassEnded) -> Finding:
    where = figure(last.t) if isinstance(last.t, float) else "?"
    text = (
        f"An event chatters: it ended {times(len(spans), 'solve')} in a row, the first after {figure(spans[0])} "
        f"of time and the last after {figure(spans[-1])}, which stopped at t={where}: "
        f"they come closer and closer, and time does not go on."
    )
    advice = (
        "Stop when the time between two events falls below what matters (and let the state rest there), or take a "
        "model without the event, such as a smooth contact force."
    )
    return Finding("event_chatters", text, advice, {"solves": len(spans), "first": spans[0], "last": spans[-1]})


def _again(program: _Program) -> Finding | None:
    count = len(program.compiled)
    if count < _OFTEN or program.passes > _PASSES_EACH * count:
        return None
    changed = list(_changes(program))
    if not changed:
        return None
    spent = sum(one.trace_s + one.lower_s + one.compile_s for one in program.compiled)
    elapsed = (program.compiled[-1].timestamp - program.compiled[0].timestamp).total_seconds()
    of = f", {share(min(1.0, spent / elapsed))} of the time" if elapsed > spent * _LEAST else ""
    text = (
        f"{program.compiled[0].function} was compiled {times(count, 'time')} for {times(program.passes, 'solve')}, "
        f"which took {seconds(spent)}{of}. What changed: {'; '.join(changed)}."
    )
    return Finding("recompiled", text, _ADVICE, {"compiled": count, "solves": program.passes, "spent_s": spent})


_LEAST: Final = 0.5
_ADVICE: Final = (
    "Pad arrays to one shape; pass numbers that change as arrays (jnp.asarray), not as Python numbers or through a "
    "closure; define the vector field and jit's function once, outside the loop. jax.config.jax_explain_cache_misses "
    "makes jax say what it missed."
)


def _changes(program: _Program) -> Iterator[str]:
    """Say what differs from one compilation to the next."""
    starts = program.starts
    for name in ("batch_shape", "max_steps", "dtype"):
        values = [str(getattr(start, name)) for start in starts]
        if len(set(values)) > 1:
            yield f"{name} ({_listed(values)})"
    known = [one.arguments for one in program.compiled if one.arguments is not UNSET]
    if len(known) < len(program.compiled):
        return
    if len({len(arguments) for arguments in known}) > 1:
        yield f"the number of arguments ({_listed([str(len(arguments)) for arguments in known])})"
        return
    positions = [i for i, types in enumerate(zip(*known, strict=True)) if len(set(types)) > 1]
    for i in positions[:_LAST]:
        yield f"the type of argument {i} ({_listed([arguments[i] for arguments in known])})"
    if not positions:
        yield "no shape and no type, so a Python value that is part of the program, or the function itself, made anew"


def _listed(values: Sequence[str]) -> str:
    """The different values, in the order of their first appearance; of many, the first few."""
    different = list(Counter(values))
    return ", ".join(different[:_LAST]) + (", …" if len(different) > _LAST else "")
