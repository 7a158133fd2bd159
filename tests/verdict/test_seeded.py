"""The verdict on programs whose trouble is known: right in all, wrong in none.

All of them take a minute: every fifth is solved here, and all by `make failures`.
"""

import os
from contextlib import nullcontext

import jax
import pytest
from msgspec import UNSET

from soltrace.reading.explaining import Explainer
from soltrace.testing import capture
from soltrace.wire.records import PassEnded
from tests.verdict.seeded import FAILURES, HEALTHY

ALL = bool(os.environ.get("SEEDED_ALL"))
PART = 1 if ALL else 5
FROM_STEPS = {"stiff", "not_smooth", "dtmin", "nonlinear_failed"}


def chosen(seeds):
    """All of them, or a part."""
    return dict(list(seeds.items())[::PART])


def kinds_found(seed):
    """The kind of the first verdict on each pass and run with trouble, and those of all the others."""
    with jax.enable_x64(True) if seed.double else nullcontext(), capture(every=10, programs=True) as told:
        seed.run()
        records = told.records
    explained = [(each.evidence, [finding.kind for finding in each.found]) for each in Explainer().explain(records)]
    ends = {record.pass_id: record.verdict for record in records if isinstance(record, PassEnded)}
    said = {pass_id: verdict.kind for pass_id, verdict in ends.items() if verdict is not UNSET}
    # What the process itself has said when the pass ended is what its log says, unless that follows from the steps of a
    # short one, which are looked at later.
    explained_so = {each.ended.pass_id: kinds[0] for each, kinds in explained if each is not None}
    assert said.keys() <= explained_so.keys()
    assert all(said.get(pass_id) == kind or kind in FROM_STEPS for pass_id, kind in explained_so.items())
    found = [kinds for _, kinds in explained]
    return {kinds[0] for kinds in found}, {kind for kinds in found for kind in kinds}


@pytest.mark.slow
@pytest.mark.once
def test_what_is_wrong_is_said_and_nothing_else():
    """Of each failure the verdict that names its cause comes first, and no other accuses what is in order."""
    silent, wrong = [], {}
    for name, seed in chosen(FAILURES).items():
        first, every = kinds_found(seed)
        if seed.kind not in first:
            silent.append(name)
        if others := every - {seed.kind, *seed.also}:
            wrong[name] = others
    assert (silent, wrong) == ([], {})


@pytest.mark.slow
@pytest.mark.once
def test_nothing_is_said_of_what_is_in_order():
    """Chaos, oscillations, events, noise and gradients are no trouble."""
    found = {name: kinds_found(seed)[1] for name, seed in chosen(HEALTHY).items()}
    assert {name: kinds for name, kinds in found.items() if kinds} == {}


def test_there_are_as_many_as_promised():
    """Forty with trouble, of every kind that there is, and twenty without."""
    assert len(FAILURES) >= 40
    assert len(HEALTHY) >= 20
