"""Signals to records: finds the view of the pass that a signal is about and asks it for its lines.

Host side, on the worker thread alone. The views hang on the table's entries, so there is no second table to keep.
"""

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from soltrace.host.backward import Backward, Stretch
from soltrace.host.emission import Abandonment, Announcement, Emission, Queued, Told
from soltrace.host.forward import Forward, Meter
from soltrace.host.heartbeat import Watch
from soltrace.host.judging import Judge
from soltrace.host.passes import PassView, RunInfo
from soltrace.host.signals import Kind, Role
from soltrace.host.table import PassEntry
from soltrace.wire.losses import Losses, What
from soltrace.wire.records import AnyRecord

View: TypeAlias = Forward | Backward | Stretch | Meter
"""What the worker knows of something that is open: `start`, `step` and `end` make the lines that say it."""
VIEWS: Final[Mapping[Kind, type[View]]] = {
    Kind.FORWARD: Forward,
    Kind.BACKWARD: Backward,
    Kind.STRETCH: Stretch,
    Kind.METER: Meter,
}


class Translator:
    """Turns what was queued into records."""

    def __init__(self, run: RunInfo, losses: Losses, watch: Watch) -> None:
        """Make it for one run."""
        self._run, self._losses, self._watch = run, losses, watch
        self._find_resource, self._judge = run.find_resource, Judge(losses)

    def __call__(self, item: Queued) -> Sequence[Told]:
        """The records of one item, each with the place under which its span is opened."""
        if isinstance(item, Announcement):
            return [(item.record, item.parent)]
        records = self._judge(self._abandon(item.entry, item) if isinstance(item, Abandonment) else self._signal(item))
        parent = item.entry.context.parent
        return [(record, parent) for record in records]

    def _signal(self, event: Emission) -> list[AnyRecord]:
        if event.signal.role is Role.START:
            return self._start(event)
        view = event.entry.view
        if not isinstance(view, VIEWS[event.signal.kind]) or view.over:
            return []
        match event.signal.role:
            case Role.STEP:
                return view.step(event)
            case Role.DETAIL:
                return view.detail(event)
            case Role.FINDING:
                return view.found(event)
            case _:
                return self._end(event, view)

    def _start(self, event: Emission) -> list[AnyRecord]:
        view = event.entry.view = VIEWS[event.signal.kind](event, self._run)
        if not event.signal.begins_a_pass:
            return view.start(event)
        self._watch.follow(event.entry)
        return [*self._resource(event), *view.start(event)]

    def _resource(self, event: Emission) -> list[AnyRecord]:
        """Tell what jax computes on, if that was not known before: now it computes."""
        find, self._find_resource = self._find_resource, None
        if find is None:
            return []
        try:
            found = find()
            return [self._run.resource_record(found, event.time_ns)] if found else []
        except Exception as error:  # noqa: BLE001 - the pass is told without
            self._losses.failed(What.RECORD, error)
            return []

    def _end(self, event: Emission, view: View) -> list[AnyRecord]:
        try:
            return view.end(event)
        except Exception as error:  # noqa: BLE001 - a pass that started ends, whatever its last signal is like
            self._losses.failed(What.SIGNAL, error)
            return self._abandon(event.entry, event)
        finally:
            _forget(event.entry)

    def _abandon(self, entry: PassEntry, event: Emission | Abandonment) -> list[AnyRecord]:
        view = entry.view
        if not isinstance(view, PassView) or view.over:
            return []
        try:
            return view.abandoned(event)
        finally:
            _forget(entry)


def _forget(entry: PassEntry) -> None:
    """Keep no more of what is over than a later backward pass needs. In one move: another run's may be reading it."""
    entry.view = entry.view.memory() if isinstance(entry.view, Forward) else None
