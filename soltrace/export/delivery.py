"""Hands batches to an exporter, and says that it fails: once an outage, not once a batch.

Host side, on the thread of a `soltrace.export.batch.Batch`. The exporters of the SDK log a warning for each try; those
are kept from the log, and the first of an outage is quoted.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import context as otel_context

# Instrumented HTTP and gRPC libraries look at this key, so that an export is no span itself. It has no public name;
# `opentelemetry.instrumentation` has one for it, and is no dependency of ours.
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY  # pyright: ignore[reportPrivateUsage]

_LOG: Final = logging.getLogger("soltrace")


class Delivery:
    """An exporter of this process: after a fork, the child makes one with connections of its own."""

    def __init__(self, make: Callable[[], Any], what: str) -> None:
        """Make the exporter.

        Args:
            make: makes it.
            what: it exports, as in `telemetry.dropped`: `span`.

        Raises:
            Exception: what `make` raises.
        """
        self._make, self._what = make, what
        self._inherited: list[Any] = []
        """The parent's, after a fork: kept, because an exporter that is finalised closes what the parent uses."""
        self.exporter = make()
        self._pid = os.getpid()
        self._overheard = Overheard(self.exporter)
        self._failing = False

    def __call__(self, batch: Any) -> bool:
        """Export a batch; say whether it was delivered. Never raises."""
        token = otel_context.attach(otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))
        self._overheard.begin()
        try:
            self._after_a_fork()
            # SpanExportResult, LogRecordExportResult and MetricExportResult have that name in common, and no base. Who
            # returns none of them was not asked before: the SDK's processors do not look.
            delivered = getattr(self.exporter.export(batch), "name", "SUCCESS") == "SUCCESS"
        except Exception as error:  # noqa: BLE001 - whatever it is, the batch is lost, and counted
            delivered = False
            self._overheard.hear(f"{type(error).__name__}: {error}")
        finally:
            self._overheard.end()
            otel_context.detach(token)
        self._say(delivered)
        return delivered

    def _after_a_fork(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._inherited.append(self.exporter)
            self.exporter = self._make()

    def _say(self, delivered: bool) -> None:  # noqa: FBT001 - it is what there is to say
        if delivered and self._failing:
            _LOG.info("%ss are exported again", self._what)
        elif not delivered and not self._failing:
            _LOG.warning(
                "soltrace: %ss are not exported: %s. What is lost is counted; solves go on", self._what, self.reason
            )
        self._failing = not delivered

    @property
    def reason(self) -> str:
        """What the exporter said last about a failure."""
        return self._overheard.said or "no answer"

    def given_up(self, lost: int, after_s: float) -> None:
        """Say that so many were given up at the end of the process."""
        if not self._failing:
            _LOG.warning("soltrace: %d x %s not exported within %.3g s: %s", lost, self._what, after_s, self.reason)
        self._failing = True

    def shut_down(self) -> None:
        """Have the exporter close its connections and stop trying. Not one that is the parent's, after a fork."""
        if self._pid != os.getpid():
            return
        try:
            self.exporter.shutdown()
        except Exception as error:  # noqa: BLE001 - nothing is lost by it
            _LOG.debug("an exporter did not shut down: %s", error)


class Overheard(logging.Filter):
    """Keeps what an exporter logs while we call it from the log, and remembers the first thing that it says."""

    def __init__(self, exporter: Any) -> None:
        """Listen to the loggers of the modules that the exporter is written in."""
        super().__init__()
        self._thread: int | None = None
        self._fresh = False
        self.said = ""
        for module in {kind.__module__ for kind in type(exporter).__mro__} - {"builtins", "abc", "typing"}:
            # Before the others: the SDK's own filter keeps back what another signal's exporter has just said.
            logging.getLogger(module).filters.insert(0, self)

    def begin(self) -> None:
        """From now on, this thread is the exporter's."""
        self._thread, self._fresh = threading.get_ident(), True

    def end(self) -> None:
        """The exporter has returned."""
        self._thread = None

    def hear(self, said: str) -> None:
        """Remember the first of what is said about a batch: what follows tells how often it was tried again."""
        if self._fresh:
            self.said, self._fresh = said, False

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record goes on to the log."""
        if threading.get_ident() != self._thread:
            return True
        self.hear(record.getMessage())
        return False
