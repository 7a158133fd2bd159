"""Sweep random combinations of solver, controller, adjoint, saving, event, dtype, transformation and setting of jax.

Each is a seed. What soltrace does otherwise than diffrax, or tells wrong, is printed with the command that repeats it.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from tests.traced.sweep.combine import draw
from tests.traced.sweep.judge import problems


@dataclass
class Tally:
    """What came of a sweep."""

    solved: int = 0
    refused: int = 0
    """Those that diffrax refuses too."""
    wrong: list[str] = field(default_factory=list)


def sweep(seeds: Sequence[int], *, verbose: bool = False) -> Tally:
    """Run the combinations of these seeds."""
    tally = Tally()
    for seed in seeds:
        combination, began = draw(seed), time.monotonic()
        found, refusal = problems(combination)
        tally.solved += not refusal
        tally.refused += bool(refusal)
        if found:
            tally.wrong.append("\n".join(_report(seed, str(combination), found)))
            _print(tally.wrong[-1])
        elif verbose:
            _print(f"ok {seed} {time.monotonic() - began:.0f} s: {combination} {refusal and '-- refused: ' + refusal}")
    return tally


def _report(seed: int, combination: str, found: Sequence[str]) -> Iterator[str]:
    yield f'WRONG {seed}: {combination}\n  again: make sweep SWEEP_ARGS="--count 1 --seed {seed}"'
    yield from (f"  {problem}" for problem in found)


def _print(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def main(argv: Sequence[str]) -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(prog="make sweep", description=__doc__)
    parser.add_argument("--count", type=int, default=500, help="how many combinations (default: 500)")
    parser.add_argument("--seed", type=int, help="the first seed; the others follow (default: a random one, printed)")
    parser.add_argument("--verbose", action="store_true", help="a line for each, not only for those that are wrong")
    given = parser.parse_args(argv)
    first = random.SystemRandom().randrange(10**9) if given.seed is None else given.seed
    _print(f"{given.count} combinations, seeds from {first} on")
    tally = sweep(range(first, first + given.count), verbose=given.verbose)
    _print(f"{tally.solved} solved, {tally.refused} refused by diffrax too, {len(tally.wrong)} wrong")
    return 1 if tally.wrong else 0
