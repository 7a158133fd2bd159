"""Explains logs: what is wrong with their passes and their runs, with the evidence."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from msgspec import UNSET

from soltrace.reading.parse import Rejected, Unknown
from soltrace.reading.phrases import lanes_text, pass_name, solve_name, steps_text
from soltrace.reading.text import clean, duration, number, percent, plural
from soltrace.verdict.dominance import dominant
from soltrace.verdict.evidence import Evidence, Gatherings
from soltrace.verdict.finding import Finding
from soltrace.verdict.judge import findings
from soltrace.verdict.run_course import RunCourse
from soltrace.wire.records import AnyRecord, Number, PassEnded, PassRecord, json_number
from soltrace.wire.verdicts import Verdict, VerdictKind

PASS_PATTERN: Final = re.compile(r"(?:.*[.#])?\d+(?:[. ](?:forward|backward)(?:\.\d+)?)?")
"""What a user may call a pass: `#2`, `2 backward`, `2.forward`, or the ids in a log."""
_LONGEST: Final = 600
_RANKS: Final = {kind: rank for rank, kind in enumerate(get_args(VerdictKind))}


@dataclass(frozen=True)
class Explained:
    """One pass, or one run, and what is wrong with it."""

    run_id: str
    evidence: Evidence | None
    """None of a run."""
    found: list[Finding]


@dataclass
class Explainer:
    """Reads records of one or several runs, and yields what is wrong.

    Args:
        wanted: The pass that is asked for, and is explained even where nothing is wrong with it; empty for all.
    """

    wanted: str = ""
    passes: int = 0
    """How many passes have ended, of those that are asked for."""
    failed: int = 0
    _gatherings: dict[str, Gatherings] = field(default_factory=dict[str, Gatherings])
    _courses: dict[str, RunCourse] = field(default_factory=dict[str, RunCourse])

    def explain(self, records: Iterable[AnyRecord | Unknown | Rejected]) -> Iterator[Explained]:
        """Yield passes with trouble as they end, and last the runs with trouble of their own."""
        for record in records:
            if isinstance(record, Unknown | Rejected):
                continue
            if not self.wanted:
                self._courses.setdefault(record.run_id, RunCourse()).add(record)
            if isinstance(record, PassRecord):
                evidence = self._gatherings.setdefault(record.run_id, Gatherings()).add(record)
                if evidence is not None and self._is_wanted(evidence.ended):
                    yield from self._of_a_pass(evidence)
        for run_id, course in self._courses.items():
            if found := course.findings():
                yield Explained(run_id, None, found)

    def _is_wanted(self, record: PassEnded) -> bool:
        return not self.wanted or is_called(record, self.wanted)

    def _of_a_pass(self, evidence: Evidence) -> Iterator[Explained]:
        self.passes += 1
        self.failed += evidence.ended.status == "error"
        found = findings(evidence)
        told = evidence.ended.verdict
        if told is not UNSET and (not found or _RANKS[told.kind] < _RANKS[found[0].kind]):
            found.insert(0, _as_told(told))  # by a process that knew more than its log says
        if found or self.wanted:
            yield Explained(evidence.ended.run_id, evidence, found)


def _as_told(verdict: Verdict) -> Finding:
    return Finding(verdict.kind, verdict.text, verdict.advice)


def is_called(record: PassRecord, name: str) -> bool:
    """Say whether a pass is meant by a name: `#2`, `2`, `2 backward`, `2.backward`, its id, or its solve's."""
    wanted = name.removeprefix("#").replace(" ", ".")
    ids = (record.pass_id, record.solve_id)
    short = (each.removeprefix(f"{record.run_id}.") for each in ids)
    return wanted in {*ids, *short}


def as_json(explained: Explained) -> dict[str, Any]:
    """Return the same as plain values, for programs."""
    verdicts = [
        {"kind": one.kind, "text": one.text, "advice": one.advice, "numbers": _plain(one)} for one in explained.found
    ]
    evidence = explained.evidence
    if evidence is None:
        return {"run_id": explained.run_id, "pass_id": None, "verdicts": verdicts}
    line, started = evidence.ended.flat, evidence.started
    names = [
        "run_id",
        "solve_id",
        "pass_id",
        "phase",
        "experiment",
        "status",
        "result",
        "duration_s",
        "progress",
        "t",
        "step",
    ]
    names += ["steps.accepted", "steps.rejected", "steps.recomputed", "lanes.total", "lanes.failed"]
    facts = {name: line[name] for name in names if name in line}
    model = ["solver", "adjoint", "controller", "dtype", "rtol", "atol", "t0", "t1", "max_steps", "batch_shape"]
    facts |= {} if started is None else {name: started.flat[name] for name in model if name in started.flat}
    if (known := dominant(evidence.telling)) is not None:
        facts["error"] = {"in": known.path, "steps_share": known.steps_share, "error_share": known.error_share}
    return facts | {"recorded_steps": evidence.steps_recorded, "verdicts": verdicts}


def _plain(finding: Finding) -> dict[str, Number | str]:
    return {name: json_number(value) if isinstance(value, float) else value for name, value in finding.numbers.items()}


def as_text(explained: Explained) -> Iterator[str]:
    """Write it for people, line by line."""
    if explained.evidence is None:
        yield f"run {clean(explained.run_id)}"
    else:
        yield from _facts(explained.evidence, explained.found)
    if not explained.found:
        yield "  Nothing is wrong with it, as far as its records tell."
    for finding in explained.found:
        yield f"  {finding.kind}: {clean(finding.text, _LONGEST)}"
        yield f"    try: {clean(finding.advice, _LONGEST)}"


def _facts(evidence: Evidence, found: list[Finding]) -> Iterator[str]:
    ended, started = evidence.ended, evidence.started
    name = "" if ended.experiment is None else f"{clean(ended.experiment)}  "
    how = "ok" if ended.status == "ok" else "FAILED"
    at = "" if ended.t is UNSET else f", t={number(ended.t)}"
    took = f"{how} in {duration(ended.duration_s)}: {clean(ended.result)} at {percent(ended.progress)}{at}"
    yield f"{name}{solve_name(ended)} {pass_name(ended)}  {took}  ({clean(ended.pass_id)})"
    facts: list[str] = []
    if started is not None:
        facts.append(" ".join(clean(word) for word in (started.solver, started.controller, started.adjoint)))
        facts += [f"{word} {number(value)}" for word, value in _tolerances(evidence)]
        facts += [] if started.dtype is UNSET else [clean(started.dtype)]
        facts += [] if started.max_steps is None else [f"at most {plural(started.max_steps, 'step')}"]
    facts += [] if ended.steps is UNSET else [steps_text(ended.steps)]
    facts += [] if ended.lanes is UNSET else [lanes_text(ended.lanes)]
    recorded = evidence.steps_recorded
    facts += [f"{plural(recorded, 'step')} recorded"] if recorded else []
    if facts:
        yield f"  evidence: {', '.join(facts)}"
    known = None if any("error_in" in finding.numbers for finding in found) else dominant(evidence.telling)
    if known is not None:
        yield f"  error: {clean(known.text, _LONGEST)}"


def _tolerances(evidence: Evidence) -> Iterator[tuple[str, Number]]:
    started = evidence.started
    for name in ("rtol", "atol"):
        value = UNSET if started is None else getattr(started, name)
        if value is not UNSET:
            yield name, value
