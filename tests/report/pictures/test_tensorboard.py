"""The curves, read with TensorBoard's own reader, which checks every checksum."""

import pytest
from msgspec import UNSET
from tensorboard.backend.event_processing.event_multiplexer import EventMultiplexer

from soltrace.report.loading import Converted
from soltrace.report.pictures.drawing import draw
from soltrace.report.pictures.event_files import masked_crc32c
from soltrace.wire.record_parts import Steps

pytestmark = pytest.mark.once


def read(directory):
    """The points of each curve of each run, as TensorBoard has them: step and value."""
    events = EventMultiplexer().AddRunsFromDirectory(str(directory)).Reload()
    return {
        run: {tag: [(at.step, at.value) for at in events.Scalars(run, tag)] for tag in found["scalars"]}
        for run, found in events.Runs().items()
    }


@pytest.fixture
def curves(files, tmp_path):
    """Of two runs."""
    assert draw("tensorboard", files, tmp_path / "events") == Converted(records=30, skipped=2)
    return read(tmp_path / "events")


def test_each_experiment_and_each_pass_is_a_run(curves):
    """And so is each lane; a pass that reported nothing has no curve of its own."""
    assert sorted(curves) == [
        "fit/a",
        "fit/a/1 backward",
        "fit/a/1 forward",
        "sweep/warm/b",
        "sweep/warm/b/1 forward",
        "sweep/warm/b/1 forward/lane 0",
        "sweep/warm/b/1 forward/lane 1",
        "sweep/warm/b/1 forward/lane 2",
    ]


def test_the_curves_of_a_pass(curves):
    """Progress, step size, rate and steps, over steps."""
    assert curves["fit/a/1 forward"] == {
        "dt": [(8, 3.125), (13, 5.0), (18, 10.0)],
        "progress": [(0, 0.0), (10, 0.25), (15, 0.5), (20, 1.0)],
        "rate": [(8, 8.0), (13, 5.0), (18, 2.5)],
        "steps/accepted": [(10, 8.0), (15, 13.0), (20, 18.0)],
        "steps/rejected": [(10, 2.0), (15, 2.0), (20, 2.0)],
        "t": [(0, 0.0), (10, 25.0), (15, 50.0), (20, 100.0)],
    }
    assert curves["sweep/warm/b/1 forward/lane 1"]["dt"] == [(40, 1.25), (117, pytest.approx(50 / 77))]


def test_the_passes_of_an_experiment(tmp_path, log):
    """One after the other: what each took, at the time at which it ended."""
    steps = [Steps(accepted=10 * number, rejected=number) for number in (1, 2)]
    log.append(
        tmp_path / "run.jsonl",
        *(log.started(0, 1), log.ended(1, 1, duration_s=1.0, step=11, steps=steps[0])),
        *(log.started(1, 2), log.ended(3, 2, duration_s=2.0, step=22, steps=steps[1])),
        *(log.started(3, 2, "backward"), log.ended(4, 2, "backward", duration_s=1.0, step=22, steps=UNSET)),
    )
    draw("tensorboard", [tmp_path / "run.jsonl"], tmp_path / "events")
    assert read(tmp_path / "events") == {
        "fit/r1": {
            "forward/duration_s": [(1, 1.0), (2, 2.0)],
            "forward/steps": [(1, 11.0), (2, 22.0)],
            "forward/rejected": [(1, 1.0), (2, 2.0)],
            "forward/progress": [(1, 1.0), (2, 1.0)],
            "backward/duration_s": [(1, 1.0)],
            "backward/steps": [(1, 22.0)],
            "backward/progress": [(1, 1.0)],
        }
    }
    events = EventMultiplexer().AddRunsFromDirectory(str(tmp_path / "events")).Reload()
    wall = [at.wall_time for at in events.Scalars("fit/r1", "forward/duration_s")]
    assert wall == [log.start.timestamp() + 1, log.start.timestamp() + 3]


def test_a_directory_that_is_there(tmp_path, logs):
    """Keeps what is not ours, and what is written again is not there twice. Names lead nowhere else."""
    log = logs("r1", "../../up/a:b")
    log.append(tmp_path / "run.jsonl", log.started(0), log.ended(1, duration_s=1.0, steps=UNSET))
    other = tmp_path / "events" / "mine" / "events.out.tfevents.1"
    other.parent.mkdir(parents=True)
    other.write_bytes(b"")
    for _ in range(2):
        draw("tensorboard", [tmp_path / "run.jsonl"], tmp_path / "events")
    found = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    up = "events/_-9608161c/_-9608161c/up/a_b-3041a608/r1/events.out.tfevents.soltrace"
    assert found == [up, "events/mine/events.out.tfevents.1", "run.jsonl"]
    assert read(tmp_path / "events")[up.removeprefix("events/").rpartition("/")[0]]["forward/duration_s"] == [(1, 1.0)]


def test_without_a_record_nothing_is_written(tmp_path):
    """What was there stays."""
    (tmp_path / "run.jsonl").write_bytes(b"hello\n")
    for tool in ("tensorboard", "perfetto", "speedscope"):
        assert draw(tool, [tmp_path / "run.jsonl"], tmp_path / "out") == Converted(records=0, skipped=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run.jsonl"]


def test_checksums():
    """Of RFC 3720, B.4: of 32 zeros, and of 32 ones; masked as TFRecord has them."""
    for data, crc in ((b"\0" * 32, 0x8A9136AA), (b"\xff" * 32, 0x62A8AB43)):
        rotated = (crc >> 15 | crc << 17) & 0xFFFFFFFF
        assert masked_crc32c(data) == ((rotated + 0xA282EAD8) & 0xFFFFFFFF).to_bytes(4, "little")
