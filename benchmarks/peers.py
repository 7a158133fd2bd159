"""Who reports, and how: bare diffrax, its two meters, and soltrace with its JSON log and spans on."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import diffrax as dfx
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

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


class Discard(SpanExporter):
    """Take spans and count them. Everything up to the wire is real: provider, processor, queue, worker."""

    def __init__(self) -> None:
        """Begin at none."""
        self.spans = 0

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Count."""
        self.spans += len(spans)
        return SpanExportResult.SUCCESS


@contextmanager
def peers() -> Iterator[list[Peer]]:
    """Set everybody up; soltrace's log goes to a directory that is removed afterwards."""
    import soltrace

    provider = TracerProvider(shutdown_on_exit=False)
    exporter = Discard()
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    with tempfile.TemporaryDirectory() as directory:
        soltrace.configure(directory=directory)
        yield [
            Peer(BARE, dfx.diffeqsolve),
            Peer("TextProgressMeter", partial(dfx.diffeqsolve, progress_meter=dfx.TextProgressMeter())),
            Peer("TqdmProgressMeter", partial(dfx.diffeqsolve, progress_meter=dfx.TqdmProgressMeter())),
            Peer(OURS, soltrace.diffeqsolve, soltrace.flush),
        ]
        soltrace.shutdown()
        provider.shutdown()
        lines = sum(path.read_bytes().count(b"\n") for path in Path(directory).glob("*.jsonl"))
        if not (lines and exporter.spans):
            raise RuntimeError(f"telemetry was off: {lines} lines, {exporter.spans} spans")  # the table would be a lie
