"""The trace, read with Perfetto's own definitions: tracks, slices that nest, flows that lead somewhere, counters."""

from collections import defaultdict

import pytest
from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace import perfetto_trace_pb2 as pb

from soltrace.report.loading import Converted
from soltrace.report.pictures.drawing import draw
from soltrace.report.pictures.slice_rows import Rows

pytestmark = pytest.mark.once

ORIGIN_NS = 1795577069123456000
"""When the story begins."""


class Seen:
    """What a viewer makes of a trace."""

    def __init__(self, data: bytes) -> None:
        self.packets = pb.Trace.FromString(data).packet
        self.tracks = {
            p.track_descriptor.uuid: p.track_descriptor for p in self.packets if p.HasField("track_descriptor")
        }
        events = [p for p in self.packets if p.HasField("track_event")]
        self.slices, self.counts = [], []
        self.starts, self.ends = defaultdict(list), defaultdict(list)
        open_ = defaultdict(list)
        for packet in sorted(events, key=lambda packet: packet.timestamp):  # stable, as the viewer's own
            event, at = packet.track_event, (packet.timestamp - ORIGIN_NS) / 1e9
            if event.type == pb.TrackEvent.TYPE_SLICE_BEGIN:
                open_[event.track_uuid].append((at, event))
            elif event.type == pb.TrackEvent.TYPE_SLICE_END:
                began, begun = open_[event.track_uuid].pop()
                self.slices.append((self.path(event.track_uuid), begun.name, began, at))
                for flow in begun.flow_ids:
                    self.starts[flow].append((begun.name, began))
                for flow in begun.terminating_flow_ids:
                    self.ends[flow].append((begun.name, began))
            else:
                self.counts.append((self.path(event.track_uuid), at, event.double_counter_value))
        self.unfinished = [uuid for uuid, events in open_.items() if events]
        self.values = {
            value.name: getattr(value, value.WhichOneof("value"))
            for packet in events
            for value in packet.track_event.debug_annotations
            if packet.track_event.name == "forward"
        }

    def path(self, uuid: int) -> str:
        track = self.tracks[uuid]
        return f"{self.path(track.parent_uuid)}/{track.name}" if track.parent_uuid else track.process.process_name


@pytest.fixture
def seen(files, tmp_path):
    """The trace of two runs."""
    assert draw("perfetto", files, tmp_path / "x.pftrace") == Converted(records=30, skipped=2)
    return Seen((tmp_path / "x.pftrace").read_bytes())


def unknown(message) -> list:
    """The fields of a message, and of those in it, that its definition does not have."""
    found = list(UnknownFieldSet(message))
    for field, value in message.ListFields():
        if field.message_type is not None:
            for each in value if field.is_repeated else [value]:
                found += unknown(each)
    return found


def test_every_field_is_one_of_perfettos(seen):
    """And each packet says who wrote it; the clock is the calendar's."""
    assert [field for packet in seen.packets for field in unknown(packet)] == []
    assert {packet.trusted_packet_sequence_id for packet in seen.packets} == {1}
    (clock,) = (packet.clock_snapshot for packet in seen.packets if packet.HasField("clock_snapshot"))
    assert {(each.clock_id, each.timestamp) for each in clock.clocks} == {(6, ORIGIN_NS), (1, ORIGIN_NS)}


def test_slices(seen):
    """Runs, experiments, compilations, passes and lanes: when, and what became of them. Each that begins ends."""
    assert seen.unfinished == []
    assert sorted(seen.slices) == [
        ("a/backward", "backward", 6.0, 14.0),
        ("a/compile", "compiling", 0.9, 2.0),
        ("a/compile", "fit", 0.0, 2.0),
        ("a/compile", "lowering", 0.8, 0.9),
        ("a/compile", "tracing", 0.0, 0.8),
        ("a/experiments", "fit", 0.0, 15.0),
        ("a/forward", "forward", 2.0, 6.0),
        ("b/backward", "backward: abandoned", 5.0, 6.0),
        ("b/experiments", "sweep/warm: error", 1.0, 7.0),
        ("b/forward", "forward: lost", 8.0, 20.0),
        ("b/forward", "forward: nonfinite", 2.0, 5.0),
        ("b/forward/lane 0", "max_steps_reached", 2.0, 5.0),
        ("b/forward/lane 1", "successful", 2.0, 5.0),
        ("b/forward/lane 2", "nonfinite", 2.0, 4.0),
    ]


def test_flows(seen):
    """From each forward pass to its backward pass."""
    assert dict(seen.starts) == {1: [("forward", 2.0)], 2: [("forward: nonfinite", 2.0)]}
    assert dict(seen.ends) == {1: [("backward", 6.0)], 2: [("backward: abandoned", 5.0)]}


def test_counters(seen):
    """A step size and a rate hold for their piece, and are over with it."""
    of_a = [(path.removeprefix("a/forward/"), at, value) for path, at, value in seen.counts if "a/forward/" in path]
    assert sorted(of_a) == [
        ("dt", 2.0, 3.125), ("dt", 3.0, 5.0), ("dt", 4.0, 10.0), ("dt", 6.0, 0.0),
        ("progress", 2.0, 0.0), ("progress", 3.0, 0.25), ("progress", 4.0, 0.5), ("progress", 6.0, 1.0),
        ("rate", 2.0, 8.0), ("rate", 3.0, 5.0), ("rate", 4.0, 2.5), ("rate", 6.0, 0.0),
    ]  # fmt: skip
    assert {path for path, _, _ in seen.counts if "/lane" in path} == {
        f"b/forward/lane {lane}/{name}" for lane in (0, 1) for name in ("dt", "rate")
    }
    units = {track.name: track.counter.unit_name for track in seen.tracks.values() if track.HasField("counter")}
    assert units == {"progress": "", "dt": "solver time", "rate": "steps/s"}


def test_what_a_slice_says(seen):
    """All that is known of its pass."""
    assert seen.values == {
        "pass_id": "a.1.forward", "phase": "forward", "status": "ok", "solve_id": "a.1", "experiment": "fit",
        "result": "successful", "step": 20, "accepted": 18, "rejected": 2, "progress": 1.0, "t": 100.0, "t0": 0.0,
        "t1": 100.0, "solver": "Tsit5", "adjoint": "RecursiveCheckpointAdjoint", "controller": "PIDController",
        "attributes.lr": 0.01, "attributes.seed": 1,
    }  # fmt: skip


def test_passes_at_once(tmp_path, log):
    """Each has room of its own, and runs that call their process by the same number are told apart."""
    for number in (1, 2):
        log.run_id = f"r{number}"
        log.append(
            tmp_path / f"{number}.jsonl",
            *(log.opened(pid=7), log.started(0, 1), log.started(1, 2), log.ended(2, 1), log.started(2, 3)),
            *(log.ended(3, 2), log.ended(4, 3)),
        )
    draw("perfetto", sorted(tmp_path.glob("*.jsonl")), tmp_path / "x.pftrace")
    seen = Seen((tmp_path / "x.pftrace").read_bytes())
    assert sorted(seen.slices) == [
        (f"{run}/forward", "forward", start, end) for run in ("r1", "r2") for start, end in [(0, 2), (1, 3), (2, 4)]
    ]
    pids = [track.process.pid for track in seen.tracks.values() if track.HasField("process")]
    assert (pids[0], len(set(pids))) == (7, 2)


def test_rows():
    """What overlaps goes to another row, unless it nests and may."""
    slices = [(0, 10), (1, 3), (3, 10), (3, 3), (9, 12), (10, 11)]
    flat, nested = Rows(), Rows(nests=True)
    assert [flat.place(*times) for times in slices] == [0, 1, 1, 2, 2, 0]
    assert [nested.place(*times) for times in slices] == [0, 0, 0, 0, 1, 0]
