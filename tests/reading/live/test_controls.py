import pytest

from soltrace.reading.live.controls import Controls, Picture
from soltrace.reading.live.order import Choice
from soltrace.reading.live.state import Table


@pytest.fixture
def passes(log):
    """Twenty open passes."""
    table = Table()
    table.feed(log.started(0, i) for i in range(20))
    return table.open


def place(controls: Controls, passes) -> int | None:
    return None if controls.selected is None else passes.index(controls.selected)


@pytest.mark.parametrize(
    "keys,expected",
    [
        (["down"], 0),
        (["down", "down", "j", "k"], 1),
        (["up"], 19),
        (["down", "up"], 0),
        (["page down"], 9),
        (["down", "page down", "page down"], 19),
        (["end"], 19),
        (["end", "page up"], 9),
        (["down", "end", "home"], 0),
        (["down", "esc"], None),
        (["down", "tab", "x", "left"], 0),
    ],
)
def test_selecting(passes, keys, expected):
    """It begins at the near end, and stops at either."""
    controls = Controls()
    for key in keys:
        controls.press(key, passes)
    assert place(controls, passes) == expected


def test_the_selected_pass_stays_selected(passes):
    """Wherever it goes in the list; when it is over, the next in its place is; of an empty list, none."""
    controls = Controls()
    for _ in range(3):
        controls.press("down", passes)
    moved = [passes[2], *passes[:2]]
    assert controls.follow(moved) == 0
    assert controls.selected is passes[2]

    assert controls.follow(passes[:2]) == 0
    assert controls.selected is passes[0]

    assert controls.follow([]) is None
    assert controls.selected is None


def test_looking_closer_and_back(passes):
    """Enter opens the selected pass, or the first; it stays open when it is over; escape leads back step by step."""
    controls = Controls(Choice(text="x", failed_only=True))
    controls.press("enter", passes)
    assert (controls.picture, place(controls, passes)) == (Picture.DETAIL, 0)
    controls.press("down", passes)
    assert (controls.picture, place(controls, passes)) == (Picture.DETAIL, 1)

    assert controls.follow([]) is None
    assert (controls.picture, place(controls, passes)) == (Picture.DETAIL, 1)

    controls.press("esc", passes)
    assert (controls.picture, place(controls, passes)) == (Picture.LIST, 1)
    controls.press("esc", passes)
    assert (controls.selected, controls.choice) == (None, Choice(text="x", failed_only=True))
    controls.press("esc", passes)
    assert controls.choice == Choice()


def test_nothing_to_look_at():
    """Keys do no harm where there is no pass."""
    controls = Controls()
    for key in ("down", "up", "enter", "end", "esc"):
        controls.press(key, [])
    assert controls == Controls()


def test_writing_what_is_looked_for(passes):
    """Keys are letters then; enter keeps the text, escape what was before."""
    controls = Controls()
    for key in ["/", "q", "s", " ", "f", "backspace", "down"]:
        controls.press(key, passes)
    assert (controls.typing, controls.choice) == (True, Choice(text="qs "))
    controls.press("enter", passes)
    assert (controls.typing, controls.choice, controls.left) == (False, Choice(text="qs "), False)

    for key in ["/", "clear", "a", "esc"]:
        controls.press(key, passes)
    assert (controls.typing, controls.choice) == (False, Choice(text="qs "))

    controls.press("/", passes)
    for _ in range(100):
        controls.press("x", passes)
    assert len(controls.choice.text) == 60


def test_single_keys(passes):
    """Each does one thing, and again undoes it."""
    controls = Controls()
    for key, wish in ((" ", "held"), ("q", "left")):
        controls.press(key, passes)
        assert getattr(controls, wish) is True
    controls.press(" ", passes)
    assert controls.held is False

    for key, choice in (
        ("s", Choice(order="progress")),
        ("r", Choice(order="progress", reverse=True)),
        ("f", Choice(order="progress", reverse=True, failed_only=True)),
        ("f", Choice(order="progress", reverse=True)),
    ):
        controls.press(key, passes)
        assert controls.choice == choice


def test_help(passes):
    """A question mark shows it; any key is enough to leave it."""
    controls = Controls()
    for key in ("?", "down", "esc", "enter"):
        controls.press("?", passes)
        assert controls.picture is Picture.HELP
        controls.press(key, passes)
        assert controls.picture is Picture.LIST
