"""Hands records over as a run does, without one: for programs that show the live view."""

import importlib.util
from datetime import UTC, datetime
from pathlib import Path

from soltrace.sinks.beside import Beside

_spec = importlib.util.spec_from_file_location("sample_logs", Path(__file__).parents[1] / "reading" / "conftest.py")
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)

run = _samples.Log(start=datetime.now(UTC).replace(microsecond=0))


def hand(*records):
    """Hand records over."""
    for record in records:
        Beside().handle(record)


def halfway(solve=1):
    """A pass that is half over."""
    hand(run.started(40, solve), run.progress(50, solve, progress=0.5, step=20))
