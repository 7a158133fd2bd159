"""Writes one readable line per record, for pipes, files and screen readers: no colour, and nothing is rewritten.

-- 2026-11-25 UTC
03:24:29.123  fit/warm  #12 forward  started  Tsit5 RecursiveCheckpointAdjoint PIDController  t 0 -> 100
03:24:30.000  fit/warm  #12 forward  42.0 %  t=58  step 1,234
"""

from collections.abc import Callable, Iterable, Mapping
from datetime import tzinfo
from itertools import repeat
from typing import Final

from soltrace.reading.parse import Rejected, Unknown
from soltrace.reading.phrases import describe_record, subject
from soltrace.reading.text import clean, clean_end, clock, day, local
from soltrace.wire.records import AnyRecord, Attribute, ExperimentEnded, ExperimentStarted, Record

LONGEST_LINE: Final = 400
_WIDEST_COLUMN: Final = 32
"""A column grows with what it holds up to this many characters, so that lines stay aligned."""
_MOST_EXPERIMENTS: Final = 1000


class PlainView:
    """Writes records as lines.

    ```python
    view = PlainView(sys.stdout.write)
    view.feed(map(parse, log))
    ```

    Args:
        write: Is called with one or more whole lines.
        zone: The zone in which times are shown; None for this machine's.
    """

    def __init__(self, write: Callable[[str], object], zone: tzinfo | None = None) -> None:
        self._write = write
        self._zone = zone
        self._day = ""
        self._names = ExperimentNames()
        self._widths = [len("fit"), len("#1 backward")]
        self._known: dict[tuple[str, str | None], Mapping[str, Attribute]] = {}

    def feed(self, records: Iterable[AnyRecord | Unknown | Rejected], late: Iterable[bool] = repeat(False)) -> None:  # noqa: FBT003 - an item
        """Write a line for each record; what is no record is passed over.

        Args:
            records: What was parsed, in the order in which it is to be shown.
            late: For each record, whether younger ones were shown before it came.
        """
        lines = [
            line
            for record, marked in zip(records, late, strict=False)
            if isinstance(record, Record)
            for line in self._lines(record, late=marked)
        ]
        if lines:
            self._write("\n".join(lines) + "\n")

    def _lines(self, record: AnyRecord, *, late: bool) -> Iterable[str]:
        time = local(record.timestamp, self._zone)
        today = day(time)
        if today != self._day:
            self._day = today
            yield f"-- {today}"
        columns = (self._names.of(record), subject(record))
        self._widths = [
            max(width, min(len(column), _WIDEST_COLUMN)) for width, column in zip(self._widths, columns, strict=True)
        ]
        cells = [column.ljust(width) for width, column in zip(self._widths, columns, strict=True)]
        what = ("late  " if late else "") + describe_record(record, self._said(record))
        yield clean("  ".join([clock(time), *cells, what]), LONGEST_LINE)

    def _said(self, record: AnyRecord) -> Mapping[str, Attribute] | None:
        """Return the attributes that the experiment's own line has shown."""
        key = (record.run_id, record.experiment)
        if isinstance(record, ExperimentEnded):
            return self._known.pop(key, None)
        if isinstance(record, ExperimentStarted):
            if len(self._known) >= _MOST_EXPERIMENTS:
                self._known.pop(next(iter(self._known)))
            self._known[key] = record.attributes
        return self._known.get(key)


class ExperimentNames:
    """Names experiments, together with their run as soon as there is more than one run."""

    def __init__(self) -> None:
        self._run: str | None = None
        self._several = False

    def of(self, record: Record) -> str:
        """Return the name of the experiment that a record belongs to; `-` where it belongs to none."""
        if self._run is None:
            self._run = record.run_id
        self._several = self._several or record.run_id != self._run
        name = "-" if record.experiment is None else clean(record.experiment)
        return f"{clean_end(record.run_id, 24)} {name}" if self._several else name
