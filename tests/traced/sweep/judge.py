"""Runs a combination with diffrax's `diffeqsolve` and with ours, and says what is wrong with the second."""

import logging
import warnings
from collections import Counter
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, Final
from unittest.mock import patch

import diffrax as dfx
import jax
from jax._src import core

from soltrace.testing import capture
from tests.traced.stories import bits
from tests.traced.sweep import parts
from tests.traced.sweep.combine import Combination, Solve

LEAKS: Final = "tracer leaks"


def problems(combination: Combination) -> tuple[list[str], str]:
    """Run it both ways.

    Returns:
        What is wrong, and what diffrax raises, if it does.
    """
    # What a program says that fails as it is meant to.
    logging.getLogger("jax._src.callback").setLevel(logging.CRITICAL)
    with _set_up(combination):
        expected = _outcome(combination, dfx.diffeqsolve)
        if isinstance(expected, str) and combination.setting == LEAKS:
            return [], expected  # jax's search for leaks fails of itself, at this place or that
        with capture(every=2, fraction=0.25, abandon_after_s=1.0) as told:
            actual = _outcome(combination, combination.telling())
            events = told.events()
        raises = isinstance(expected, str)
        found = [] if actual == expected else [f"diffrax: {_short(expected)}; soltrace: {_short(actual)}"]
        found += _passes(events, stopped=raises)
        if not raises:
            found += _expected_passes(combination, events)
            found += _steps(combination, events)
    jax.clear_caches()
    return found, expected if raises else ""


def differs_in_numbers_only(found: Sequence[str]) -> bool:
    """Say whether what is wrong is that there are other numbers, and nothing else."""
    return len(found) == 1 and found[0].startswith("diffrax: bits") and "soltrace: bits" in found[0]


@contextmanager
def _set_up(combination: Combination) -> Generator[None]:
    settings = {"jax_enable_x64": combination.dtype == "float64"}
    if combination.setting:
        name, value = parts.SETTINGS[combination.setting]
        settings[name] = value
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    try:
        # What holds a leaked tracer, jax finds out by going through all objects: minutes, late in a sweep.
        with warnings.catch_warnings(), patch.object(core, "_why_alive", lambda *_: ""):
            warnings.simplefilter("ignore")  # diffrax's, about the one or the other
            yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


def _outcome(combination: Combination, solve: Solve) -> Any:
    """The numbers as bits, or the kind of what was raised."""
    try:
        values = combination.program(solve)(*combination.arguments())
        return bits(jax.block_until_ready(values))
    except Exception as error:  # noqa: BLE001 - whatever diffrax raises, we are to raise
        return f"{type(error).__name__}: {str(error).splitlines()[0][:100] if str(error) else ''}"


def _short(outcome: Any) -> str:
    return outcome if isinstance(outcome, str) else f"bits {[(str(x[0]), x[2], x[3].hex()[:48]) for x in outcome[:4]]}"


def _passes(events: list[dict[str, Any]], *, stopped: bool) -> Iterable[str]:
    """What holds of all passes, whatever the program. One that an error has stopped may tell no end."""
    count = lambda kind: Counter(e["pass_id"] for e in events if e["event"] == kind and "batch_index" not in e)
    started, ended = count("pass.started"), count("pass.ended")
    yield from (f"{name} was started {n} times" for name, n in started.items() if n != 1)
    yield from (
        f"{name} was ended {ended[name]} times" for name in started if ended[name] not in ((0, 1) if stopped else (1,))
    )
    yield from (f"{name} was never started" for name in ended if name not in started)
    yield from (f"{e['pass_id']} was abandoned" for e in events if e.get("result") == "abandoned")
    yield from (f"lost: {e}" for e in events if e["event"].startswith("telemetry."))
    yield from _falls(events)
    yield from _order(events)


def _falls(events: list[dict[str, Any]]) -> Iterable[str]:
    """Progress never falls."""
    last: dict[Any, float] = {}
    for event in events:
        if "progress" in event:
            lane = event["pass_id"], str(event.get("batch_index"))
            if event["progress"] < last.get(lane, 0.0):
                yield f"progress of {lane} fell from {last[lane]} to {event['progress']}"
            last[lane] = event["progress"]


def _order(events: list[dict[str, Any]]) -> Iterable[str]:
    """A solve's forward pass is over before its backward pass begins."""
    over = set()
    for event in events:
        name = event.get("pass_id", "")
        if event["event"] == "pass.ended" and "batch_index" not in event:
            over.add(name)
        if (
            event["event"] == "pass.started"
            and ".backward" in name
            and name.partition(".backward")[0] + ".forward" not in over
        ):
            yield f"{name} was started before its forward pass had ended"


def _expected_passes(combination: Combination, events: list[dict[str, Any]]) -> Iterable[str]:
    """How many there are, and of how many lanes."""
    transformation = parts.TRANSFORMATIONS[combination.transformation]
    starts = [e for e in events if e["event"] == "pass.started" and "batch_index" not in e]
    forward = [e for e in starts if e["phase"] == "forward"]
    if transformation.passes not in (None, len(forward)):
        yield f"{len(forward)} forward passes, not {transformation.passes}"
    if not forward:
        yield "no forward pass"
    shapes = {tuple(e["batch_shape"]) for e in forward}
    if transformation.lanes is not None and shapes != {transformation.lanes}:
        yield f"lanes {shapes}, not {transformation.lanes}"
    backward = len({e["solve_id"] for e in starts if e["phase"] == "backward"})
    if transformation.reverse and backward == 0:
        yield "no backward pass"
    if not transformation.reverse and backward:
        yield f"{backward} backward passes of what is not differentiated backwards"


def _steps(combination: Combination, events: list[dict[str, Any]]) -> Iterable[str]:
    """Of each forward pass as many steps are told as it took, if they are, each of a lane once."""
    if combination.detail != "steps":
        return
    told: Counter[tuple[str, str, int]] = Counter()
    for event in events:
        if event["event"] == "pass.steps" and event["phase"] == "forward":
            steps = event["attempts"]["step"]
            lanes = event["attempts"].get("batch_index", [[]] * len(steps))
            told.update((event["pass_id"], str(lane), step) for lane, step in zip(lanes, steps, strict=True))
    yield from (f"a step was told {n} times: {step}" for step, n in told.items() if n != 1)
    counts = Counter(name for name, *_ in told)
    for event in events:
        if event["event"] == "pass.ended" and event["phase"] == "forward":
            taken = event["steps"]["accepted"] + event["steps"]["rejected"]
            if counts[event["pass_id"]] != taken:
                yield f"{counts[event['pass_id']]} steps of {event['pass_id']} were told, of {taken}"
