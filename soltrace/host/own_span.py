"""The span that a run has of its own, where a scheduler has started its process, and the line that says how it ended.

Host side, on the thread of whoever opens and closes the run.
"""

from msgspec import UNSET

from soltrace.host.clock import Clock
from soltrace.host.context import Context
from soltrace.host.emission import moment
from soltrace.host.passes import RunInfo
from soltrace.sinks import RunSpan
from soltrace.wire.losses import Losses, What
from soltrace.wire.records import RunEnded


class OwnSpan:
    """Ends once, with what is known by then of why the process does."""

    def __init__(self, span: RunSpan, clock: Clock) -> None:
        """Have it, from now on."""
        self._span, self._clock, self._began = span, clock, clock.monotonic()

    def end(self, run: RunInfo, base: Context, losses: Losses, error: str | None) -> RunEnded:
        """End it, and return the line that says so.

        Args:
            run: The run.
            base: Where it is.
            losses: Counts what a provider makes of it.
            error: What has ended the process, if that should not have.
        """
        time_ns, ids = self._clock.time_ns(), self._span.ids
        try:
            self._span.end(time_ns, error)
        except Exception as failure:  # noqa: BLE001 - what the span is to tell is told all the same
            losses.failed(What.SPAN, failure)
        return RunEnded(
            timestamp=moment(time_ns),
            level="info" if error is None else "error",
            run_id=run.run_id,
            experiment=base.experiment,
            attributes=base.attributes,
            process_index=run.process_index,
            trace_id=UNSET if ids is None else ids.trace_id,
            span_id=UNSET if ids is None else ids.span_id,
            status="ok" if error is None else "error",
            duration_s=self._clock.monotonic() - self._began,
            error=UNSET if error is None else error,
        )
