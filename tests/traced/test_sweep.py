"""Random combinations, each compared with diffrax to the bit: `make sweep` runs more of them."""

import jax
import pytest

from soltrace.traced.versions import OLDEST
from tests.traced.sweep.combine import Combination, draw
from tests.traced.sweep.judge import problems

SEEDS = range(1000, 1015) if jax.__version__ == OLDEST["jax"] else range(1015, 1040)
"""Forty, fewer of them on the oldest versions, which take longer: seconds for a program. `make sweep` draws others."""


FOUND = [
    Combination(
        solver="reversible heun",
        controller="pid",
        adjoint="the user's, extending",
        saving="t1",
        event="none",
        dtype="float32",
        transformation="grad of scan",
        setting="",
        read="ys",
        throw=True,
        backwards=False,
        bounded=True,
    ),
    Combination(
        solver="reversible heun",
        controller="constant",
        adjoint="checkpoint",
        saving="t0 and t1",
        event="none",
        dtype="float32",
        transformation="scan",
        setting="",
        read="ys",
        throw=False,
        backwards=False,
        bounded=True,
    ),
    Combination(
        solver="the user's, calling another",
        controller="clipped",
        adjoint="forward",
        saving="ts",
        event="none",
        dtype="float32",
        transformation="checkpoint",
        setting="checks",
        read="ys",
        throw=True,
        backwards=True,
        bounded=True,
    ),
    Combination(
        solver="dopri5",
        controller="constant",
        adjoint="backsolve",
        saving="t0 and t1",
        event="none",
        dtype="float64",
        transformation="jit of grad",
        setting="tracer leaks",
        read="ys",
        throw=False,
        backwards=False,
        bounded=True,
        detail="steps",
        watch="values that are not finite",
    ),
    Combination(
        solver="reversible heun",
        controller="constant",
        adjoint="backsolve",
        saving="t1",
        event="none",
        dtype="float32",
        transformation="scan",
        setting="",
        read="all",
        throw=False,
        backwards=False,
        bounded=True,
    ),
]
"""Those that were wrong once, and that no other test is like."""


@pytest.mark.slow
@pytest.mark.parametrize("combination", FOUND, ids=str)
def test_what_was_found_once(combination: Combination) -> None:
    """It stays mended."""
    found, _ = problems(combination)
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("seed", SEEDS)
def test_as_diffrax_does(seed: int) -> None:
    """The same numbers or the same error, and passes told as they are."""
    found, _ = problems(draw(seed))
    assert found == [], f'make sweep SWEEP_ARGS="--count 1 --seed {seed}": {draw(seed)}'


def test_a_seed_draws_the_same_each_time() -> None:
    """Or no failure could be repeated."""
    assert [str(draw(seed)) for seed in range(50)] == [str(draw(seed)) for seed in range(50)]
    assert len({str(draw(seed)) for seed in range(50)}) == 50


def test_a_difference_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The judge is one that can say no."""
    from tests.traced.sweep import judge

    outcomes = iter([[("float32", False, (), b"1")], [("float32", False, (), b"2")]])
    monkeypatch.setattr(judge, "_outcome", lambda *_: next(outcomes))
    found, refusal = problems(draw(1000))
    assert not refusal
    assert found[0].startswith("diffrax: bits")
    assert "no forward pass" in found
