"""What a signal handler raises while a program runs: bare, it is raised when the program is over."""

import _thread
import gc
import inspect
import operator
import os
import signal
import subprocess
import sys

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest

import soltrace
from soltrace.host.process import PROCESS
from soltrace.testing import capture
from soltrace.traced.shield import Shield
from tests.traced import interrupting
from tests.traced.interrupting import while_it_computes

DEFAULT = (-1,)


class TooLateError(Exception):
    """What a timeout raises: an `Exception`, as our own failures are."""


@pytest.fixture(autouse=True)
def _handlers_are_the_tests_own():
    """Python's own handler of SIGINT, whatever pytest has; and SIGALRM raises."""

    def too_late(*_):
        raise TooLateError("after 1 s")

    before = [(number, signal.getsignal(number)) for number in (signal.SIGINT, signal.SIGALRM)]
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGALRM, too_late)
    yield
    for number, handler in before:
        signal.signal(number, handler)


def in_c(*calls):
    """Call one after the other without any Python in between: as XLA does."""
    return list(map(operator.call, calls))


class Callback:
    """Two parts of a callback, of which one may be interrupted."""

    def __init__(self, **raising):
        self.raising, self.calls = raising, []

    def shield(self):
        return Shield(self.pack, self.receive, DEFAULT)

    def pack(self):
        return self._part("pack", ())

    def receive(self):
        return self._part("receive", (5,))

    def _part(self, name, answer):
        self.calls.append(name)
        if (raising := self.raising.pop(name, None)) is not None:
            raising()
        return answer


def test_what_is_pending_interrupts_nothing_and_is_raised_afterwards():
    """However many callbacks come before the program is over."""
    callback = Callback()
    shield = callback.shield()
    with pytest.raises(KeyboardInterrupt):
        in_c(_thread.interrupt_main, shield, shield)
    assert callback.calls == ["pack", "receive"] * 2
    assert in_c(shield) == [(5,)]  # and it was raised once


def test_what_is_raised_is_the_handlers_own():
    """The same object, with its message."""
    interrupted = Callback(receive=lambda: signal.raise_signal(signal.SIGALRM))
    with pytest.raises(TooLateError, match="after 1 s"):
        in_c(interrupted.shield())
    assert interrupted.calls == ["pack", "receive"]


def test_the_part_that_may_be_called_again_is():
    """Nothing is lost then."""
    interrupted = Callback(pack=lambda: signal.raise_signal(signal.SIGALRM))
    with pytest.raises(TooLateError):
        in_c(interrupted.shield())
    assert interrupted.calls == ["pack", "pack", "receive"]


def test_a_later_signal_takes_the_place_of_an_earlier_one():
    """As it does where both come in the midst of a program without callbacks."""
    shield = Callback(receive=lambda: signal.raise_signal(signal.SIGALRM)).shield()
    with pytest.raises(TooLateError):
        in_c(_thread.interrupt_main, shield, Callback().shield())


def test_what_comes_while_garbage_is_collected_is_not_lost(monkeypatch):
    """jax has Python called then, from which nothing can be raised; in a callback of ours it waits for the end."""
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    others = [lambda _phase, _info: None for _ in range(2)]  # hypothesis adds one, whenever it is imported
    gc.callbacks.insert(0, others[0])
    gc.callbacks.append(others[1])
    gc.collect()
    with pytest.raises(KeyboardInterrupt):
        in_c(_thread.interrupt_main, gc.collect)
    callback = Callback(receive=lambda: in_c(_thread.interrupt_main, gc.collect))
    shield = callback.shield()
    with pytest.raises(KeyboardInterrupt):
        in_c(shield, gc.collect, shield)
    assert callback.calls == ["pack", "receive"] * 2
    assert in_c(shield, gc.collect)[0] == (5,)  # and it was raised once
    for other in others:
        gc.callbacks.remove(other)
    assert lost == []


@pytest.mark.parametrize("part", ["pack", "receive"])
def test_a_failure_of_our_own_is_counted_and_not_raised(part):
    """No handler has raised it."""
    broken = lambda: operator.truediv(1, 0)
    failing = Callback(**{part: broken})
    if part == "pack":
        failing._part = lambda *_: broken()
    assert in_c(failing.shield()) == [DEFAULT]
    assert PROCESS.failures == 1


def solve(k):
    """A few tenths of a second."""
    term = dfx.ODETerm(lambda t, y, k: -k * y)
    return soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 5e-7, 1.0, k, max_steps=None).ys[0]


@pytest.mark.slow
@pytest.mark.parametrize("number,error", [(signal.SIGALRM, TooLateError), (signal.SIGINT, KeyboardInterrupt)])
def test_a_compiled_solve_is_over_before_it_is_raised(number, error):
    """Not a `JaxRuntimeError`, and its pass ends as it would have. The next solve knows nothing of it."""
    compiled = jax.jit(solve).lower(1.0).compile()
    with capture(every=10**5) as told:
        while_it_computes(number)
        with pytest.raises(error):
            jax.block_until_ready(compiled(1.0))
        assert jnp.isfinite(compiled(1.0))
    ended = [event for event in told.events() if event["event"] == "pass.ended"]
    assert [(event["status"], event["progress"]) for event in ended] == [("ok", 1.0)] * 2


PROGRAM = f"""
import signal
import diffrax as dfx
import jax
import soltrace
{inspect.getsource(interrupting)}
term = dfx.ODETerm(lambda t, y, k: -k * y)
def solve(k):
    return soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 5e-7, 1.0, k, max_steps=None).ys[0]
compiled = jax.jit(solve).lower(1.0).compile()
while_it_computes(signal.SIGINT)
with soltrace.experiment("fit"):
    jax.block_until_ready(compiled(1.0))
"""


@pytest.mark.slow
@pytest.mark.programs
def test_a_program_that_does_not_expect_it_ends_by_sigint(tmp_path):
    """Shells and schedulers look at that; the log says what became of the experiment."""
    environ = os.environ | {"SOLTRACE_DIR": str(tmp_path), "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", PROGRAM],
        env=environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == -signal.SIGINT
    assert done.stderr.rstrip().endswith("KeyboardInterrupt")
    (log,) = tmp_path.glob("*.jsonl")
    *_, passed, ended = log.read_text().splitlines()
    assert '"event":"pass.ended"' in passed
    assert '"status":"ok"' in passed
    assert '"event":"experiment.ended"' in ended
    assert '"error":"KeyboardInterrupt: "' in ended
