import pytest

from soltrace.reading.parse import Unknown
from soltrace.reading.select import RecordFilter


@pytest.fixture
def records(log, logs):
    """One record of most kinds, by a name for it."""
    warm = logs(experiment="fit/warm")
    return {
        "opened": log.opened(),
        "experiment": log.experiment_started(0),
        "forward": log.started(0),
        "backward": log.ended(1, phase="backward"),
        "warm": warm.progress(1, progress=0.5, step=3),
        "fitted": logs(experiment="fitted").experiment_ended(2),
        "beat": Unknown("pass.paused", 1, None, "fit", "forward"),
    }


@pytest.mark.parametrize(
    "record_filter,expected",
    [
        (RecordFilter(), "opened experiment forward backward warm fitted beat"),
        (RecordFilter(phases=("forward",)), "forward warm beat"),
        (RecordFilter(phases=("backward", "forward")), "forward backward warm beat"),
        (RecordFilter(experiments=("fit",)), "experiment forward backward warm beat"),
        (RecordFilter(experiments=("fit/*", "fitted")), "warm fitted"),
        (RecordFilter(experiments=("warm",)), ""),
        (RecordFilter(events=("pass.*",)), "forward backward warm beat"),
        (RecordFilter(events=("pass.ended", "log.opened")), "opened backward"),
        (RecordFilter(phases=("forward",), experiments=("fit",), events=("pass.started",)), "forward"),
    ],
    ids=str,
)
def test_a_record_matches_one_of_each_kind(records, record_filter, expected):
    """Patterns of one kind are alternatives; kinds are conditions."""
    assert " ".join(name for name, record in records.items() if record_filter.admits(record)) == expected
