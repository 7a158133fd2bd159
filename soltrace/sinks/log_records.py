"""OpenTelemetry log records: every record is one, with an event name, tied to its span.

Host side, on the worker thread. Through OpenTelemetry's API alone; where nobody takes log records, none is made. What a
collector reads from the JSON log has the same fields: it does not matter which way an event went.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any, Final

from opentelemetry import _logs as logs
from opentelemetry._logs import LoggerProvider, NoOpLoggerProvider, SeverityNumber

# For traces this has a public name. `Logger.enabled`, which could be asked instead, is as new as version 1.45.
from opentelemetry._logs._internal import ProxyLoggerProvider
from opentelemetry.util.types import AnyValue

from soltrace import __version__
from soltrace.sinks.errands import Errands
from soltrace.sinks.otel import context_of, experiment_attributes, fields_of, flush_behind
from soltrace.wire.losses import What
from soltrace.wire.names import SCOPE
from soltrace.wire.records import AnyRecord, Level, PassSteps

SEVERITY: Final[Mapping[Level, tuple[str, SeverityNumber]]] = {
    "debug": ("DEBUG", SeverityNumber.DEBUG),
    "info": ("INFO", SeverityNumber.INFO),
    "warning": ("WARN", SeverityNumber.WARN),
    "error": ("ERROR", SeverityNumber.ERROR),
}
"""OpenTelemetry's name and number of each level."""
ELSEWHERE: Final = frozenset({"timestamp", "level", "event", "trace_id", "span_id", "experiment", "attributes"})
"""Fields that a log record, or its experiment's attributes, have a place of their own for."""


class OtelLogs:
    """Emits each record as a log record.

    What that calls may be anybody's, and is called on a thread of its own.
    """

    kept: Final = What.LOG_RECORD

    def __init__(self, logger_provider: LoggerProvider | None = None) -> None:
        """Emit to this provider; None: the global one, whenever it is set."""
        self._provider = logger_provider
        self._logger = logs.get_logger(SCOPE, __version__, logger_provider)
        self._errands = Errands(self.kept, type(self).__name__)
        self._listened = False

    def handle(self, record: AnyRecord) -> None:
        """Emit one. The columns of many steps are nothing for a store of logs."""
        if isinstance(record, PassSteps):
            return
        event = str(record.__struct_config__.tag)
        text, number = SEVERITY[record.level]
        fields = dict[str, Any](
            timestamp=record.time_ns,
            context=context_of(record),
            severity_text=text,
            severity_number=number,
            body=event,  # not the fields again: some stores find no text in a body that is no string
            event_name=event,
        )
        # The logger of a provider that soltrace has set up can wait with the attributes until it exports them.
        if getattr(self._logger, "lean", False):
            untyped: Any = self._logger
            untyped.emit_later(partial(attributes_of, record), **fields)
        else:
            self._errands.run(partial(self._logger.emit, attributes=attributes_of(record), **fields))

    def listens(self) -> bool:
        """Say whether there is a provider that takes log records."""
        if not self._listened:  # once there is a provider, it stays
            provider = self._provider or logs.get_logger_provider()
            self._listened = not isinstance(provider, ProxyLoggerProvider | NoOpLoggerProvider)
        return self._listened

    def flush(self, timeout_s: float) -> bool:
        """Have the provider export what it has."""
        return flush_behind(self._errands, self._provider or logs.get_logger_provider(), timeout_s)

    def give_up(self, timeout_s: float) -> int:
        """Forget the log records that no processor takes in that time, and say how many those are."""
        return self._errands.give_up(timeout_s)

    def close(self) -> None:
        """Emit no more. The provider is not ours."""
        self._errands.close()


def attributes_of(record: AnyRecord) -> dict[str, AnyValue]:
    """Return the attributes of a record's log record: the experiment's, and all fields."""
    return experiment_attributes(record.experiment, record.attributes) | fields_of(record, without=ELSEWHERE)
