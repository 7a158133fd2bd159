"""Time two programs pair by pair: what disturbs the machine disturbs both."""

import gc
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median, quantiles
from typing import Any

import jax

from benchmarks.cases import Case
from benchmarks.peers import BARE, Peer

BLOCKS = 5
"""In so many parts processor time is measured, each of many calls: it has a coarser clock."""


@dataclass(frozen=True)
class Ratio:
    """Median of pairwise ratios to bare diffrax, with their quartiles."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float], base: Sequence[float]) -> "Ratio":
        """Divide pair by pair."""
        pairs = [value / bare for value, bare in zip(values, base, strict=True)]
        low, _, high = quantiles(pairs, n=4) if len(pairs) > 1 else (pairs[0], pairs[0], pairs[0])
        return cls(median(pairs), low, high)


@dataclass(frozen=True)
class Measured:
    """What a peer costs in a case."""

    case: Case
    peer: str
    bare_s: float
    """Median time of bare diffrax."""
    wall: Ratio
    cpu: Ratio
    """Processor time of the whole process over many calls, what goes on beside them included."""
    first: Ratio
    """Trace, compile and run for the first time."""


def measure(case: Case, peers: Sequence[Peer], repeats: int, firsts: int) -> list[Measured]:
    """Time a case with every peer, interleaved.

    Args:
        case: What to run.
        peers: Who takes part; bare diffrax must be among them.
        repeats: Calls of each, divided among its compilations.
        firsts: First calls of each, with jax's caches empty: so often it is compiled.
    """
    order = random.Random(0)
    first: dict[str, list[float]] = {peer.name: [] for peer in peers}
    wall: dict[str, list[float]] = {peer.name: [] for peer in peers}
    programs: dict[str, Callable[..., Any]] = {}
    for _ in range(firsts):
        for peer in _shuffled(peers, order):
            jax.clear_caches()
            programs[peer.name] = case.make(peer.diffeqsolve)
            gc.collect()
            first[peer.name].append(_timed(programs[peer.name], case.args, peer))
        for peer in peers:
            for _ in range(2):  # compile, and let whoever learns from a run learn
                _timed(programs[peer.name], case.args, peer)
        # Some calls of each compilation: from one to the next, a program of short steps differs by several per cent.
        for _ in range(max(1, repeats // firsts)):
            for peer in _shuffled(peers, order):
                jax.block_until_ready(programs[peer.name](*case.args))  # or whoever ran before left the caches cold
                wall[peer.name].append(_timed(programs[peer.name], case.args, peer))
    cpu: dict[str, list[float]] = {peer.name: [] for peer in peers}
    for _ in range(BLOCKS):
        for peer in _shuffled(peers, order):
            cpu[peer.name].append(_processor_time(programs[peer.name], case.args, peer, max(1, repeats // BLOCKS)))
    return [
        Measured(
            case,
            peer.name,
            median(wall[BARE]),
            Ratio.of(wall[peer.name], wall[BARE]),
            Ratio.of(cpu[peer.name], cpu[BARE]),
            Ratio.of(first[peer.name], first[BARE]),
        )
        for peer in peers
    ]


def _shuffled(peers: Sequence[Peer], order: random.Random) -> list[Peer]:
    """Whoever comes first, or after an expensive peer, is not always the same."""
    return order.sample(peers, len(peers))


def _timed(program: Callable[..., Any], args: tuple[Any, ...], peer: Peer) -> float:
    gc.disable()  # as timeit does: how much there is to collect is a matter of who ran before
    start = time.perf_counter()
    jax.block_until_ready(program(*args))
    took = time.perf_counter() - start
    gc.enable()
    jax.effects_barrier()
    peer.settle()  # or what goes on beside it would be counted with whoever comes next
    return took


def _processor_time(program: Callable[..., Any], args: tuple[Any, ...], peer: Peer, calls: int) -> float:
    start = time.process_time()
    for _ in range(calls):
        jax.block_until_ready(program(*args))
    jax.effects_barrier()
    peer.settle()
    return time.process_time() - start


@contextmanager
def silence() -> Iterator[None]:
    """Send what the process prints to /dev/null: the meters print, and a terminal would be what is measured."""
    sys.stdout.flush()
    sys.stderr.flush()
    saved = os.dup(1), os.dup(2)
    null = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(null, 1)
        os.dup2(null, 2)
        yield
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os.dup2(saved[0], 1)
        os.dup2(saved[1], 2)
        for descriptor in (null, *saved):
            os.close(descriptor)
