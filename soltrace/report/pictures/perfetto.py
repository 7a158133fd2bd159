"""Writes logs as a trace for Perfetto: runs as processes, passes and lanes as tracks, forward to backward as flows."""

from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from soltrace.report.ask import QueryRow, each_row, read_attributes, read_sql
from soltrace.report.pictures.slice_rows import Rows
from soltrace.report.pictures.tracks import SliceValue, Tracks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_NS: Final = 1000
"""In a microsecond."""
_LARGEST_PID: Final = (1 << 31) - 1
_NOT_SHOWN: Final = {"run_id", "start_us", "end_us", "starts", "ends", "attributes", "lanes"}
"""Of a pass: what the slice itself shows."""
_COMPILING: Final = {"tracing": "trace_s", "lowering": "lower_s", "compiling": "compile_s"}
_EXPERIMENTS: Final = """
SELECT run_id, experiment, status, error, attributes, epoch_us(started) AS start_us,
    epoch_us(coalesce(ended, (SELECT max(timestamp) FROM main.records r WHERE r.run_id = e.run_id))) AS end_us
FROM documented.experiments e ORDER BY run_id, started, end_us DESC"""
_COMPILED: Final = """
SELECT run_id, function, experiment, trace_s, lower_s, compile_s, epoch_us(timestamp) AS end_us
FROM main.records WHERE event = 'program.compiled' ORDER BY run_id, timestamp"""
_LANES: Final = """
SELECT run_id, pass_id, phase, l.batch_index, l.status, l.result, l.step, l.accepted, l.rejected, l.t,
    epoch_us(l.seen) - CAST(l.elapsed_s * 1e6 AS BIGINT) AS start_us, epoch_us(l.seen) AS end_us
FROM documented.lanes l WHERE l.elapsed_s IS NOT NULL ORDER BY run_id, start_us, batch_index"""
_PROGRESS: Final = """
SELECT run_id, pass_id, phase, epoch_us(timestamp) AS at_us, progress
FROM documented.progress WHERE batch_index IS NULL ORDER BY run_id, timestamp"""
_RUNS: Final = """
SELECT run_id, min(epoch_us(timestamp)) AS start_us, any_value(resource->>'host') AS host,
    TRY_CAST(any_value(resource->>'pid') AS INTEGER) AS pid, any_value(resource->>'job') AS job
FROM main.records GROUP BY run_id ORDER BY start_us, run_id"""


def write_trace(connection: "DuckDBPyConnection", write: Callable[[bytes], object]) -> None:
    """Write a trace in Perfetto's protobuf.

    Args:
        connection: To a database with the views of `soltrace.report.views`.
        write: Is called with the bytes, packet by packet.
    """
    trace = _LogTrace(connection, Tracks(write))
    trace.runs()
    trace.experiments()
    trace.compiled()
    trace.passes()
    trace.lanes()
    trace.counters()


class _LogTrace:
    """What is known while a trace is written: the process of each run, and the row of each pass."""

    def __init__(self, connection: "DuckDBPyConnection", tracks: Tracks) -> None:
        self._connection = connection
        self._tracks = tracks
        self._processes: dict[str, int] = {}
        self._rows: dict[tuple[str, str], int] = {}

    def runs(self) -> None:
        """A process each. What two call their number is told apart: Perfetto would take them for one."""
        taken: set[int] = set()
        for row in each_row(self._connection, _RUNS):
            if not taken:
                self._tracks.clock(row["start_us"] * _NS)
            pid: int = row["pid"] or 0
            if pid <= 0 or pid in taken:
                pid = _LARGEST_PID - len(taken)
            taken.add(pid)
            labels = [f"{name} {row[name]}" for name in ("host", "job") if row[name]]
            self._processes[row["run_id"]] = self._tracks.process(row["run_id"], pid, labels)

    def experiments(self) -> None:
        """One within the other, as they were entered."""
        rows: defaultdict[str, Rows] = defaultdict(lambda: Rows(nests=True))
        for row in each_row(self._connection, _EXPERIMENTS):
            start, end = row["start_us"] * _NS, max(row["start_us"], row["end_us"]) * _NS
            track = self._tracks.track(
                self._processes[row["run_id"]], "experiments", rows[row["run_id"]].place(start, end)
            )
            name = row["experiment"] if row["status"] == "ok" else f"{row['experiment']}: {row['status']}"
            self._tracks.slice(track, name, (start, end), {"error": row["error"]} | _attributes(row))

    def compiled(self) -> None:
        """Tracing, lowering and compiling, one after the other within the program's name."""
        rows: defaultdict[str, Rows] = defaultdict(Rows)
        for row in each_row(self._connection, _COMPILED):
            end = row["end_us"] * _NS
            parts = [(name, int(row[column] * 1e9)) for name, column in _COMPILING.items()]
            at = start = max(0, end - sum(length for _, length in parts))
            track = self._tracks.track(self._processes[row["run_id"]], "compile", rows[row["run_id"]].place(start, end))
            self._tracks.slice(track, row["function"], (start, end), {"experiment": row["experiment"]})
            for name, length in parts:
                until = min(at + length, end)
                if until > at:
                    self._tracks.slice(track, name, (at, until), {})
                at = until

    def passes(self) -> None:
        """A slice each, forward and backward ones apart."""
        rows: defaultdict[tuple[str, str], Rows] = defaultdict(Rows)
        for row in each_row(self._connection, read_sql("picture_passes")):
            start, end = row["start_us"] * _NS, row["end_us"] * _NS
            number = rows[row["run_id"], row["phase"]].place(start, end)
            if number:
                self._rows[row["run_id"], row["pass_id"]] = number
            why = row["result"] if row["status"] == "error" else row["status"]
            name = row["phase"] if row["status"] == "ok" else f"{row['phase']}: {why}"
            values = {key: value for key, value in row.items() if key not in _NOT_SHOWN} | _attributes(row)
            flows = {"starts": row["starts"] or (), "ends": row["ends"] or ()}
            self._tracks.slice(self._of_pass(row), name, (start, end), values, **flows)

    def lanes(self) -> None:
        """A track each, below the passes of their phase."""
        for row in each_row(self._connection, _LANES):
            times = (row["start_us"] * _NS, row["end_us"] * _NS)
            shown = ("pass_id", "status", "result", "step", "accepted", "rejected", "t")
            name = row["result"] or row["status"] or "?"
            self._tracks.slice(self._of_lane(row), name, times, {key: row[key] for key in shown})

    def counters(self) -> None:
        """Progress, step size and rate below the track of the pass or lane."""
        for row in each_row(self._connection, _PROGRESS):
            counter = self._tracks.counter(self._of_pass(row), "progress", "")
            self._tracks.count(counter, row["at_us"] * _NS, row["progress"])
        for row in each_row(self._connection, read_sql("picture_counts")):
            track = self._of_pass(row) if row["batch_index"] is None else self._of_lane(row)
            for name, unit in (("dt", "solver time"), ("rate", "steps/s")):
                self._tracks.count(self._tracks.counter(track, name, unit), row["at_us"] * _NS, row[name])

    def _of_pass(self, row: QueryRow) -> int:
        number = self._rows.get((row["run_id"], row["pass_id"]), 0)
        return self._tracks.track(self._processes[row["run_id"]], row["phase"], number)

    def _of_lane(self, row: QueryRow) -> int:
        return self._tracks.track(self._of_pass(row), f"lane {','.join(map(str, row['batch_index']))}")


def _attributes(row: QueryRow) -> dict[str, SliceValue]:
    return {
        f"attributes.{name}": str(value) if isinstance(value, list) else value
        for name, value in read_attributes(row["attributes"]).items()
    }
