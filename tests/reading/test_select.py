import pytest

from soltrace.reading.parse import Unknown
from soltrace.reading.select import Selection


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
    "selection,expected",
    [
        (Selection(), "opened experiment forward backward warm fitted beat"),
        (Selection(phases=("forward",)), "forward warm beat"),
        (Selection(phases=("backward", "forward")), "forward backward warm beat"),
        (Selection(experiments=("fit",)), "experiment forward backward warm beat"),
        (Selection(experiments=("fit/*", "fitted")), "warm fitted"),
        (Selection(experiments=("warm",)), ""),
        (Selection(events=("pass.*",)), "forward backward warm beat"),
        (Selection(events=("pass.ended", "log.opened")), "opened backward"),
        (Selection(phases=("forward",), experiments=("fit",), events=("pass.started",)), "forward"),
    ],
    ids=str,
)
def test_a_record_matches_one_of_each_kind(records, selection, expected):
    """Patterns of one kind are alternatives; kinds are conditions."""
    assert " ".join(name for name, record in records.items() if selection.admits(record)) == expected
