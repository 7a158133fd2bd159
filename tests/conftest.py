"""What every test shares."""

import itertools
import json
import math
import os
import re
import signal
import sys
import threading
from typing import Final

import jsonschema_rs
import numpy as np
import pytest

from soltrace import host
from soltrace.callers import CALLERS
from soltrace.callers.jit_key import KEY
from soltrace.host import Signal, SolveInfo
from soltrace.host.process import PROCESS
from soltrace.setup import configure as setup
from soltrace.sinks import json_log
from soltrace.sinks.json_log import render
from soltrace.wire.losses import OUTSIDE
from soltrace.wire.schema import schema

# Four devices that are one CPU, for what runs on several. Before jax is imported: it reads this once.
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4".strip()


def pytest_testnodedown(node, error):
    """Say how a process of the tests died: xdist does not."""
    if error is not None:
        status = node.gateway._io.popen.wait(timeout=10.0)
        how = signal.Signals(-status).name if status < 0 else f"status {status}"
        sys.stderr.write(f"\n{node.gateway.id} ended by {how}\n")


SHARING: Final = itertools.count(1)
SHARED_BY: Final = 20


@pytest.fixture(autouse=True)
def _compiled_programs_are_forgotten(request):
    """Without this, jaxlib 0.10.2 crashes while it compiles, after some hundred large programs in one process.

    What is marked `shares` begins with what the tests before it have left, twenty of them at most. That saves jax the
    single operations, outside of any program: of what does little but compile, up to a quarter of the time.
    """
    jax = sys.modules.get("jax")
    shares = request.node.get_closest_marker("shares") is not None
    if jax is not None and (not shares or next(SHARING) % SHARED_BY == 0):
        jax.clear_caches()
    yield
    if jax is not None and not shares:
        jax.clear_caches()


@pytest.fixture(autouse=True)
def _nothing_is_configured(monkeypatch):
    """Each test begins in a process that has recorded nothing, and leaves none of its threads behind."""
    ours = ("SOLTRACE_", "OTEL_", "TRACEPARENT", "TRACESTATE", "BAGGAGE")
    for name in [name for name in os.environ if name.startswith(ours) and name != "SOLTRACE_SERVERS_DIR"]:
        monkeypatch.delenv(name)
    yield
    setup.shutdown()
    PROCESS.plan, PROCESS.failures = UNCONFIGURED, 0
    CALLERS.apart = None
    PROCESS.shared.contexts.__init__()
    PROCESS.shared.passes.__init__()
    OUTSIDE.__init__()


UNCONFIGURED: Final = PROCESS.plan
"""How runs are opened in a process that has not called `configure`."""


RUN: Final = re.compile(r"\d{8}T\d{6}Z-.*\.jsonl")
"""The name of a log that a run has written, as opposed to what a test has made up."""
SCHEMA: Final = jsonschema_rs.validator_for(schema())


@pytest.fixture(autouse=True)
def _every_line_satisfies_the_schema(request, monkeypatch):
    """Whatever a test has a run write, in this process or in another."""
    lines = []
    monkeypatch.setattr(json_log, "render", lambda *args: lines.append(render(*args)) or lines[-1])
    directory = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    logs = [] if directory is None else [path for path in directory.rglob("*.jsonl") if RUN.fullmatch(path.name)]
    for path in logs:
        lines += [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    for line in lines:
        SCHEMA.validate(json.loads(line))


class Program:
    """Tells the host what a compiled program would, without jax."""

    def __init__(self, dtype=np.float32, **info):
        self.dtype = dtype
        self.info = SolveInfo(
            **{
                "solver": "Tsit5",
                "adjoint": "RecursiveCheckpointAdjoint",
                "controller": "PIDController",
                "max_steps": 4096,
                "results": ("successful", "max_steps_reached", "event_occurred"),
                "recomputed": lambda steps: 2 * steps,
            }
            | info
        )

    def tell(self, signal, ints, floats=(), extras=()):
        """One signal; lists of lists are lanes. Returns the answer as plain numbers."""
        ints = np.array(ints, np.int32)
        floats = np.array(floats, self.dtype)
        if not floats.size:
            floats = np.zeros((*ints.shape[:-1], 0), self.dtype)
        return host.receive(signal, self.info, ints, floats, [np.asarray(extra) for extra in extras]).tolist()

    def start(self, t0=0.0, t1=1.0, direction=1, rtol=1e-5, atol=math.nan, token=0, place=None, caller=None):
        """Start one solve; returns the handle. Its program is found with the calling thread's number."""
        self.registered = None if place is None else host.RegisteredSolve({}, place)
        registered = 0 if place is None else self.registered.token
        caller = KEY.number if caller is None else caller
        ints = [0, 1, token, registered, caller]
        return self.tell(Signal.FORWARD_START, ints, [t0, t1, direction, rtol, atol])[0]

    def step(self, handle, step, accepted, t, result=0):
        return self.tell(Signal.FORWARD_STEP, [handle, step, accepted, result], [t])

    def end(self, handle, step=3, accepted=2, t=1.0, result=0):
        return self.tell(Signal.FORWARD_END, [handle, step, accepted, result], [t])

    def solve(self, **start):
        """A whole forward pass of three steps, one of them rejected; returns the handle."""
        handle = self.start(**start)
        self.step(handle, 1, 1, 0.5)
        self.end(handle)
        return handle

    def backward_start(self, forward):
        """Start a backward pass; returns the pair that answers."""
        return self.tell(Signal.BACKWARD_START, [forward, 0], [0.0, 0.0])

    def backward_step(self, index, elapsed, wanted, handle):
        return self.tell(Signal.BACKWARD_STEP, [index], [elapsed, wanted, handle])

    def backward_end(self, forward, handle):
        return self.tell(Signal.BACKWARD_END, [forward], [handle])


@pytest.fixture
def program():
    """A program without jax; call it for one that differs."""
    return Program()


@pytest.fixture
def make_program():
    """To make programs that differ."""
    return Program


@pytest.fixture
def elsewhere():
    """To have something done in the call of a program that goes on, on a thread of its own, until the test is over."""
    over, threads = threading.Lock(), []
    over.acquire()

    def run(tell, *args):
        told, answer = threading.Event(), []

        def call():
            answer.append(tell(*args))
            told.set()
            with over:  # not an event: who waits for one is seen to be in no call
                pass

        threads.append(threading.Thread(target=call, daemon=True))
        threads[-1].start()
        assert told.wait(30.0)
        return answer[0]

    yield run
    over.release()
    for thread in threads:
        thread.join()
