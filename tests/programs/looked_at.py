"""Shows the live view while it does what it is told, line by line: Python, from the pipe that its argument names."""

import importlib.util
import logging
import os  # noqa: F401 - as the rest, for what it is told
import signal  # noqa: F401
import subprocess  # noqa: F401
import sys
import time  # noqa: F401
from datetime import UTC, datetime
from pathlib import Path

import soltrace  # noqa: F401
from soltrace.sinks.beside import Beside

_spec = importlib.util.spec_from_file_location("sample_logs", Path(__file__).parents[1] / "reading" / "conftest.py")
_samples = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_samples)

run = _samples.Log(start=datetime.now(UTC).replace(microsecond=0))
held = logging.StreamHandler()  # which has the stream as it is now
log = logging.getLogger("program")
log.addHandler(held)


def hand(*records):
    """Hand records over, as a run does whose worker has them."""
    for record in records:
        Beside().handle(record)


def halfway(solve=1):
    """A pass that is half over."""
    hand(run.started(40, solve), run.progress(50, solve, progress=0.5, step=20))


names = dict(globals())
with open(sys.argv[1]) as told:  # noqa: PTH123 - a pipe
    for line in told:
        exec(compile(line, "told", "exec"), names)
