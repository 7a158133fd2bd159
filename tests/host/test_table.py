from soltrace.host import table as table_module
from soltrace.host.context import Context
from soltrace.host.pacing import Every
from soltrace.host.signals import NOTHING_KNOWN, Kind
from soltrace.host.table import HandleTable, PassEntry


def entry(table, kind=Kind.FORWARD, *, lanes=1, now=0.0, forward=0):
    """A pass that has just started."""
    pace = Every().pace(None, "forward", 0.0)
    made = PassEntry(table.new_handle(), kind, None, NOTHING_KNOWN, Context(), "run.1", "run.1.forward", pace, now, now)
    made.lanes, made.forward_handle = lanes, forward
    table.add(made)
    return made


def test_a_handle_in_use_is_not_given_twice(monkeypatch):
    """They wrap around, past the passes that are open or remembered."""
    monkeypatch.setattr(table_module, "LARGEST_HANDLE", 3)
    table = HandleTable()
    first, second, third = entry(table), entry(table, Kind.BACKWARD), entry(table)
    table.end(second)
    table.end(third)
    again = entry(table)
    assert [first.handle, second.handle, third.handle, again.handle] == [1, 2, 3, 2]


def test_an_ended_forward_pass_is_remembered_and_others_are_not():
    """A backward pass may come for it."""
    table = HandleTable()
    forward, backward = entry(table), entry(table, Kind.BACKWARD)
    table.end(forward)
    table.end(backward)
    assert table.find(forward.handle, Kind.FORWARD) is forward
    assert table.find(forward.handle, Kind.BACKWARD) is None
    assert table.find(backward.handle, Kind.BACKWARD) is None


def test_what_was_not_asked_for_longest_is_forgotten_first(monkeypatch):
    """The memory is bounded in passes."""
    monkeypatch.setattr(table_module, "ENDED_AT_MOST", 2)
    table = HandleTable()
    first, second, third = entry(table), entry(table), entry(table)
    table.end(first)
    table.end(second)
    assert table.find(first.handle, Kind.FORWARD) is first
    table.end(third)
    assert [table.find(one.handle, Kind.FORWARD) for one in (first, second, third)] == [first, None, third]


def test_the_memory_is_bounded_in_lanes_too(monkeypatch):
    """One pass of a million lanes is kept, and nothing beside it."""
    monkeypatch.setattr(table_module, "LANES_AT_MOST", 100)
    table = HandleTable()
    small, large = entry(table), entry(table, lanes=1_000_000)
    table.end(small)
    table.end(large)
    assert [table.find(one.handle, Kind.FORWARD) for one in (small, large)] == [None, large]


def test_the_newest_backward_pass_of_a_forward_one():
    """The one that was opened last and is still open."""
    table = HandleTable()
    older, newer, other = (entry(table, Kind.BACKWARD, forward=number) for number in (7, 7, 8))
    assert table.newest_backward(7) is newer
    table.end(newer)
    assert table.newest_backward(7) is older
    assert table.newest_backward(9) is None
    assert table.newest_backward(8) is other


def test_too_many_open_passes_have_lost_their_ends(monkeypatch):
    """The one silent for longest is the first to be given up."""
    monkeypatch.setattr(table_module, "OPEN_AT_MOST", 2)
    table = HandleTable()
    entry(table, now=5.0)
    silent = entry(table, now=1.0)
    assert table.longest_silent() is None
    entry(table, now=6.0)
    assert table.longest_silent() is silent
