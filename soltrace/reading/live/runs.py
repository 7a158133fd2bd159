"""What to call a run: by its place in its job, from the first line of its log. Pure."""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

from msgspec import UNSET

from soltrace.reading.text import clean, clean_end
from soltrace.wire.records import Attribute, LogOpened, Record

_MOST_RUNS: Final = 10_000
_LONGEST: Final = 24


class Runs:
    """Name runs: `task 12`, `rank 3`, `node07 4295`; those whose first line was not read by their id.

    As long as there is one run, it needs no name.
    """

    def __init__(self) -> None:
        self._resources: OrderedDict[str, Mapping[str, Attribute]] = OrderedDict()
        self._names: OrderedDict[str, str] = OrderedDict()
        self._taken: set[str] = set()
        self._first: str | None = None
        self._several = False

    def opened(self, record: LogOpened) -> None:
        """Take the first line of a log."""
        self._resources[record.run_id] = record.resource
        self._see(record.run_id)
        if len(self._resources) > _MOST_RUNS:
            self._resources.popitem(last=False)

    def resource(self, run_id: str) -> Mapping[str, Attribute]:
        """Give what is known of where a run lives."""
        return self._resources.get(run_id, {})

    def column(self, record: Record) -> str:
        """Name the run of a record, if there is more than one."""
        self._see(record.run_id)
        return self.name(record) if self._several else ""

    def _see(self, run_id: str) -> None:
        self._first = run_id if self._first is None else self._first
        self._several = self._several or run_id != self._first

    def name(self, record: Record) -> str:
        """Name the run of a record: for as long as it is remembered, always the same, and no other run the same."""
        found = self._names.get(record.run_id)
        if found is not None:
            return found
        name = _place(self.resource(record.run_id), record)
        if not name or name in self._taken:
            # Ranks of two jobs may be called the same.
            name = clean_end(record.run_id, _LONGEST)
        self._names[record.run_id] = name
        self._taken.add(name)
        if len(self._names) > _MOST_RUNS:
            _, forgotten = self._names.popitem(last=False)
            self._taken.discard(forgotten)
        return name


def _place(resource: Mapping[str, Attribute], record: Record) -> str:
    task = _word(resource.get("array_task"))
    rank = _word(resource.get("rank", resource.get("process_index")))
    if not rank and record.process_index is not UNSET:
        rank = str(record.process_index)
    parts = [f"task {task}"] if task else []
    if rank and not (task and rank == "0"):  # each task of an array is rank 0 of itself
        parts.append(f"rank {rank}")
    if not parts and "host" in resource and "pid" in resource:
        parts = [_word(resource["host"]).partition(".")[0], _word(resource["pid"])]
    return clean(" ".join(parts), _LONGEST)


def _word(value: Attribute | None) -> str:
    return "" if value is None else clean(str(value), _LONGEST)
