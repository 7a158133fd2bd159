"""Under every transformation: the same numbers to the bit, and exactly the events that belong to it."""

from pathlib import Path

import diffrax as dfx
import jax
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import CASES
from tests.traced.stories import bits, story

STORIES = Path(__file__).with_name("stories")


@pytest.mark.parametrize("name", CASES)
def test_same_numbers_and_the_whole_story(name: str, request: pytest.FixtureRequest) -> None:
    """Reports come every two steps of a forward pass and every half of a backward one."""
    case, args = CASES[name]
    expected = case(dfx.diffeqsolve)(*args)
    with capture(every=2, fraction=0.5) as told:
        values = case(soltrace.diffeqsolve)(*args)
        jax.block_until_ready(values)
        events = told.events()
    assert bits(values) == bits(expected)
    assert story(events) == (STORIES / f"{name}.txt").read_text().splitlines()


def test_no_story_is_left_over() -> None:
    """Each story is some case's."""
    assert {path.stem for path in STORIES.glob("*.txt")} == set(CASES)
