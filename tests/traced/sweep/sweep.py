"""Sweep random combinations of solver, controller, adjoint, saving, event, dtype, transformation and setting of jax.

Each is a seed. What soltrace does otherwise than diffrax, or tells wrong, is printed with the command that repeats it.

From jax 0.11 on, XLA for CPUs makes one function of a small loop unless something in it calls the host, and rounds it
otherwise (`tests.traced.test_loops_around` has it without soltrace). Where a solve is in a loop of the program's own,
or looks for values that are not finite in its steps, numbers that differ are compared once more without that; what
agrees then is counted by itself.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.traced.sweep import parts
from tests.traced.sweep.combine import Combination, draw
from tests.traced.sweep.judge import differs_in_numbers_only, problems

SMALL_LOOPS_AS_ANY: Final = "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=0"
"""An option of XLA's: no function is made of a small loop."""


@dataclass
class Tally:
    """What came of a sweep."""

    solved: int = 0
    refused: int = 0
    """Those that diffrax refuses too."""
    wrong: list[str] = field(default_factory=list)
    rounded: list[str] = field(default_factory=list)
    """Those that XLA rounds otherwise because something in a loop calls the host."""


def sweep(seeds: Sequence[int], *, verbose: bool = False) -> Tally:
    """Run the combinations of these seeds."""
    tally = Tally()
    for seed in seeds:
        combination, began = draw(seed), time.monotonic()
        found, refusal = problems(combination)
        tally.solved += not refusal
        tally.refused += bool(refusal)
        if found:
            rounded = _is_rounded_by_xla(seed, combination, found)
            tell, said = (tally.rounded, "ROUNDED") if rounded else (tally.wrong, "WRONG")
            tell.append("\n".join(_report(said, seed, str(combination), found)))
            _print(tell[-1])
        elif verbose:
            _print(f"ok {seed} {time.monotonic() - began:.0f} s: {combination} {refusal and '-- refused: ' + refusal}")
    return tally


def _is_rounded_by_xla(seed: int, combination: Combination, found: Sequence[str]) -> bool:
    """Say whether the numbers agree where XLA compiles small loops as it does any other."""
    may_be = parts.TRANSFORMATIONS[combination.transformation].loops or combination.watches_steps
    if not (may_be and differs_in_numbers_only(found)):
        return False
    if SMALL_LOOPS_AS_ANY in os.environ.get("XLA_FLAGS", ""):
        return False
    flags = f"{os.environ.get('XLA_FLAGS', '')} {SMALL_LOOPS_AS_ANY}"
    again = [sys.executable, "-m", "tests.traced.sweep", "--count", "1", "--seed", str(seed)]
    root = Path(__file__).parents[3]
    return (
        subprocess.run(
            again, cwd=root, env=os.environ | {"XLA_FLAGS": flags}, capture_output=True, check=False
        ).returncode
        == 0
    )


def _report(said: str, seed: int, combination: str, found: Sequence[str]) -> Iterator[str]:
    yield f'{said} {seed}: {combination}\n  again: make sweep SWEEP_ARGS="--count 1 --seed {seed}"'
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
    _print(
        f"{tally.solved} solved, {tally.refused} refused by diffrax too, {len(tally.wrong)} wrong, "
        f"{len(tally.rounded)} rounded by XLA as any call to the host makes it"
    )
    return 1 if tally.wrong else 0
