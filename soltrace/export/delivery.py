"""Hands batches to an exporter, and warns once an outage, rather than once a batch, that they don't arrive.

Host side, on the thread of a `soltrace.export.batch.BatchProcessor`. The SDK's exporters warn of each attempt: those
warnings are kept out of the log, and the first of an outage is quoted.
"""

import logging
import os
import threading
from collections.abc import Callable
from typing import Any, Final

from opentelemetry import context as otel_context

# Instrumented HTTP and gRPC libraries look at this key, so that an export does not make spans itself. It has no public
# name; `opentelemetry.instrumentation` has one for it, but is not a dependency of ours.
from opentelemetry.context import _SUPPRESS_INSTRUMENTATION_KEY  # pyright: ignore[reportPrivateUsage]

from soltrace.wire.losses import What, failures

_LOG: Final = logging.getLogger("soltrace")


class Delivery:
    """Delivers to one exporter. After a fork, the child makes another one, with connections of its own."""

    def __init__(self, make: Callable[[], Any], what: What) -> None:
        """Make the exporter.

        Args:
            make: makes an exporter, here and in the child of a fork.
            what: the items it exports.

        Raises:
            Exception: whatever `make` raises.
        """
        self._make, self._what = make, what
        self._inherited: list[Any] = []
        """The parent's exporter, after a fork: kept, as finalising it would close connections that the parent uses."""
        self.exporter = make()
        self._pid = os.getpid()
        self._overheard = Overheard(self.exporter)
        self._failing = False

    def __call__(self, batch: Any) -> bool:
        """Export a batch, and return whether it arrived. Never raises."""
        token = otel_context.attach(otel_context.set_value(_SUPPRESS_INSTRUMENTATION_KEY, value=True))
        self._overheard.begin()
        try:
            self._renew_after_fork()
            # SpanExportResult, LogRecordExportResult and MetricExportResult share this name, and no base class. An
            # exporter that returns none of them has delivered: the SDK's own processors never look.
            delivered = getattr(self.exporter.export(batch), "name", "SUCCESS") == "SUCCESS"
        except failures() as error:  # whatever it is, the batch is lost, and counted
            delivered = False
            self._overheard.hear(f"{type(error).__name__}: {error}")
        finally:
            self._overheard.end()
            otel_context.detach(token)
        self._report(delivered)
        return delivered

    def _renew_after_fork(self) -> None:
        if self._pid != os.getpid():
            self._pid = os.getpid()
            self._inherited.append(self.exporter)
            self.exporter = self._make()

    def _report(self, delivered: bool) -> None:  # noqa: FBT001 - it is what there is to report
        if delivered and self._failing:
            _LOG.info("%ss are exported again", self._what)
        elif not delivered and not self._failing:
            _LOG.warning(
                "soltrace: %ss are not exported: %s. What is lost is counted; solves go on", self._what, self.reason
            )
        self._failing = not delivered

    @property
    def reason(self) -> str:
        """What the exporter last logged about a failure."""
        return self._overheard.said or "no answer"

    def given_up(self, lost: int, within_s: float) -> None:
        """Warn that the rest was given up as the process ends, unless the outage has been reported already.

        Args:
            lost: how many items the rest was.
            within_s: how long exporting had been attempted, in seconds.
        """
        if not self._failing:
            _LOG.warning("soltrace: %d x %s not exported within %.3g s: %s", lost, self._what, within_s, self.reason)
        self._failing = True

    def shut_down(self) -> None:
        """Close the exporter's connections and stop its retries. An exporter inherited by a fork is left alone."""
        if self._pid != os.getpid():
            return
        try:
            self.exporter.shutdown()
        except Exception as error:  # noqa: BLE001 - nothing is lost by it
            _LOG.debug("an exporter did not shut down: %s", error)


class Overheard(logging.Filter):
    """Keeps out of the log what an exporter says while it is being called, and remembers the first of it."""

    def __init__(self, exporter: Any) -> None:
        """Listen to the loggers of the modules that define the exporter."""
        super().__init__()
        self._thread: int | None = None
        self._fresh = False
        self.said = ""
        for module in {kind.__module__ for kind in type(exporter).__mro__} - {"builtins", "abc", "typing"}:
            # Ahead of the other filters: the SDK's own one drops what another signal's exporter has just said.
            logging.getLogger(module).filters.insert(0, self)

    def begin(self) -> None:
        """Listen to this thread from now on: it is about to call the exporter."""
        self._thread, self._fresh = threading.get_ident(), True

    def end(self) -> None:
        """Stop listening: the exporter has returned."""
        self._thread = None

    def hear(self, said: str) -> None:
        """Remember the first thing said about a batch. What follows only counts the attempts."""
        if self._fresh:
            self.said, self._fresh = said, False

    def filter(self, record: logging.LogRecord) -> bool:
        """Return whether a record goes on to the log."""
        if threading.get_ident() != self._thread:
            return True
        self.hear(record.getMessage())
        return False
