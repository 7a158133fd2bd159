"""What one solve costs that is alone: `python -m benchmarks.once` prints a table and writes `benchmarks/once.md`.

The first call of a program, which traces and compiles it; a single call after a rest; the whole process. Each
measurement is a process of its own, bare diffrax's and soltrace's in turns, with everything on.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import backend, page
from benchmarks.measure import Ratio

RESULTS: Final = Path(__file__).with_name("once.md")
ABOUT: Final = """\
Time ÷ bare diffrax's, process by process in turns: median of the pairs' ratios (lower to upper quartile). *First call*:
trace, compile and run, without a compilation cache and with one that has the program; what `configure` imports
before is not in it. *After a rest*: one call after 0.3 s of nothing, when Python's code is no longer in the
processor's caches. *Process*: from its start to its end, jax's and soltrace's imports, one first call and the export of
all there is included. soltrace has everything on: JSON log, spans, metrics and log records by OTLP over HTTP. In bold:
a limit that soltrace keeps; ✗ marks one it exceeds."""
CASES: Final = ("Lorenz", "Lorenz, gradient", "neural ODE")
LIMITS: Final = {"first": 1.15, "cached": 1.05}
RESTS: Final = 8
REST_S: Final = 0.3


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.once", description=__doc__)
    parser.add_argument("--case", action="append", metavar="NAME", choices=CASES, help="only this case; repeatable")
    parser.add_argument("--rounds", type=int, default=7, help="pairs of processes (default: 7)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if soltrace exceeds a limit")
    parser.add_argument("--no-write", action="store_true", help="print only")
    parser.add_argument("--child", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child:
        print(json.dumps(_child(*args.child)))
        return 0
    lines = [
        "| one solve of | bare first call | first call | with a compilation cache | after a rest | process |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    print(*lines, sep="\n")
    endpoint = backend.start()
    for case in args.case or CASES:
        lines.append(line(case, *_pairs(case, args.rounds, endpoint)))
        print(lines[-1], flush=True)
    if not args.no_write:
        page.write(RESULTS, "One solve alone", ABOUT, lines, "benchmarks.once", argv)
    return 1 if args.check and any("✗" in line for line in lines) else 0


def _pairs(case: str, rounds: int, endpoint: str) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """What each process measured: those of bare diffrax, those of soltrace."""
    bare: list[dict[str, float]] = []
    ours: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as cache:
        for number in range(rounds + 1):
            for where, told in (("", bare), (endpoint, ours)):
                began = time.perf_counter()
                measured = _process(case, where, "")
                measured["process"] = time.perf_counter() - began
                cached = _process(case, where, f"{cache}/{'soltrace' if where else 'bare'}")
                measured |= {"cached": cached["first"], "rested": cached["rested"]}
                if number:  # the first fills the caches
                    told.append(measured)
    return bare, ours


def _process(case: str, endpoint: str, cache: str) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.once", "--child", case, endpoint, cache]
    return json.loads(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout)  # noqa: S603 - ourselves


def _child(name: str, endpoint: str, cache: str) -> dict[str, float]:
    """Measure in this process.

    Args:
        name: The case.
        endpoint: Where soltrace is to send what it tells; empty: diffrax is bare.
        cache: The directory of jax's compilation cache; empty: none.
    """
    import diffrax as dfx
    import jax

    from benchmarks.cases import cases

    if cache:
        jax.config.update("jax_compilation_cache_dir", cache)
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
        jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    solve: Any = dfx.diffeqsolve
    directory = tempfile.TemporaryDirectory()
    if endpoint:
        import soltrace

        soltrace.configure(directory=directory.name, otlp_endpoint=endpoint)
        solve = soltrace.diffeqsolve
    case = next(case for case in cases() if case.name == name)
    program = case.make(solve)

    def call() -> float:
        began = time.perf_counter()
        jax.block_until_ready(program(*case.args))
        return time.perf_counter() - began

    first, rested = call(), list[float]()
    for _ in range(RESTS if cache else 0):
        time.sleep(REST_S)
        rested.append(call())
    if endpoint:
        soltrace.shutdown()  # pyright: ignore[reportPossiblyUnboundVariable]
    directory.cleanup()
    return {"first": first} | ({"rested": median(rested)} if rested else {})


def line(case: str, bare: Sequence[dict[str, float]], ours: Sequence[dict[str, float]]) -> str:
    """Make a line of the table."""
    cells = [case, f"{median(told['first'] for told in bare):.2f} s"]
    for name in ("first", "cached", "rested", "process"):
        ratio = Ratio.of([told[name] for told in ours], [told[name] for told in bare])
        cell = f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"
        if (limit := LIMITS.get(name)) is not None:
            cell += f", **≤ {limit:.2f}**" if ratio.median <= limit else f", ✗ > {limit:.2f}"
        cells.append(cell)
    return f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    raise SystemExit(main())
