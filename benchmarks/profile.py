"""Where the processor time of a pass goes: `python -m benchmarks.profile` prints a table and writes `profile.md`.

Loops of solves with everything on, the last flush included. What a thread of soltrace's takes is read from that
thread's clock; on the worker's and on the program's, each room is timed by the thread's clock around its one entrance.
"""

import argparse
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from benchmarks import backend, page

RESULTS: Final = Path(__file__).with_name("profile.md")
ABOUT: Final = """\
Microseconds of processor time for each pass (a solve is one pass, a gradient two), in a loop of solves with everything
on: the JSON log, and spans, metrics and log records by OTLP over HTTP. *Compiled program, otherwise* is what the whole
process takes more than bare diffrax's, less all that stands above it."""
CASES: Final = {"Lorenz": 1, "Lorenz, gradient": 2, "neural ODE": 1, "neural ODE, gradient": 2}
"""The cases that are profiled, and the passes of each of their solves."""
CALLS: Final = "calls of the compiled program: `host.receive`"
REST_OF_WORKER: Final = "worker: queue, and what is between the rooms"
OTHERWISE: Final = "compiled program, otherwise"


class Rooms:
    """Processor time by room."""

    def __init__(self) -> None:
        """Begin with none."""
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def time(self, owner: Any, name: str, room: str) -> None:
        """Count what this function takes, on whichever thread, as that room's."""
        function: Callable[..., Any] = getattr(owner, name)

        def timed(*args: Any, **kwargs: Any) -> Any:
            began = time.thread_time()
            try:
                return function(*args, **kwargs)
            finally:
                self.seconds[room] += time.thread_time() - began

        setattr(owner, name, timed)


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.profile", description=__doc__)
    parser.add_argument("--case", action="append", metavar="PART", help="only cases whose name contains this")
    parser.add_argument("--seconds", type=float, default=3.0, help="how long each loop takes (default: 3)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args(argv)
    names = [name for name in CASES if args.case is None or any(part in name for part in args.case)]
    columns = _profiled(names, args.seconds)
    rooms = list(dict.fromkeys(room for column in columns.values() for room in column))
    rooms.sort(key=lambda room: room == OTHERWISE)
    lines = [f"| room | {' | '.join(names)} |", f"| --- |{' ---: |' * len(names)}"]
    cells = lambda room: " | ".join(f"{columns[name].get(room, 0.0):.0f}" for name in names)
    lines += [f"| {room} | {cells(room)} |" for room in rooms]
    lines.append(f"| **all** | {' | '.join(f'**{sum(columns[name].values()):.0f}**' for name in names)} |")
    print(*lines, sep="\n")
    if not args.no_write:
        page.write(RESULTS, "Processor time of a pass, by room", ABOUT, lines, "benchmarks.profile", argv)
    return 0


def _profiled(names: list[str], seconds: float) -> dict[str, dict[str, float]]:
    """Microseconds of each room, by case."""
    import diffrax as dfx

    import soltrace
    from benchmarks.cases import cases
    from soltrace.host.translate import Translator
    from soltrace.sinks.json_log import JsonLog
    from soltrace.sinks.log_records import OtelLogs
    from soltrace.sinks.metrics import Metrics
    from soltrace.sinks.spans import Spans
    from soltrace.traced.shield import Shield

    rooms = Rooms()
    rooms.time(Shield, "__call__", CALLS)
    rooms.time(Translator, "__call__", "worker: signals to records")
    rooms.time(JsonLog, "handle", "worker: JSON log")
    rooms.time(Spans, "identify", "worker: spans")
    rooms.time(Metrics, "handle", "worker: metrics")
    rooms.time(OtelLogs, "handle", "worker: log records")
    with tempfile.TemporaryDirectory() as directory:
        soltrace.configure(directory=directory, otlp_endpoint=backend.start())
        columns = {
            case.name: _column(
                case.make(dfx.diffeqsolve), case.make(soltrace.diffeqsolve), case.args, CASES[case.name], seconds, rooms
            )
            for case in cases()
            if case.name in names
        }
        soltrace.shutdown()
    return columns


def _column(
    bare: Callable[..., Any], ours: Callable[..., Any], args: Any, passes: int, seconds: float, rooms: Rooms
) -> dict[str, float]:
    import jax

    import soltrace

    def loop(program: Callable[..., Any], count: int) -> float:
        began = time.process_time()
        for _ in range(count):
            jax.block_until_ready(program(*args))
        soltrace.flush()
        return time.process_time() - began

    for program in (bare, ours):
        loop(program, 5)
    began = time.perf_counter()
    loop(bare, 10)
    count = max(10, round(10 * seconds / (time.perf_counter() - began)))
    without = loop(bare, count)
    rooms.seconds.clear()
    before = _threads()
    extra = loop(ours, count) - without
    took = {name: clock - before.get(name, 0.0) for name, clock in _threads().items()}
    told = dict(rooms.seconds)
    worker = took.pop("soltrace-worker", 0.0)
    told[REST_OF_WORKER] = worker - sum(told[room] for room in told if room.startswith("worker: "))
    told |= {f"thread `{name}`: encoding and sending": clock for name, clock in took.items()}
    told[OTHERWISE] = extra - sum(told.values())
    return {room: taken / count / passes * 1e6 for room, taken in told.items()}


def _threads() -> dict[str, float]:
    """What each thread of soltrace's has taken, in seconds."""
    ours = [thread for thread in threading.enumerate() if thread.name.startswith("soltrace-")]
    return {t.name: time.clock_gettime(time.pthread_getcpuclockid(t.ident)) for t in ours if t.ident is not None}


if __name__ == "__main__":
    raise SystemExit(main())
