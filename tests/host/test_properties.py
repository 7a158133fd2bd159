"""Whatever a program tells, in whatever order its passes come: what must hold of the records."""

import json
import math
from collections import Counter

import jsonschema
import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from soltrace import host
from soltrace.host import Signal, SolveInfo
from soltrace.testing import capture
from soltrace.wire.json_line import json_line
from soltrace.wire.records import AnyRecord, LaneEnded, PassEnded, PassProgress, PassRecord, PassStarted
from soltrace.wire.schema import schema

RESULTS = ("successful", "max_steps_reached", "event_occurred", "nonlinear_divergence")
INFO = SolveInfo(solver="Tsit5", adjoint="RC", controller="PID", results=RESULTS, recomputed=lambda steps: steps)
DECODER = msgspec.json.Decoder(AnyRecord)
VALIDATOR = jsonschema.Draft202012Validator(schema())

times = st.one_of(st.floats(-0.5, 1.5), st.just(math.nan), st.just(math.inf))
lanes = st.integers(0, 20)


@st.composite
def batches(draw):
    """A batch's shape; () is a single solve."""
    return draw(st.sampled_from([(), (1,), (3,), (2, 2), (20,)]))


@st.composite
def reports(draw, shape):
    """Step, accepted, result and t of each lane."""
    count = math.prod(shape)
    row = st.tuples(st.integers(0, 9), st.integers(0, 9), st.integers(-1, 4), times)
    return draw(st.lists(row, min_size=count, max_size=count))


@st.composite
def solves(draw):
    """What one solve tells: its shape, its reports, whether it ends, and the backward passes after it."""
    shape = draw(batches())
    told = draw(st.lists(reports(shape), max_size=4))
    elapsed = st.lists(st.floats(-0.5, 1.5, width=32), max_size=3)
    return shape, told, draw(st.booleans()), draw(st.lists(elapsed, max_size=2))


def tell(signal, ints, floats, shape):
    """One signal of a whole batch."""
    ints = np.array(ints, np.int32).reshape((*shape, -1))
    return host.receive(signal, INFO, ints, np.array(floats, np.float32).reshape((*shape, -1))).tolist()


def run(solve):
    """Tell what the solve tells, pausing after each signal: solves can be interleaved."""
    shape, told, ends, backward = solve
    count = math.prod(shape)
    handle, _ = tell(Signal.FORWARD_START, [0, 1, 0] * count, [0, 1, 1, 1e-3, math.nan] * count, shape)
    yield
    for number, report in enumerate(told):
        last = ends and number == len(told) - 1
        ints = [value for step, accepted, result, _ in report for value in (handle, step, accepted, result)]
        tell(Signal.FORWARD_END if last else Signal.FORWARD_STEP, ints, [t for *_, t in report], shape)
        yield
    for steps in backward:
        wanted, own = tell(
            Signal.BACKWARD_START, [x for lane in range(count) for x in (handle, lane)], [0.0, 0.0] * count, shape
        )
        yield
        for elapsed in steps:
            tell(Signal.BACKWARD_STEP, [1] * count, [elapsed, wanted, own] * count, shape)
            yield
        tell(Signal.BACKWARD_END, [handle] * count, [own] * count, shape)
        yield


@pytest.mark.once
@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(solves(), min_size=1, max_size=3), st.randoms(use_true_random=False))
def test_what_must_hold_of_all_records(several, random):
    """One start and one end per pass and lane, progress that never falls, and lines that are what they were."""
    with capture(abandon_after_s=0.0) as told:
        running = [run(solve) for solve in several]
        while running:
            one = random.choice(running)
            if next(one, "done") == "done":
                running.remove(one)
        told.recorder.close(30.0)
        records = told.records
    of_passes = [record for record in records if isinstance(record, PassRecord)]
    started = Counter(record.pass_id for record in of_passes if isinstance(record, PassStarted))
    ended = Counter(record.pass_id for record in of_passes if isinstance(record, PassEnded))
    assert started == ended
    assert set(started.values()) <= {1}
    last = {}
    over = set()
    for record in of_passes:
        index = getattr(record, "batch_index", msgspec.UNSET)
        which = (record.pass_id, None if index is msgspec.UNSET else tuple(index))
        assert which not in over
        if isinstance(record, PassEnded | LaneEnded):
            over.add(which)
        if isinstance(record, PassEnded | LaneEnded | PassProgress):
            assert 0.0 <= last.get(which, 0.0) <= record.progress <= 1.0
            last[which] = record.progress
    for record in records:
        line = json_line(record)
        assert DECODER.decode(line) == record
        VALIDATOR.validate(json.loads(line, parse_constant=lambda name: name / 0))
