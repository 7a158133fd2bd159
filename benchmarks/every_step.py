"""What it costs to tell every step: `python -m benchmarks.every_step` prints a table and writes a page.

Loops of solves, as `benchmarks.loops` has them, with the JSON log, each with one of the things that can be asked for.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks import page
from benchmarks.measure import Ratio

RESULTS: Final = Path(__file__).with_name("every_step.md")
HEADER: Final = (
    "| loop of | bare diffrax | asked for | time, the last flush included | until the last solve is over |",
    "| --- | --- | --- | --- | --- |",
)
ASKED: Final[dict[str, dict[str, Any]]] = {
    "nothing": {},
    '`detail="steps"`': {"detail": "steps"},
    '`detail="failures"`': {"detail": "failures"},
    '`watch="nonfinite"`': {"watch": "nonfinite"},
    "`watch={...}`, a sum of squares": {"watch": {"squares": lambda t, y, args: (y**2).sum()}},
}
LIMITS: Final = {
    "Lorenz": (1.1, 1.5, 1.3, 1.3, 1.3),
    "Lorenz, gradient": (1.12, 1.4, 1.4, 1.4, 1.4),
    "neural ODE": (1.08, 1.1, 1.1, 1.1, 1.1),
}
"""What a loop may take, as a multiple of bare diffrax, with each of these."""
ABOUT: Final = """\
Time ÷ bare diffrax's (`NoProgressMeter`): as many solves as take so long, one after the other, and then `flush`; such
loops in turns, median of the ratios to the bare loop of the same turn (lower to upper quartile). All in one process,
with the JSON log. *Until the last solve is over*: the same without `flush`, by which time not all of it is written. In
bold: a limit that soltrace keeps; ✗ marks one it exceeds."""


def main(argv: list[str] | None = None) -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.every_step", description=__doc__)
    parser.add_argument("--case", action="append", metavar="PART", help="only cases whose name contains this")
    parser.add_argument("--rounds", type=int, default=7, help="loops of each (default: 7)")
    parser.add_argument("--seconds", type=float, default=1.0, help="how long a loop of bare diffrax takes (default: 1)")
    parser.add_argument("--check", action="store_true", help="exit with 1 if soltrace exceeds a limit")
    parser.add_argument("--no-write", action="store_true", help="print only")
    args = parser.parse_args(argv)
    rows = measured(args.case, args.rounds, args.seconds)
    return page.tell(args, (HEADER, rows), RESULTS, ("Every step", ABOUT), "benchmarks.every_step", argv)


def measured(parts: Sequence[str] | None, rounds: int, seconds: float) -> Iterator[str]:
    """Measure the cases, and make a line of the table of each thing that can be asked for.

    Args:
        parts: Only cases whose name contains one of these; None: all.
        rounds: Loops of each.
        seconds: How long a loop of bare diffrax takes.
    """
    import diffrax as dfx

    import soltrace
    from benchmarks.cases import cases

    solves = [dfx.diffeqsolve, *(partial(soltrace.diffeqsolve, **asked) for asked in ASKED.values())]
    with tempfile.TemporaryDirectory() as directory:
        soltrace.configure(directory=directory, spans=False, metrics=False, logs=False)
        for case in cases():
            if case.name in LIMITS and (parts is None or any(part in case.name for part in parts)):
                bare, *others = _loops([case.make(solve) for solve in solves], case.args, rounds, seconds)
                for asked, limit, times in zip(ASKED, LIMITS[case.name], others, strict=True):
                    (whole, told), (bare_whole, bare_told) = (zip(*x, strict=True) for x in (times, bare))
                    ratio = Ratio.of(whole, bare_whole)
                    kept = f"**≤ {limit:.2f}**" if ratio.median <= limit else f"✗ > {limit:.2f}"
                    cells = case.name, f"{median(bare_whole) * 1e3:.2f} ms", asked, f"{_cell(ratio)}, {kept}"
                    yield f"| {' | '.join([*cells, _cell(Ratio.of(told, bare_told))])} |"
        soltrace.shutdown()


def _cell(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"


def _loops(
    programs: Sequence[Callable[..., Any]], args: tuple[Any, ...], rounds: int, seconds: float
) -> list[list[tuple[float, float]]]:
    """Seconds a solve, of each program and in each round: with the last flush, and without."""
    import jax

    import soltrace

    def loop(program: Callable[..., Any], count: int) -> tuple[float, float]:
        began = time.perf_counter()
        for _ in range(count):
            jax.block_until_ready(program(*args))
        solved = time.perf_counter() - began
        soltrace.flush()
        return (time.perf_counter() - began) / count, solved / count

    for program in programs:
        loop(program, 3)
    count = max(5, round(seconds / loop(programs[0], 3)[0]))
    turns = [[loop(program, count) for program in programs] for _ in range(rounds)]
    return [list(times) for times in zip(*turns, strict=True)]


if __name__ == "__main__":
    raise SystemExit(main())
