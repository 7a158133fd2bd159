import pytest

from soltrace.reading.live.controls import ORDERS, Controls, Query, Screen
from soltrace.reading.live.state import PassTable, Runs


@pytest.fixture
def passes(log):
    """Twenty open passes."""
    table = PassTable()
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
    controls = Controls(Query(text="x", failed_only=True))
    controls.press("enter", passes)
    assert (controls.screen, place(controls, passes)) == (Screen.DETAIL, 0)
    controls.press("down", passes)
    assert (controls.screen, place(controls, passes)) == (Screen.DETAIL, 1)

    assert controls.follow([]) is None
    assert (controls.screen, place(controls, passes)) == (Screen.DETAIL, 1)

    controls.press("esc", passes)
    assert (controls.screen, place(controls, passes)) == (Screen.LIST, 1)
    controls.press("esc", passes)
    assert (controls.selected, controls.query) == (None, Query(text="x", failed_only=True))
    controls.press("esc", passes)
    assert controls.query == Query()


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
    assert (controls.typing, controls.query) == (True, Query(text="qs "))
    controls.press("enter", passes)
    assert (controls.typing, controls.query, controls.left) == (False, Query(text="qs "), False)

    for key in ["/", "clear", "a", "esc"]:
        controls.press(key, passes)
    assert (controls.typing, controls.query) == (False, Query(text="qs "))

    controls.press("/", passes)
    for _ in range(100):
        controls.press("x", passes)
    assert len(controls.query.text) == 60


def test_single_keys(passes):
    """Each does one thing, and again undoes it."""
    controls = Controls()
    for key, wish in ((" ", "held"), ("q", "left")):
        controls.press(key, passes)
        assert getattr(controls, wish) is True
    controls.press(" ", passes)
    assert controls.held is False

    for key, query in (
        ("s", Query(order="progress")),
        ("r", Query(order="progress", reverse=True)),
        ("f", Query(order="progress", reverse=True, failed_only=True)),
        ("f", Query(order="progress", reverse=True)),
    ):
        controls.press(key, passes)
        assert controls.query == query


def test_help(passes):
    """A question mark shows it; any key is enough to leave it."""
    controls = Controls()
    for key in ("?", "down", "esc", "enter"):
        controls.press("?", passes)
        assert controls.screen is Screen.HELP
        controls.press(key, passes)
        assert controls.screen is Screen.LIST


@pytest.fixture
def world(logs):
    """Four passes of two runs: the second lags behind, the third has a failed lane, the fourth stands still."""
    a, b = logs("job-2", "fit/warm-up"), logs("job-10", "decay")
    runs, table = Runs(), PassTable()
    runs.opened(a.opened(rank="2"))
    runs.opened(b.opened(rank="10"))
    table.feed([b.started(0, 1), a.started(0, 2), a.started(0, 3, "backward"), b.started(0, 4)])
    table.feed([b.progress(1, 1, progress=0.5, step=5), a.progress(1, 2, progress=0.1, step=5)])
    table.feed([a.progress(1, 3, "backward", progress=0.9, step=5, lanes=a.lanes(2, 1, 1))])
    table.feed([b.progress(1, 4, progress=0.7, step=5), b.heartbeat(9, 4, stalled=True)])
    return table.open, runs


def solves(query: Query, world) -> list[str]:
    passes, runs = world
    return [at.first.solve_id.rpartition(".")[2] for at in query.arrange(passes, runs)]


@pytest.mark.parametrize(
    "order,shown",
    [
        ("started", ["3", "4", "1", "2"]),
        ("progress", ["3", "4", "2", "1"]),
        ("eta", ["3", "4", "2", "1"]),
        ("experiment", ["3", "4", "1", "2"]),
        ("run", ["3", "4", "2", "1"]),
    ],
)
def test_trouble_comes_first(world, order, shown):
    """What fails, then what stands still, then the others: what is least far, what takes longest, or by name."""
    assert solves(Query(order=order), world) == shown
    assert solves(Query(order=order, reverse=True), world) == ["3", "4", *reversed(shown[2:])]


@pytest.mark.parametrize(
    "text,shown",
    [
        ("", ["3", "4", "1", "2"]),
        ("WARM", ["3", "2"]),
        ("rank 10", ["4", "1"]),
        ("job-2", ["3", "2"]),
        ("backw", ["3"]),
        ("#4", ["4"]),
        ("nobody", []),
    ],
)
def test_a_text_is_looked_for(world, text, shown):
    """In the names of experiment, run, solve and phase, whatever their case."""
    assert solves(Query(text=text), world) == shown


def test_failed_only(world):
    """What has a failed lane, and what has stalled."""
    assert solves(Query(failed_only=True), world) == ["3", "4"]


def test_the_next_order(world):
    """One after the other, and from the beginning again; each begins unreversed."""
    query = Query(reverse=True)
    seen = [query.order]
    for _ in ORDERS:
        query.next_order()
        seen.append(query.order)
    assert (seen, query.reverse) == (["started", "progress", "eta", "experiment", "run", "started"], False)


@pytest.mark.parametrize("order", ORDERS)
def test_numbers_without_end_are_harmless(log, order):
    """A log may say anything."""
    table = PassTable()
    table.feed([log.started(0), log.progress(1, progress=5e-324, step=1), log.started(0, 2)])
    table.feed([log.progress(1, 2, progress=-1e308, step=1), log.progress(2, 2, progress=1e308, step=1)])
    assert len(solves(Query(order=order), (table.open, Runs()))) == 2


def test_about_as_far_is_as_far(log):
    """Passes that overtake each other by a hair do not change places."""
    table, query = PassTable(), Query(order="progress")
    table.feed([log.started(0, 1), log.started(0, 2)])
    for i in range(1, 10):
        table.feed([log.progress(i, 1, progress=0.5 + 0.0003 * i, step=i), log.progress(i, 2, progress=0.502, step=i)])
        assert solves(query, (table.open, Runs())) == ["1", "2"]
