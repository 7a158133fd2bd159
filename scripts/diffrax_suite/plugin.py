"""A plugin of pytest's for diffrax's own tests: as they are, instrumented, or that within a span of the caller's.

SOLTRACE_SUITE_MODE says which, and SOLTRACE_SUITE_OUTCOMES where the outcome of each test is written.
"""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

MODE = os.environ["SOLTRACE_SUITE_MODE"]
OUTCOMES: dict[str, str] = {}


def pytest_configure() -> None:
    """Instrument, as `opentelemetry-instrument` would, before anything imports diffrax."""
    if MODE == "bare":
        return
    import soltrace
    from soltrace.zero_code.instrumentor import SoltraceInstrumentor

    soltrace.configure(directory=os.environ["SOLTRACE_DIR"])  # named, it is not said on the stderr that a test reads
    SoltraceInstrumentor().instrument()
    if MODE == "span":
        from opentelemetry import trace
        from opentelemetry.sdk.trace import TracerProvider

        trace.set_tracer_provider(TracerProvider())


@pytest.fixture(autouse=True)
def _within_a_span() -> Iterator[None]:
    from opentelemetry import trace

    with trace.get_tracer(__name__).start_as_current_span("test") if MODE == "span" else contextlib.nullcontext():
        yield


def pytest_runtest_logreport(report: Any) -> None:
    """Keep what a test came to: of its three parts, the worst."""
    before = OUTCOMES.get(report.nodeid, "passed")
    OUTCOMES[report.nodeid] = report.outcome if before == "passed" else before


def pytest_sessionfinish() -> None:
    """Write the outcomes, and have everything recorded."""
    Path(os.environ["SOLTRACE_SUITE_OUTCOMES"]).write_text(json.dumps(OUTCOMES), encoding="utf-8")
    if MODE != "bare":
        import soltrace

        soltrace.shutdown()
