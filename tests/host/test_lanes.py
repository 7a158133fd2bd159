import math

import numpy as np
import pytest

from soltrace.host.index import BatchIndex
from soltrace.host.lanes import LaneTable, fraction_done, spread
from soltrace.host.outcomes import outcomes
from soltrace.host.selection import Selection, selection


@pytest.mark.parametrize(
    "old,new,lanes",
    [
        ((), (3,), [0, 0, 0]),
        ((3,), (3,), [0, 1, 2]),
        ((2,), (3, 2), [0, 1, 0, 1, 0, 1]),
        ((3,), (3, 2), [0, 0, 1, 1, 2, 2]),
        ((2,), (2, 2), [0, 1, 0, 1]),
        ((2, 2), (2, 3, 2), [0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3]),
        ((2, 1), (2, 2), [0, 0, 1, 1]),
        ((1, 2), (2, 2), [0, 1, 0, 1]),
        ((2,), (4,), None),
    ],
    ids=["single", "same", "inner", "outer", "either", "around", "placed outside", "placed inside", "misfit"],
)
def test_a_smaller_batch_is_spread_over_a_larger_one(old, new, lanes):
    """A value lacks the axes of the vmaps that it does not depend on."""
    if lanes is None:
        with pytest.raises(ValueError, match=r"a batch of shape \(2,\) is no part of one of shape \(4,\)"):
            spread(old, new)
    else:
        assert spread(old, new).tolist() == lanes


def table(progress, ended=(), failed=()):
    """Lanes with this progress."""
    count = len(progress)
    lanes = LaneTable((count,), np.zeros(count), np.ones(count), np.ones(count), outcomes(("successful", "bad")))
    lanes.advance(np.ones(count, bool), np.array(progress))
    lanes.ended[[*ended, *failed]] = True
    lanes.result[list(failed)] = 1
    return lanes


def index_of(lanes):
    """The batch indices of lanes."""
    return BatchIndex().rows(lanes.shape)


def test_progress_never_falls_and_is_rounded_to_what_a_float32_tells():
    """NaN is nowhere, what is beyond an end is at the end."""
    lanes = table([0.0] * 4)
    everyone = np.ones(4, bool)
    lanes.advance(everyone, np.array([np.float32(0.3), math.nan, -1.0, 2.0], np.float64))
    assert lanes.progress.tolist() == [0.3, 0.0, 0.0, 1.0]
    lanes.advance(everyone, np.array([0.2, 0.1, 0.1, 0.5]))
    assert lanes.progress.tolist() == [0.3, 0.1, 0.1, 1.0]
    lanes.advance(np.array([True, False, False, False]), np.array([0.9] * 4))
    assert lanes.progress.tolist() == [0.9, 0.1, 0.1, 1.0]


def test_a_solve_over_no_time_is_done():
    """0 / 0 is 1 here."""
    assert fraction_done(np.array([1.0, 0.0]), np.array([1.0, 2.0]), np.array([1.0, 0.5])).tolist() == [1.0, 0.25]


def test_a_small_batch_shows_every_lane_that_runs():
    """Up to sixteen."""
    lanes = table([0.5] * 16, ended=[3], failed=[5])
    assert Selection().running(lanes, index_of(lanes)).tolist() == [n for n in range(16) if n not in (3, 5)]
    assert Selection().ended(lanes, index_of(lanes), last=False).tolist() == [3, 5]


def test_a_large_batch_shows_the_slowest_and_the_failing():
    """Eight of those that run, by index; among equals the first. How a lane ended well is only told at the end."""
    lanes = table([0.9, 0.1, *[0.5] * 20, 0.0], ended=[22], failed=[0])
    index = index_of(lanes)
    assert Selection().running(lanes, index).tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert Selection().ended(lanes, index, last=False).tolist() == [0]
    lanes.said[0] = True
    lanes.ended[:] = True
    lanes.step[:] = np.arange(23)
    # The slowest: least progress, and of those with the same the most steps.
    assert Selection().ended(lanes, index, last=True).tolist() == [1, 16, 17, 18, 19, 20, 21, 22]


def test_chosen_lanes_are_shown_and_the_failing_ones_too():
    """Whoever asks for lane 20 is still told that lane 3 failed."""
    lanes = table([0.5] * 30, ended=[20], failed=[3])
    chosen = selection([(20,), (21,)])
    assert chosen.running(lanes, index_of(lanes)).tolist() == [21]
    assert chosen.ended(lanes, index_of(lanes), last=False).tolist() == [3, 20]
    everyone = selection("all")
    assert everyone.running(lanes, index_of(lanes)).tolist() == [n for n in range(30) if n not in (3, 20)]
    assert everyone.ended(lanes, index_of(lanes), last=False).tolist() == [3, 20]


@pytest.mark.parametrize(
    "index,local,shape,rows",
    [
        (BatchIndex(), (), [], [[]]),
        (BatchIndex(), (2, 2), [2, 2], [[0, 0], [0, 1], [1, 0], [1, 1]]),
        (BatchIndex(2, 4, "prepend"), (2,), [4, 2], [[2, 0], [2, 1]]),
        (BatchIndex(2, 4, "prepend"), (), [4], [[2]]),
        (BatchIndex(2, 4, "offset"), (2,), [8], [[4], [5]]),
        (BatchIndex(1, 2, "offset"), (1, 2), [2, 2], [[1, 0], [1, 1]]),
        (BatchIndex(2, 4, "offset"), (), [4], [[2]]),
    ],
    ids=["single", "nested", "pmap", "pmap-single", "shard_map", "shard_map-nested", "shard_map-single"],
)
def test_an_index_is_global(index, local, shape, rows):
    """A lane on the third of four devices knows its place among all."""
    assert (index.shape(local), index.rows(local).tolist()) == (shape, rows)
