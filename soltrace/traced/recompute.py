"""How many forward steps a backward pass evaluates again, as it follows from the checkpointing scheme.

Traced side, plain Python. The schemes are deterministic, and counting on the device would cost a variable in every
loop. Equinox's checkpointed loop saves states online (Stumm and Walther 2010, "New algorithms for optimal online
checkpointing", doi:10.1137/080742439; Wang, Moin and Iaccarino 2009, doi:10.1137/080727890) and then halves the way
between them (treeverse); every step is evaluated once more when it is transposed.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

Scheme: TypeAlias = Callable[[int], int]
"""Steps attempted -> evaluations of the step in the backward pass."""


@dataclass(frozen=True)
class Checkpointed:
    """Equinox's `checkpointed_while_loop`."""

    checkpoints: int

    def __call__(self, steps: int) -> int:
        """Count the evaluations of the step in the backward pass of a loop of so many steps."""
        return _backward(steps, self.checkpoints) if steps else 0


@dataclass(frozen=True)
class Bounded:
    """Equinox's `bounded_while_loop`: nested scans, 16 wide, each but the innermost checkpointed."""

    max_steps: int

    def __call__(self, steps: int) -> int:
        """Count the evaluations of the step in the backward pass of a loop of so many steps."""
        return steps * max(0, math.ceil(math.log(self.max_steps, 16)) - 1) if self.max_steps > 1 else 0


def scheme(while_loop: Any, max_steps: int | None) -> Scheme | None:
    """Find the scheme of one of equinox's loops, as diffrax's adjoints hand it on: with its options bound to it.

    Args:
        while_loop: A `functools.partial`; of anything else, nothing is known.
        max_steps: The bound of the loop, if it has one.
    """
    options = getattr(while_loop, "keywords", {})
    if max_steps == 0:
        return None
    if options.get("kind") == "bounded" and max_steps is not None:
        return Bounded(max_steps)
    if options.get("kind") == "checkpointed":
        checkpoints = options.get("checkpoints")
        if checkpoints is None:
            return None if max_steps is None else Checkpointed(min(default_checkpoints(max_steps), max_steps))
        return Checkpointed(checkpoints if max_steps is None else min(checkpoints, max_steps))
    return None


def default_checkpoints(max_steps: int) -> int:
    """Find the number that equinox chooses: the smallest with `2 max_steps < (checkpoints + 1) (checkpoints + 2)`."""
    return 1 if max_steps == 1 else math.floor(-1.5 + math.sqrt(2 * max_steps + 0.25)) + 1


@lru_cache(maxsize=256)
def _backward(steps: int, checkpoints: int) -> int:
    saved = _saved(steps, checkpoints)
    ends = [*saved[1:], steps]
    # The last stretch is gone through first: so many checkpoints are free then as were never filled.
    stretches = zip(saved, ends, range(1, len(saved) + 1), strict=True)
    return sum(_stretch(end - start, checkpoints - in_use) for start, end, in_use in stretches)


def _saved(steps: int, checkpoints: int) -> list[int]:
    """Find the steps whose states are kept when a loop of so many steps is over."""
    slots: dict[int, int] = {}
    index, gap, point, saving = 0, checkpoints, checkpoints, True
    levels, dispensable = [math.inf] + [0] * (checkpoints - 1), [False] * checkpoints
    wang_moin_from = (checkpoints + 1) * (checkpoints + 2) // 2 - 1
    for step in range(steps):
        if step < wang_moin_from:  # Stumm and Walther, algorithm 1
            if saving:
                slots[index] = step
                index = 1 if index + 1 > gap else index + 1
            saving = saving and step + 1 != point
            if step == point:
                point, gap = point + gap, gap - 1
                index, saving = gap, gap > 0
        elif checkpoints > 1:  # Wang, Moin and Iaccarino, algorithm 1
            _wang_moin(step, slots, levels, dispensable)
    return sorted(slots.values())


def _wang_moin(step: int, slots: dict[int, int], levels: list[float], dispensable: list[bool]) -> None:
    places = range(len(levels))
    if any(dispensable):
        index = max(places, key=lambda i: slots[i] if dispensable[i] else 0)
        level: float = 0
        dispensable[index] = False
    else:
        index = max(places, key=lambda i: slots[i])
        level = levels[index] + 1
        dispensable[:] = [d or own < levels[index] for d, own in zip(dispensable, levels, strict=True)]
    slots[index], levels[index] = step, level


@lru_cache(maxsize=65536)
def _stretch(length: int, free: int) -> int:
    """Count the evaluations on the way back over a stretch whose first state is kept, with so many free checkpoints."""
    if length <= 2 or free == 0:  # noqa: PLR2004 - nothing lies between the first of two steps and the last
        return length * (length + 1) // 2
    if length - 2 <= free:  # each step on the way is kept: one goes ahead, and is evaluated once more
        return 2 * length - 1
    ahead = length // 2
    return ahead + _stretch(length - ahead, free - 1) + _stretch(ahead, free)
