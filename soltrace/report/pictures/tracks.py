"""Writes the packets of a Perfetto trace: tracks, slices on them, counters, and flows from slice to slice.

The messages are those of Perfetto's `trace_packet.proto` and `track_event.proto`; the numbers are their fields'.
"""

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import lru_cache
from typing import Final, TypeAlias

from soltrace.report.pictures.protobuf import double_field, fixed64_field, int_field, message_field, text_field

SliceValue: TypeAlias = bool | int | float | str
_SEQUENCE: Final = int_field(10, 1)  # trusted_packet_sequence_id: one writer
_BEGIN, _END, _COUNTER = (int_field(9, kind) for kind in (1, 2, 4))
_BOOTTIME: Final = 6
_REALTIME: Final = 1
_LATEST: Final = (1 << 63) - 1
"""The last nanosecond that the viewer knows: in 2262."""


class Tracks:
    """A trace that is being written. Times are nanoseconds since 1970.

    Args:
        write: Is called with the bytes of each packet.
    """

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self._write = write
        self._uuids: dict[Hashable, int] = {}

    def clock(self, at: int) -> None:
        """Say that the trace's own clock is the calendar's, so that the viewer can show the time of day."""
        clocks = (message_field(1, int_field(1, clock) + int_field(2, max(at, 0))) for clock in (_BOOTTIME, _REALTIME))
        self._packet(message_field(6, b"".join(clocks) + int_field(2, _BOOTTIME)))

    def process(self, run_id: str, pid: int, labels: Iterable[str]) -> int:
        """Declare a process, which is a run. Returns its track."""
        words = b"".join(text_field(8, label) for label in labels)
        return self._declare(run_id, message_field(3, int_field(1, pid) + text_field(6, run_id) + words))

    def track(self, parent: int, name: str, row: int = 0) -> int:
        """Return the track of that name below another. Rows of one name are shown as one track."""
        key = (parent, name, row)
        return self._uuids.get(key) or self._declare(key, text_field(2, name) + int_field(5, parent))

    def counter(self, parent: int, name: str, unit: str) -> int:
        """Return the counter of that name below a track."""
        key = (parent, name, "counter")
        return self._uuids.get(key) or self._declare(
            key, text_field(2, name) + int_field(5, parent) + message_field(8, text_field(6, unit))
        )

    def slice(
        self,
        track: int,
        name: str,
        times: tuple[int, int],
        values: Mapping[str, SliceValue | None],
        *,
        starts: Iterable[int] = (),
        ends: Iterable[int] = (),
    ) -> None:
        """Write a slice.

        Args:
            track: Where it lies.
            name: What it shows.
            times: Its start and its end.
            values: What the viewer shows of a slice that is selected; None is left out.
            starts: The flows that begin in it.
            ends: The flows that end in it.
        """
        begin = text_field(23, name) + b"".join(
            _annotation(key, value) for key, value in values.items() if value is not None
        )
        flows = b"".join([*(fixed64_field(47, flow) for flow in starts), *(fixed64_field(48, flow) for flow in ends)])
        self._event(track, times[0], _BEGIN + begin + flows)
        self._event(track, times[1], _END)

    def count(self, counter: int, at: int, value: float) -> None:
        """Write what a counter is from a time on."""
        self._event(counter, at, _COUNTER + double_field(44, value))

    def _declare(self, key: Hashable, description: bytes) -> int:
        self._uuids[key] = len(self._uuids) + 1
        self._packet(message_field(60, int_field(1, self._uuids[key]) + description))
        return self._uuids[key]

    def _event(self, track: int, at: int, data: bytes) -> None:
        self._packet(int_field(8, min(max(at, 0), _LATEST)) + message_field(11, data + int_field(11, track)))

    def _packet(self, data: bytes) -> None:
        self._write(message_field(1, data + _SEQUENCE))


def _annotation(name: str, value: SliceValue) -> bytes:
    match value:
        case bool():
            data = int_field(2, value)
        case int():
            data = int_field(4, value)
        case float():
            data = double_field(5, value)
        case str():
            data = text_field(6, value)
    return message_field(4, _named(name) + data)


@lru_cache(1024)
def _named(name: str) -> bytes:
    return text_field(10, name)
