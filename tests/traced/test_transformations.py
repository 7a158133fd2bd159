"""Under every transformation: the same numbers to the bit, and exactly the events that belong to it."""

from pathlib import Path

import pytest

from tests.traced.cases import CASES
from tests.traced.stories import story, told_by

STORIES = Path(__file__).with_name("stories")


@pytest.mark.parametrize("name", CASES)
def test_same_numbers_and_the_whole_story(name: str) -> None:
    """What a case tells is written down, one record a line."""
    case, args = CASES[name]
    assert story(told_by(case, *args)) == (STORIES / f"{name}.txt").read_text().splitlines()


def test_no_story_is_left_over() -> None:
    """Each story is some case's."""
    assert {path.stem for path in STORIES.glob("*.txt")} == set(CASES)
