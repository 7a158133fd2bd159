"""Solves while the disk of its log fails in every way, and says what came of it: the answers, and what was not written.

The last disk hangs for ever.
"""

import errno
import json
import mmap
import os
import resource
import shutil
import signal
import struct
import sys
import time
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from pathlib import Path

import diffrax as dfx
import jax
import jax.numpy as jnp
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor

import soltrace
from soltrace.host.process import PROCESS
from soltrace.sinks.log_records import OtelLogs

DIRECTORY, DISK = Path(sys.argv[1]), Path(sys.argv[2])
with Path(os.environ["FAULTS"]).open("r+b") as file:
    CONTROL = mmap.mmap(file.fileno(), 16)
EXPORTED, PROVIDER = InMemoryLogRecordExporter(), LoggerProvider()
PROVIDER.add_log_record_processor(SimpleLogRecordProcessor(EXPORTED))
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)  # as it is where somebody embeds Python


@jax.jit
def solution(rate):
    """Solve."""
    term = dfx.ODETerm(lambda t, y, args: -rate * y)
    return soltrace.diffeqsolve(term, dfx.Tsit5(), 0.0, 1.0, 0.125, jnp.ones(2)).ys[0, 0]


def solve():
    """Solve some, and wait until the records of that have been handed over."""
    answers = [solution(rate / 8).item().hex() for rate in range(40)]
    assert PROCESS.recorder.await_programs(30.0)
    assert PROCESS.recorder.drain(30.0)
    (logs,) = [sink for sink in PROCESS.recorder._sinks if isinstance(sink, OtelLogs)]
    assert logs.flush(30.0)
    return answers


def fault(error=0, first=0, hangs=0):
    """Have writes fail from now on."""
    CONTROL[:12] = struct.pack("iii", error, first, hangs)


@contextmanager
def injected(error, first):
    """A disk that says this."""
    fault(error, first)
    yield
    fault()


@contextmanager
def full():
    """A disk that is full."""
    with (DISK / "ballast").open("wb", buffering=0) as ballast:
        with suppress(OSError):
            while ballast.write(bytes(1 << 12)):
                pass
        yield
    (DISK / "ballast").unlink()


@contextmanager
def limited():
    """No file may be longer."""
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    (log,) = DISK.glob("*.jsonl")
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size + 700, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


@contextmanager
def hanging(error=0):
    """A disk that says nothing for a while: what goes elsewhere does not wait for it."""
    fault(hangs=1)
    before, began = len(EXPORTED.get_finished_logs()), time.monotonic()
    yield
    assert struct.unpack_from("i", CONTROL, 12) == (1,)
    assert len(EXPORTED.get_finished_logs()) >= before + 80, "log records wait for a disk"
    assert time.monotonic() - began < 5.0, "it was waited for"
    fault(error)
    assert PROCESS.recorder.flush(30.0) is (error == 0)
    fault()


@contextmanager
def removed():
    """A directory that is taken away with its log."""
    shutil.move(next(DISK.glob("*.jsonl")), DIRECTORY / "before-it-was-removed.jsonl")
    yield


@contextmanager
def emptied():
    """A log that is copied and made empty, as logrotate does it."""
    log = next(DISK.glob("*.jsonl"))
    shutil.copy(log, DIRECTORY / "before-it-was-emptied.jsonl")
    os.truncate(log, 0)
    yield


def told():
    """How many records there were, but for those that tell of losses."""
    return sum(each.log_record.event_name != "telemetry.dropped" for each in EXPORTED.get_finished_logs())


FAULTS = {
    "none": nullcontext,
    "full": full,
    "limited": limited,
    "quota": partial(injected, errno.EDQUOT, 17),
    "broken": partial(injected, errno.EIO, 0),
    "read-only": partial(injected, errno.EROFS, 0),
    "hanging": hanging,
    "hanging, then broken": partial(hanging, errno.EIO),
    "removed": removed,
    "emptied": emptied,
}
soltrace.configure(directory=DISK, logger_provider=PROVIDER, spans=False, metrics=False, exit_timeout_s=2.0)
answers = {}
for name, broken in FAULTS.items():
    with broken():
        answers[name] = solve()
    soltrace.flush()
    time.sleep(0.15)  # so long a disk is not tried that has refused a line
    answers[f"after {name}"] = solve()
before = told()
fault(hangs=1)
answers["for ever"] = solve()
print(json.dumps({"answers": answers, "told": before, "told at last": told() - before, "ends": time.time()}))
