"""A span that the SDK has not made: what OpenTelemetry asks of any, but for its attributes, events and end.

Any thread.
"""

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import Final, TypeAlias

from opentelemetry.trace import Link, Span, SpanContext, Status, StatusCode
from opentelemetry.util.types import AnyValue

MakeAttributes: TypeAlias = Callable[[], Mapping[str, AnyValue]]
_UNSET: Final = Status(StatusCode.UNSET)


class BareSpan(Span):
    """One that nobody but soltrace has in hands."""

    def __init__(
        self, name: str, context: SpanContext, parent: SpanContext | None, links: Sequence[Link], start_time: int
    ) -> None:
        """Begin it, at a time in nanoseconds since 1970."""
        self.name, self.context, self.parent, self.links = name, context, parent, links
        self.start_time, self.status = start_time, _UNSET

    def get_span_context(self) -> SpanContext:
        """Return its ids."""
        return self.context

    def set_attribute(self, key: str, value: AnyValue) -> None:
        """Set one."""
        self.set_attributes({key: value})

    @abstractmethod
    def set_attributes_later(self, attributes: MakeAttributes) -> None:
        """Set attributes that are made when they are needed."""

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """Say how it went."""
        self.status = status if isinstance(status, Status) else Status(status, description)

    def update_name(self, name: str) -> None:
        """Call it otherwise."""
        self.name = name

    def record_exception(
        self,
        exception: BaseException,
        attributes: Mapping[str, AnyValue] | None = None,
        timestamp: int | None = None,
        escaped: bool = False,  # noqa: FBT001, FBT002 - as it is declared
    ) -> None:
        """Do nothing: the spans of passes have none."""
