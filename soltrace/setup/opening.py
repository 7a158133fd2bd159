"""How a run is opened: where its records go, as configured. It wires the rooms together.

Host side, on the thread of whoever solves first, under the process's lock. Whatever fails here is one warning, leaves
nothing behind, and the solve goes on.
"""

import os
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from msgspec import UNSET

from soltrace.host.clock import SystemClock
from soltrace.host.context import Context
from soltrace.host.emission import moment
from soltrace.host.passes import RunInfo
from soltrace.host.recorder import Recorder
from soltrace.host.shared import Shared
from soltrace.host.step_detail import Detail
from soltrace.setup import outputs
from soltrace.setup.former_run import former_run
from soltrace.setup.logs import log
from soltrace.setup.place import place_of
from soltrace.setup.process_end import with_the_process, write_now
from soltrace.setup.settings import Settings
from soltrace.setup.sigterm import SIGTERM
from soltrace.sinks.beside import Beside
from soltrace.wire import resource
from soltrace.wire.attributes import parse_attributes, within_bounds
from soltrace.wire.flags import LIVE, flag, unclear_flags
from soltrace.wire.losses import OUTSIDE, described
from soltrace.wire.plain_text import NAME_AT_MOST, plain_text
from soltrace.wire.records import Attribute, LogOpened
from soltrace.wire.schedulers import is_scheduled
from soltrace.wire.warn import warn, warn_once


@dataclass(frozen=True)
class OpeningPlan:
    """How runs are opened from now on: see `soltrace.host.process`."""

    settings: Settings
    at_exit: Callable[..., object]
    """Called when the process ends; with the name of the signal, if that is why."""

    @property
    def enabled(self) -> bool | None:
        """As configured."""
        return self.settings.enabled

    @property
    def detail(self) -> Detail | None:
        """What is told of each step; None: as SOLTRACE_DETAIL says."""
        return self.settings.detail

    def open(self, shared: Shared) -> Recorder | None:
        """Open a run."""
        with ExitStack() as undo:
            try:
                recorder = _open(self.settings, shared, undo)
            except Exception as error:  # noqa: BLE001 - whatever it is, the solve goes on
                warn(f"nothing is recorded: a run could not be opened: {described(error)}")
                return None
            undo.pop_all()
        with_the_process(self.at_exit)
        if self.settings.flush_on_sigterm is None and is_scheduled():
            SIGTERM.install_if_possible(self.at_exit, write_now)
        if flag(LIVE):  # else nothing of the view is imported
            from soltrace.at_hand.live import show_as_asked

            show_as_asked()
        return recorder


def _open(settings: Settings, shared: Shared, undo: ExitStack) -> Recorder:
    _check_flags()
    outputs.set_up_export(settings)
    settings = outputs.usable(settings)
    attributes, where = _attributes(settings), resource.resource()
    run_id, sinks = log(settings, where, shared.opened_for, undo)
    tracing, clock = outputs.spans(settings, run_id), SystemClock()
    began_ns, continues = clock.time_ns(), former_run(where, settings)
    place = place_of(settings, tracing, where, {"run_id": run_id, "continues": continues}, began_ns)
    base = Context(attributes=attributes, parent=place.parent, ids=place.ids)
    waiting = lambda: recorder.waiting()  # noqa: PLW0108 - there is no recorder yet
    recorder = Recorder(
        RunInfo(
            run_id,
            settings.selection(),
            resource.process_index,
            None if "backend" in where else lambda: resource.completed(where),
        ),
        shared,
        clock=clock,
        pacing=settings.pacing(),
        sinks=[*sinks, *outputs.metrics_and_logs(settings, waiting, undo), Beside()],
        tracing=tracing,
        base=base,
        queue_size=settings.queue_size,
        abandon_after_s=settings.abandon_after_s,
        heartbeat_s=settings.heartbeat_s,
        with_usage=True,
        outside=OUTSIDE,
        span=place.span,
    )
    known = place.ids or place.above
    recorder.announce(
        LogOpened(
            timestamp=moment(began_ns),
            run_id=run_id,
            experiment=None,
            attributes=base.attributes,
            process_index=recorder.run.process_index,
            resource=where,
            trace_id=UNSET if known is None else known.trace_id,
            span_id=UNSET if place.ids is None else place.ids.span_id,
            parent_span_id=UNSET if place.above is None else place.above.span_id,
            continues=continues or UNSET,
        )
    )
    return recorder


def _check_flags() -> None:
    for name, text in unclear_flags().items():
        warn_once(f"{name} must be true or false; left out: {plain_text(text, NAME_AT_MOST)!r}.")


def _attributes(settings: Settings) -> dict[str, Attribute]:
    attributes, malformed = parse_attributes(os.environ.get("SOLTRACE_ATTRIBUTES", ""))
    if malformed:
        parts = plain_text(", ".join(map(repr, malformed)), NAME_AT_MOST)
        warn(f"SOLTRACE_ATTRIBUTES must be like seed=3,lr=1e-3; left out: {parts}.")
    return within_bounds(attributes | dict(settings.attributes or {}))
