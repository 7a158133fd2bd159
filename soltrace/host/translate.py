"""Signals to records: finds the view of the pass that a signal is about and asks it for its lines.

Host side, on the worker thread alone. The views hang on the table's entries, so there is no second table to keep.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from soltrace.host.backward import Backward
from soltrace.host.emission import Abandonment, Announcement, Emission
from soltrace.host.forward import Forward, Memory, Meter
from soltrace.host.heartbeat import Watch
from soltrace.host.passes import PassView, Run
from soltrace.host.signals import Signal
from soltrace.host.table import Entry, Kind
from soltrace.wire.losses import Losses, What
from soltrace.wire.records import AnyRecord

Told = tuple[AnyRecord, object]
_ENDS: Final = frozenset({Signal.FORWARD_END, Signal.METER_END, Signal.BACKWARD_END})


_ONGOING: Final[Mapping[Signal, Callable[[Any, Emission], list[AnyRecord]]]] = {
    Signal.FORWARD_STEP: Forward.step,
    Signal.METER_STEP: Meter.step,
    Signal.BACKWARD_STEP: Backward.step,
    Signal.STRETCH_START: Backward.stretch_start,
    Signal.STRETCH_STEP: Backward.stretch_step,
    Signal.STRETCH_END: Backward.stretch_end,
}


class Translator:
    """Turns what was queued into records."""

    def __init__(self, run: Run, losses: Losses, watch: Watch) -> None:
        """Make it for one run."""
        self._run, self._losses, self._watch = run, losses, watch

    def __call__(self, item: Emission | Abandonment | Announcement) -> Sequence[Told]:
        """The records of one item, each with the place under which its span is opened."""
        if isinstance(item, Announcement):
            return [(item.record, item.parent)]
        records = self._abandon(item) if isinstance(item, Abandonment) else self._signal(item)
        parent = item.entry.context.parent
        return [(record, parent) for record in records]

    def _signal(self, event: Emission) -> list[AnyRecord]:
        if event.signal in _ENDS:
            return self._end(event)
        if event.signal in _ONGOING:
            whose = event.entry.parent if event.entry.kind is Kind.STRETCH else event.entry
            view = None if whose is None else whose.view
            open_view = isinstance(view, PassView) and not view.over
            return _ONGOING[event.signal](view, event) if open_view else []
        view = event.entry.view = self._view(event)
        self._watch.follow(event.entry)
        return view.start(event)

    def _view(self, event: Emission) -> Forward | Meter | Backward:
        match event.signal:
            case Signal.FORWARD_START:
                return Forward(event.entry, self._run, event)
            case Signal.METER_START:
                return Meter(event.entry, self._run, event)
            case _:
                return Backward(event.entry, self._run, event, _memory(event.entry.parent))

    def _end(self, event: Emission) -> list[AnyRecord]:
        entry, view = event.entry, event.entry.view
        if not isinstance(view, (Forward, Meter, Backward)) or view.over:
            return []
        entry.view = None
        try:
            records = view.end(event)
        except Exception as error:  # noqa: BLE001 - a pass that started ends, whatever its last signal is like
            self._losses.failed(What.SIGNAL, error)
            return view.abandoned(event)
        entry.view = view.memory() if isinstance(view, Forward) else None
        return records

    def _abandon(self, event: Abandonment) -> list[AnyRecord]:
        view = event.entry.view
        if not isinstance(view, PassView) or view.over:
            return []
        event.entry.view = None
        return view.abandoned(event)


def _memory(entry: Entry | None) -> Memory | None:
    """What is known of the forward pass of a backward pass, ended or not."""
    view = None if entry is None else entry.view
    if isinstance(view, Forward):
        return view.memory()
    return view if isinstance(view, Memory) else None
