from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from soltrace.reading.live.endings import BURST, LINES_PER_S, QUIET_S, Endings, PassTally, Remainder
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import ExperimentEnded, PassEnded, ProgramCompiled


def test_a_few_passes_have_a_line_each(log):
    """They are said when nothing more of their kind has come for a moment."""
    endings = Endings()
    ends = [log.ended(i, i) for i in range(3)]

    endings.feed(ends, now=10.0)
    assert endings.due(now=10.0 + 0.9 * QUIET_S) == []
    assert endings.streaming(ends[0], "forward")
    assert not endings.streaming(ends[0], "backward")

    assert endings.due(now=10.0 + QUIET_S) == ends
    assert endings.due(now=99.0) == endings.tallies == []


def test_many_passes_have_one_line(log):
    """A stream is gathered while it lasts, and said once."""
    endings = Endings()
    failing = {"status": "error", "result": "max_steps_reached"}
    for i in range(100):
        endings.feed([log.ended(i / 10, i, duration_s=0.01 * i, **(failing if i == 7 else {}))], now=i / 10)
        assert endings.due(now=i / 10) == []

    [tally] = endings.due(now=12.0)

    assert isinstance(tally, PassTally)
    assert (tally.count, tally.ok, tally.failed, tally.results) == (100, 99, 1, Counter(max_steps_reached=1))
    assert (tally.steps, tally.median_s, tally.passes_per_s) == (460_200, 0.5, pytest.approx(10.0))
    assert tally.newest == log.ended(9.9, 99, duration_s=0.99)


def test_kinds_are_gathered_apart(logs):
    """By run, experiment and phase."""
    a, b = logs("a"), logs("b", "other")
    endings = Endings()
    ends = [end for i in range(9) for end in (a.ended(0, i), a.ended(0, i, "backward"), b.ended(0, i))]

    endings.feed(ends, now=0.0)

    tallies = [item for item in endings.due(now=9.0) if isinstance(item, PassTally)]
    assert [(t.newest.run_id, t.newest.experiment, t.newest.phase, t.count) for t in tallies] == [
        ("a", "fit", "forward", 9),
        ("a", "fit", "backward", 9),
        ("b", "other", "forward", 9),
    ]


def test_an_experiment_ends_after_its_passes(log):
    """Its end is the moment to say what they came to."""
    endings = Endings()

    endings.feed([log.experiment_started(0), log.ended(1, 1), log.experiment_ended(2), log.dropped(3, 5)], now=0.0)

    assert endings.due(now=0.0) == [
        log.experiment_started(0),
        log.ended(1, 1),
        log.experiment_ended(2),
        log.dropped(3, 5),
    ]


def test_too_much_becomes_a_rest(logs):
    """After a screenful at once there are a few lines a second, and nothing is uncounted."""
    endings = Endings()
    for i in range(1000):
        log = logs(experiment=f"e{i}")
        end = log.ended(1, status="error" if i % 100 == 0 else "ok")
        ends = [log.compiled(0), end, log.experiment_ended(2), log.dropped(2, 1)]
        endings.feed([log.experiment_started(0), *ends], now=0.0)

    items = endings.due(now=0.0)
    assert len(items) == BURST
    assert isinstance(items[-1], Remainder)
    said = items[:-1]
    passes = sum(isinstance(item, PassEnded) for item in said)
    experiments = sum(isinstance(item, ExperimentEnded) for item in said)
    failed = sum(isinstance(item, PassEnded) and item.status == "error" for item in said)
    lost = sum(hasattr(item, "dropped") for item in said)
    compiled = sum(isinstance(item, ProgramCompiled) for item in said)
    assert items[-1] == Remainder(1000 - passes, 1000 - experiments, 10 - failed, 1000 - lost, 1000 - compiled)

    endings.feed([logs().experiment_started(3), logs().experiment_ended(4)], now=0.1)
    assert endings.due(now=0.1) == []
    assert endings.due(now=1 / LINES_PER_S + 0.01) == [Remainder(experiments=1)]


def test_nothing_is_held_back_at_the_end(log):
    """The last look says what was being gathered."""
    endings = Endings()
    endings.feed([log.ended(1, 1)], now=0.0)

    assert endings.due(now=0.0, last=True) == [log.ended(1, 1)]


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.sampled_from(["forward", "backward", "over"]), st.floats(0, 1)), max_size=300
    )
)
def test_every_end_is_said_once(logs, steps):
    """Whatever comes when, the lines together count each pass and each experiment once."""
    endings = Endings()
    now = 0.0
    items = []
    for experiment, what, wait in steps:
        log = logs(experiment=str(experiment))
        endings.feed([log.experiment_ended(0) if what == "over" else log.ended(0, 1, what)], now)
        now += wait
        items += endings.due(now)
    items += endings.due(now, last=True)

    total = Remainder()
    for item in items:
        total.add(item)
    overs = sum(what == "over" for _, what, _ in steps)
    assert (total.passes, total.experiments) == (len(steps) - overs, overs)
    assert len(items) <= BURST + LINES_PER_S * now + BURST


def test_a_tally_does_not_grow(log):
    """Nor does what it remembers of reasons out of the file."""
    endings = Endings()

    endings.feed(
        (log.ended(0, i, status="error", result=f"r{i}", steps=Steps(accepted=1, rejected=0)) for i in range(5000)), 0.0
    )

    [tally] = endings.tallies
    assert tally.count == tally.failed == tally.steps == 5000
    assert tally.results == Counter({f"r{i}": 1 for i in range(8)}) | Counter(others=4992)
    assert (len(tally.singles), len(tally.durations)) == (3, 999)
