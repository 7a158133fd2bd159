"""Random combinations, each compared with diffrax to the bit: `make sweep` runs more of them."""

import random

import pytest

from tests.traced.sweep.combine import draw
from tests.traced.sweep.judge import problems

FRESH = random.SystemRandom().randrange(10**9)
"""Named in the test's id where it fails, so that it can be repeated."""
SEEDS = [*range(1000, 1038), FRESH, FRESH + 1]


@pytest.mark.slow
@pytest.mark.parametrize("which", range(len(SEEDS)))
def test_as_diffrax_does(which: int) -> None:
    """The same numbers or the same error, and passes told as they are; two of the seeds are fresh each time."""
    seed = SEEDS[which]
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
