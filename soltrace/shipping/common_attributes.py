"""The attributes of log records that all those of a pass have: made and encoded once for each pass.

They come first, and are half of all.
"""

from collections.abc import Mapping
from functools import cached_property
from typing import Any, Final

from msgspec import UNSET, structs

from soltrace.export.otlp_bytes import OF_A_LOG_RECORD, attribute_bytes
from soltrace.sinks.log_records import ELSEWHERE, attributes_of
from soltrace.sinks.otel import experiment_attributes, fields_of
from soltrace.wire.records import AnyRecord, Attribute, PassEnded, PassRecord

PASSES_AT_MOST: Final = 4096
"""That are kept: most end, and are forgotten then."""
_OF_ALL: Final = frozenset(PassRecord.__struct_fields__)
_OWN: Final = frozenset(name for kind in AnyRecord.__args__ for name in kind.__struct_fields__) - _OF_ALL | {"event"}
_NOT_OWN: Final = ELSEWHERE | _OF_ALL
_NOT_COMMON: Final = ELSEWHERE | _OWN


class CommonAttributes:
    """Attributes that come first on several log records."""

    def __init__(self, record: PassRecord) -> None:
        self.of: tuple[str | None, Mapping[str, Attribute]] = (record.experiment, record.attributes)
        """The experiment and its attributes, by which it is seen that they are still the same."""
        # Without what the caller has bound, which comes last, and may be another one on each line.
        fields = fields_of(structs.replace(record, context=UNSET), without=_NOT_COMMON)
        self.attributes: Mapping[str, Any] = experiment_attributes(*self.of) | fields

    @cached_property
    def encoded(self) -> bytes:
        """The same as bytes."""
        return attribute_bytes(OF_A_LOG_RECORD, self.attributes)


class CommonToPasses:
    """Those of the passes that are open."""

    def __init__(self) -> None:
        self._known: dict[str, CommonAttributes] = {}

    def split(self, record: AnyRecord) -> tuple[CommonAttributes | None, dict[str, Any]]:
        """Return the attributes that a record has in common with others, if any, and those of its own."""
        if not isinstance(record, PassRecord):
            return None, dict(attributes_of(record))
        own = dict(fields_of(record, without=_NOT_OWN))
        common = self._known.get(record.pass_id)
        if common is None or common.of != (record.experiment, record.attributes):
            common = self._known[record.pass_id] = CommonAttributes(record)
            if len(self._known) > PASSES_AT_MOST:
                del self._known[next(iter(self._known))]
        if isinstance(record, PassEnded):
            del self._known[record.pass_id]
        return common, own
