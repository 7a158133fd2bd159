"""A record as the bytes of its line: those of `Record.line`, without making that first.

Any side, any thread. msgspec writes the tag in front and leaves out a fraction of a second that is zero: the front of a
line is put together here.
"""

from typing import Final

import msgspec
from msgspec import UNSET

from soltrace.wire.records import Record

_ENCODER: Final = msgspec.json.Encoder()
_NEXT: Final = b',"schema":'
"""What follows the timestamp and the level."""
_FRACTION_AT: Final = len('"timestamp":"2026-01-02T03:04:05')


def json_line(record: Record) -> bytes:
    """Encode a record as one line of strict JSON in UTF-8, what a reader looks for first in front.

    Args:
        record: One of the records.

    Returns:
        The line without its end.
    """
    if record.context is not UNSET:  # whose names are keys of the line
        return _ENCODER.encode(record.line)
    encoded = _ENCODER.encode(record)
    # {"event":"pass.ended","timestamp":"2026-01-02T03:04:05.25Z","level":"info","schema":1, and so on
    begin = encoded.index(b",") + 1
    end = encoded.index(_NEXT, begin)
    first = encoded[begin:end]
    if first[_FRACTION_AT] != ord("."):
        first = first[:_FRACTION_AT] + b".000000" + first[_FRACTION_AT:]
    return b"{%b,%b%b" % (first, encoded[1 : begin - 1], encoded[end:])
