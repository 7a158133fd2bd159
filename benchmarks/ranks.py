"""What a thousand ranks need, and a hundred thousand. `python -m benchmarks.ranks` writes `benchmarks/ranks.md`.

No rank computes: each is the records that a solver at work makes, written by soltrace's own writer, and sent as its
exporter sends them, a request a second and signal. An agent and a gateway, real collectors, take them with the
configuration that is shipped. What a hundred thousand need is reckoned from there.
"""

import argparse
import math
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks import page
from benchmarks.collectors import Chain, chain
from soltrace.reading.files.lines import Change
from soltrace.reading.files.source import LogEntry, Source
from soltrace.shipping.items import LogItems
from soltrace.shipping.request import log_record_message, request_body, span_message
from soltrace.sinks.json_log import fresh_file
from soltrace.wire.record_parts import Steps
from soltrace.wire.records import (
    AnyRecord,
    ExperimentEnded,
    ExperimentStarted,
    LogOpened,
    PassEnded,
    PassHeartbeat,
    PassProgress,
    PassStarted,
    RunEnded,
)

RESULTS = Path(__file__).with_name("ranks.md")
REPORTS_PER_S = 10
"""The most that a pass reports, unless `configure` says otherwise."""
PASS_S = 10
HEARTBEAT_S = 5
MANY = 100_000
BUSY = 0.5
"""How busy a gateway may be, so that it catches up after an outage."""
GATEWAY_CORES = 4
PER_NODE = 64
QUEUE_BYTES = 2e9
"""Unless `OTELCOL_QUEUE_BYTES` says otherwise; on the disk they take about twice as much."""
WHOLE = 100
"""From here on, numbers have no decimals."""
ABOUT = f"""\
{{ranks:,}} ranks for {{seconds}} s each, with one pass of {PASS_S} s after the other and {REPORTS_PER_S} reports a
second, the most that soltrace makes unless it is told otherwise. Measured: what is said of one rank, memory, and what
was lost. Processor time is that of the processes. All ranks went through one agent and one gateway, as fast as they
took it; while the gateway was down, the last tenth was sent. Reckoned: the other columns, for {PER_NODE} ranks a node
and gateways of {GATEWAY_CORES} cores that are {BUSY:.0%} busy. The stores behind the gateways are not counted."""
HEADER = (f"| | a rank | 1,000 ranks | {MANY:,} ranks |", "| --- | --- | --- | --- |")


def one_rank(run_id: str, rank: int, seconds: int, began: datetime) -> Iterator[AnyRecord]:
    """Yield the records of a rank, in order."""
    at = lambda elapsed: began + timedelta(seconds=elapsed)
    of_run = {"run_id": run_id, "experiment": None, "attributes": {}}
    where = {"host": f"node{rank // PER_NODE}", "pid": rank + 1, "scheduler": "slurm", "job": "7", "rank": str(rank)}
    yield LogOpened(timestamp=at(0), **of_run, resource=where | {"devices": ["gpu"], "jax": "0.12.0"})
    inside = of_run | {"experiment": "fit", "attributes": {"seed": rank, "lr": 1e-3}}
    yield ExperimentStarted(timestamp=at(0.001), **inside)
    for number in range(max(1, seconds // PASS_S)):
        phase = "backward" if number % 2 else "forward"
        solve = f"{run_id}.{number // 2 + 1}"
        of_pass = inside | {"solve_id": solve, "pass_id": f"{solve}.{phase}", "phase": phase}
        yield from _pass(of_pass, at(number * PASS_S + 0.002))
    yield ExperimentEnded(timestamp=at(seconds + 0.003), **inside, status="ok", duration_s=float(seconds))
    yield RunEnded(timestamp=at(seconds + 0.004), **of_run, status="ok", duration_s=float(seconds))


def _pass(of_pass: dict[str, object], began: datetime) -> Iterator[AnyRecord]:
    names = {"solver": "Tsit5", "adjoint": "RecursiveCheckpointAdjoint", "controller": "PIDController"}
    yield PassStarted(timestamp=began, **of_pass, **names, t0=0.0, t1=100.0, max_steps=4096, batch_shape=[])
    for report in range(1, REPORTS_PER_S * PASS_S):
        elapsed = report / REPORTS_PER_S
        share, steps = elapsed / PASS_S, Steps(accepted=37 * report, rejected=3 * report)
        at = {"progress": share, "t": 100 * share, "step": 40 * report}
        yield PassProgress(timestamp=began + timedelta(seconds=elapsed), **of_pass, **at, steps=steps)
        if elapsed == HEARTBEAT_S:
            so_far = {"open_s": elapsed, "silent_s": 0.1, "stalled": False, "rate": 0.1, "eta_s": PASS_S - elapsed}
            yield PassHeartbeat(timestamp=began + timedelta(seconds=elapsed), **of_pass, **at, **so_far)
    end = {"status": "ok", "result": "successful", "duration_s": float(PASS_S), "progress": 1.0, "t": 100.0}
    steps = Steps(accepted=3700, rejected=300)
    yield PassEnded(timestamp=began + timedelta(seconds=PASS_S), **of_pass, **end, step=4000, steps=steps)


@dataclass
class WrittenLogs:
    """What the ranks have written."""

    files: list[Path]
    records: int
    size: int
    processor_s: float


def write(directory: Path, ranks: int, seconds: int) -> WrittenLogs:
    """Write a log for each rank, as its process would."""
    began, records = datetime.now(UTC), 0
    spent = 0.0
    for rank in range(ranks):
        run_id = f"{began:%Y%m%dT%H%M%SZ}-node{rank // PER_NODE}-{rank}"
        told = list(one_rank(run_id, rank, seconds, began))
        before = time.process_time()
        _, log = fresh_file(directory, run_id)
        for record in told:
            log.handle(record)
        log.close()
        spent += time.process_time() - before
        records += len(told)
    files = sorted(directory.glob("*.jsonl"))
    return WrittenLogs(files, records, sum(file.stat().st_size for file in files), spent)


def requests(file: Path) -> Iterator[tuple[int, str, bytes]]:
    """Yield what the rank of a log sends: in which second, which signal, and the body."""
    items, second = LogItems(), 0
    waiting: dict[str, list[bytes]] = {"logs": [], "traces": []}
    first: datetime | None = None
    for entry in _entries(file):
        found = items.feed(entry, wanted=True)
        if found is None:
            continue
        run, item, ended = found
        first = first or entry.time
        if int((entry.time - first).total_seconds()) > second:
            yield from _sent(items, run, waiting, second)
            second = int((entry.time - first).total_seconds())
        waiting["traces"] += map(span_message, ended)
        if item is not None:
            waiting["logs"].append(log_record_message(item))
    yield from _sent(items, run, waiting, second)


def _entries(file: Path) -> Iterator[LogEntry]:
    source = Source(file, 0.0)
    if source.look(0.0) is Change.GROWN:
        yield from source.read()
    yield from source.rest()


def _sent(items: LogItems, run: str, waiting: dict[str, list[bytes]], second: int) -> Iterator[tuple[int, str, bytes]]:
    for signal, messages in waiting.items():
        if messages:
            yield second, signal, request_body({run: messages}, items.resource, items.version)
            waiting[signal] = []


@dataclass
class Found:
    """What came of it, all of one rank in a second unless it is said."""

    records: float
    log_bytes: float
    write_s: float
    sent_bytes: float
    sent: float
    """Requests."""
    agent_s: float
    gateway_s: float
    agent_mib: float
    gateway_mib: float
    queue_bytes: float
    lost: int


def measure(ranks: int, seconds: int) -> Found:
    """Write, send, and send again while the gateway is down."""
    with tempfile.TemporaryDirectory() as name, chain(Path(name)) as collectors:
        logs = Path(name, "runs")
        logs.mkdir()
        written = write(logs, ranks, seconds)
        late = max(1, ranks // 10)
        bodies = [request for file in written.files[:-late] for request in requests(file)]
        bodies.sort(key=lambda request: request[0])  # second by second, of all ranks
        spent = collectors.send([(signal, body) for _, signal, body in bodies])
        queued = _outage(collectors, written.files[-late:])
        collectors.wait(written.records)
        of_each, of_late = (ranks - late) * seconds, late * seconds
        return Found(
            records=written.records / ranks / seconds,
            log_bytes=written.size / ranks / seconds,
            write_s=written.processor_s / ranks / seconds,
            sent_bytes=sum(len(body) for *_, body in bodies) / of_each,
            sent=len(bodies) / of_each,
            agent_s=spent.agent_s / of_each,
            gateway_s=spent.gateway_s / of_each,
            agent_mib=spent.agent_mib,
            gateway_mib=spent.gateway_mib,
            queue_bytes=queued / of_late,
            lost=written.records - collectors.arrived,
        )


def _outage(collectors: Chain, files: Sequence[Path]) -> int:
    """Send while the gateway is down, and return how large the agent's queue is then."""
    collectors.gateway.stop()
    collectors.begin_anew()
    for file in files:
        collectors.post([(signal, body) for _, signal, body in requests(file)])
    queued = collectors.queue_bytes()
    collectors.gateway.start()
    return queued


def rows(found: Found) -> list[str]:
    """Write the table."""
    nodes = lambda ranks: math.ceil(ranks / PER_NODE)
    gateways = lambda ranks: math.ceil(ranks * found.gateway_s / GATEWAY_CORES / BUSY)

    def scaled(what: str, each: float) -> str:
        shown = [_number(each * ranks) for ranks in (1, 1000, MANY)]
        return f"| {what} | {' | '.join(shown)} |"

    verdict = f"{found.lost:,}" if not found.lost else f"✗ {found.lost:,}"
    hour = found.queue_bytes * 3600
    full = f"{QUEUE_BYTES / found.sent_bytes / PER_NODE / 60:.0f}"
    return [
        scaled("records a second", found.records),
        scaled("kB a second into logs", found.log_bytes / 1e3),
        scaled("of a core, writing them", found.write_s),
        f"| log files, one a process | 1 | 1,000 | {MANY:,} |",
        f"| log files, one a node | | {nodes(1000):,} | {nodes(MANY):,} |",
        scaled("kB a second to its agent", found.sent_bytes / 1e3),
        scaled("requests a second to its agent", found.sent),
        f"| agents, one a node | | {nodes(1000):,} | {nodes(MANY):,} |",
        scaled("of a core, agents", found.agent_s),
        f"| of a core, each agent | | {found.agent_s * PER_NODE:.2g} | {found.agent_s * PER_NODE:.2g} |",
        f"| MiB of memory, each agent | | {found.agent_mib:.0f} | |",
        scaled("of a core, gateways", found.gateway_s),
        f"| gateways | | {gateways(1000):,} | {gateways(MANY):,} |",
        f"| MiB of memory, each gateway | | {found.gateway_mib:.0f} | |",
        scaled("GB on the agents' disks, an hour without the gateway", hour / 1e9),
        f"| GB on the disk of each agent, likewise | | {hour * PER_NODE / 1e9:.2g} | {hour * PER_NODE / 1e9:.2g} |",
        f"| minutes until the queue of an agent is full, {QUEUE_BYTES / 1e9:g} GB of requests | | {full} | {full} |",
        f"| log records lost | | {verdict} | |",
    ]


def _number(value: float) -> str:
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if rounded >= WHOLE else f"{rounded:.12f}".rstrip("0").rstrip(".")


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    about = ABOUT.format(ranks=args.ranks, seconds=args.seconds)
    table = (HEADER, rows(measure(args.ranks, args.seconds)))
    return page.tell(args, table, RESULTS, ("A thousand ranks", about), "benchmarks.ranks", argv)


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ranks", description=__doc__)
    parser.add_argument("--ranks", type=int, default=1000, help="how many (default: 1000)")
    parser.add_argument("--seconds", type=int, default=20, help=f"of work each, a multiple of {PASS_S} (default: 20)")
    parser.add_argument("--check", action="store_true", help="fail if something was lost")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
