"""Who reports, and how: bare diffrax, its two meters, and soltrace with everything on."""

import json
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import diffrax as dfx

from benchmarks import backend
from benchmarks.cases import Diffeqsolve

BARE = "bare"
OURS = "soltrace"


@dataclass(frozen=True)
class Peer:
    """A `diffeqsolve` to compare.

    Args:
        name: As it stands in the table.
        diffeqsolve: With diffrax's signature.
        settle: Is called after each timed call: waits for what goes on beside it.
    """

    name: str
    diffeqsolve: Diffeqsolve
    settle: Callable[[], object] = lambda: None


@contextmanager
def peers() -> Iterator[list[Peer]]:
    """Set everybody up; soltrace's log goes to a directory that is removed afterwards, all else to a backend."""
    import soltrace

    endpoint = backend.start()
    with tempfile.TemporaryDirectory() as directory:
        soltrace.configure(directory=directory, otlp_endpoint=endpoint)
        yield [
            Peer(BARE, dfx.diffeqsolve),
            Peer("TextProgressMeter", partial(dfx.diffeqsolve, progress_meter=dfx.TextProgressMeter())),
            Peer("TqdmProgressMeter", partial(dfx.diffeqsolve, progress_meter=dfx.TqdmProgressMeter())),
            Peer(OURS, soltrace.diffeqsolve, soltrace.flush),
        ]
        soltrace.shutdown()
        lines = sum(path.read_bytes().count(b"\n") for path in Path(directory).glob("*.jsonl"))
        with urllib.request.urlopen(endpoint) as answer:  # noqa: S310 - our own backend
            taken = json.load(answer)
        if not lines or set(taken) != {"/v1/traces", "/v1/metrics", "/v1/logs"}:
            raise RuntimeError(f"telemetry was off: {lines} lines, {taken}")  # the table would be a lie
