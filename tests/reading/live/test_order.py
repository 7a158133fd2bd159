import pytest

from soltrace.reading.live.order import ORDERS, Choice
from soltrace.reading.live.runs import Runs
from soltrace.reading.live.state import Table


@pytest.fixture
def world(logs):
    """Four passes of two runs: the second lags behind, the third has a failed lane, the fourth stands still."""
    a, b = logs("job-2", "fit/warm-up"), logs("job-10", "decay")
    runs, table = Runs(), Table()
    runs.opened(a.opened(rank="2"))
    runs.opened(b.opened(rank="10"))
    table.feed([b.started(0, 1), a.started(0, 2), a.started(0, 3, "backward"), b.started(0, 4)])
    table.feed([b.progress(1, 1, progress=0.5, step=5), a.progress(1, 2, progress=0.1, step=5)])
    table.feed([a.progress(1, 3, "backward", progress=0.9, step=5, lanes=a.lanes(2, 1, 1))])
    table.feed([b.progress(1, 4, progress=0.7, step=5), b.heartbeat(9, 4, stalled=True)])
    return table.open, runs


def solves(choice: Choice, world) -> list[str]:
    passes, runs = world
    return [at.first.solve_id.rpartition(".")[2] for at in choice.arrange(passes, runs)]


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
    assert solves(Choice(order=order), world) == shown
    assert solves(Choice(order=order, reverse=True), world) == ["3", "4", *reversed(shown[2:])]


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
    assert solves(Choice(text=text), world) == shown


def test_failed_only(world):
    """What has a failed lane, and what has stalled."""
    assert solves(Choice(failed_only=True), world) == ["3", "4"]


def test_the_next_order(world):
    """One after the other, and from the beginning again; each begins unreversed."""
    choice = Choice(reverse=True)
    seen = [choice.order]
    for _ in ORDERS:
        choice.next_order()
        seen.append(choice.order)
    assert (seen, choice.reverse) == (["started", "progress", "eta", "experiment", "run", "started"], False)


@pytest.mark.parametrize("order", ORDERS)
def test_numbers_without_end_are_harmless(log, order):
    """A log may say anything."""
    table = Table()
    table.feed([log.started(0), log.progress(1, progress=5e-324, step=1), log.started(0, 2)])
    table.feed([log.progress(1, 2, progress=-1e308, step=1), log.progress(2, 2, progress=1e308, step=1)])
    assert len(solves(Choice(order=order), (table.open, Runs()))) == 2


def test_about_as_far_is_as_far(log):
    """Passes that overtake each other by a hair do not change places."""
    table, choice = Table(), Choice(order="progress")
    table.feed([log.started(0, 1), log.started(0, 2)])
    for i in range(1, 10):
        table.feed([log.progress(i, 1, progress=0.5 + 0.0003 * i, step=i), log.progress(i, 2, progress=0.502, step=i)])
        assert solves(choice, (table.open, Runs())) == ["1", "2"]
