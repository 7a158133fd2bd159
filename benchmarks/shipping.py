"""How fast logs are shipped. `python -m benchmarks.shipping` prints a table and writes `benchmarks/shipping.md`.

`soltrace ship` as a command, from its start to its end, to a collector that takes everything and looks at nothing; it
runs on the same machine.
"""

import argparse
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from resource import RUSAGE_CHILDREN, getrusage
from statistics import median

from benchmarks import page
from benchmarks.reading import LINES_OF_A_PASS, write_log
from soltrace.reading.files.source import Source

RESULTS = Path(__file__).with_name("shipping.md")
ROOT = Path(__file__).parents[1]
FLOOR = 50_000
"""Records a second that are promised on two cores."""
HEADER = (
    "| logs at once | records a second | of processor time, on one core | processor time, in that of reading alone |",
    "| --- | --- | --- | --- |",
)
ABOUT = f"""\
`soltrace ship` sends {{files}} logs of {{lines:,}} lines each ({{megabytes:.0f}} MB in all; a pass has
{LINES_OF_A_PASS}) to a collector on the same machine that takes everything and looks at nothing: spans and log
records, from the start of the command to its end. Reading alone makes records of the lines, in this process. The
median of {{repeats}}. In bold: what soltrace promises of two cores; ✗ marks what it misses."""


class _Collector(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 1 << 20)))
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass

    def setup(self) -> None:
        super().setup()
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def measure(runs: Path, address: str, jobs: int, records: int) -> tuple[float, float]:
    """Ship a directory that holds so many records, and return the seconds that it took and those of the processor."""
    shutil.rmtree(runs / ".shipped", ignore_errors=True)
    command = [sys.executable, "-m", "soltrace", "ship", str(runs), "--endpoint", address, "--jobs", str(jobs)]
    began, before = time.perf_counter(), _children()
    done = subprocess.run(command, cwd=ROOT, stderr=subprocess.PIPE, text=True, check=True)  # noqa: S603 - ours
    took, busy = time.perf_counter() - began, _children() - before
    found = re.search(r"sent ([\d,]+) log records", done.stderr)
    if found is None or int(found[1].replace(",", "")) != records:
        raise RuntimeError(f"expected {records:,} log records to be sent, got: {done.stderr}")
    return took, busy


def read(runs: Path) -> float:
    """Read the records of a directory, and return the seconds of the processor that it took."""
    began = time.process_time()
    for path in sorted(runs.glob("*.jsonl")):
        source = Source(path, 0.0)
        source.look(0.0)
        for _ in source.read():
            pass
    return time.process_time() - began


def _children() -> float:
    usage = getrusage(RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def table(runs: Path, files: int, lines: int, repeats: int) -> list[str]:
    """Ship with one process and with two, in turns, and write the table."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Collector)
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    address = f"http://127.0.0.1:{server.server_port}"
    ways = [1, min(2, files)]
    found = [[(*measure(runs, address, jobs, files * lines), read(runs)) for jobs in ways] for _ in range(repeats)]
    server.shutdown()
    server.server_close()
    return [
        *HEADER,
        *(_row(jobs, files * lines, list(taken)) for jobs, taken in zip(ways, zip(*found, strict=True), strict=True)),
    ]


def _row(jobs: int, records: int, taken: list[tuple[float, float, float]]) -> str:
    rate = median(records / took for took, _, _ in taken)
    shown = f"{rate:,.0f}"
    if jobs > 1:
        shown += f", **≥ {FLOOR:,}**" if rate >= FLOOR else f", ✗ < {FLOOR:,}"
    of_a_core = median(records / busy for _, busy, _ in taken)
    times = median(busy / reading for _, busy, reading in taken)
    return f"| {jobs} | {shown} | {of_a_core:,.0f} | {times:.1f} |"


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    args = _arguments().parse_args(argv)
    with tempfile.TemporaryDirectory() as directory:
        runs = Path(directory)
        for number in range(args.files):
            write_log(runs / f"run{number}.jsonl", args.lines)
        megabytes = sum(path.stat().st_size for path in runs.iterdir()) / 1e6
        about = ABOUT.format(files=args.files, lines=args.lines, megabytes=megabytes, repeats=args.repeats)
        rows = table(runs, args.files, args.lines, args.repeats)
    print("\n".join(rows))
    if not args.no_write:
        page.write(RESULTS, "Shipping", about, rows, "benchmarks.shipping", argv)
    return 0


def _arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.shipping", description=__doc__)
    parser.add_argument("--files", type=int, default=4, help="how many logs (default: 4)")
    parser.add_argument("--lines", type=int, default=250_000, help="how long each is (default: 250000)")
    parser.add_argument("--repeats", type=int, default=3, help="how often each is shipped (default: 3)")
    parser.add_argument("--no-write", action="store_true", help="print only")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
