"""Greenlets are told apart as tasks are: several of them share a thread, and jax knows that thread alone."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest
from greenlet import getcurrent, greenlet

import soltrace
from soltrace.callers import CALLERS
from soltrace.testing import capture

pytestmark = pytest.mark.slow


def solve(own):
    """Two steps, told apart by an attribute of their own."""
    term = dfx.ODETerm(lambda t, y, args: -y)
    return soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 0.5, own, max_steps=4, attributes={"own": own}).ys[0]


@pytest.mark.parametrize("how", ["compiled", "eager"])
def test_greenlets_that_take_turns_are_told_apart(how):
    """Each is in an experiment of its own, inside that of the one that the thread begins with, which solves too."""
    traces, first = [], getcurrent()

    @jax.jit
    def compiled(own):
        traces.append(own)
        return solve(own)

    def call(own):
        (compiled if how == "compiled" else solve)(jnp.float32(own)).block_until_ready()

    def work(own):
        with soltrace.experiment("inner", caller=own):
            for _ in range(2):
                first.switch()
                call(own)

    with capture() as told:
        with soltrace.experiment("outer", caller=0):
            turns = [greenlet(work) for _ in range(3)]
            for own, turn in enumerate(turns, 1):
                turn.switch(own)
            for turn in (*turns, *reversed(turns)):
                turn.switch()
                call(0)
        call(0)
        ended = [event for event in told.events() if event["event"] == "pass.ended"]
    owns = [0.0, *(own for own in (1, 2, 3, 3, 2, 1) for own in (own, 0))]
    assert sorted(
        (e["experiment"], e["attributes"]["own"], e["attributes"].get("caller")) for e in ended[:-1]
    ) == sorted(("outer" if own == 0 else "outer/inner", own, own) for own in owns[1:])
    assert (ended[-1]["experiment"], ended[-1]["attributes"]) == (None, {"own": 0.0})
    assert len(traces) == (how == "compiled")
    assert CALLERS.nobody


def test_a_greenlet_that_is_never_gone_on_with_is_around_nothing():
    """It has entered an experiment, and what another one of its thread calls is not inside that."""

    def work():
        with soltrace.experiment("left alone"):
            getcurrent().parent.switch()

    def other():
        with soltrace.experiment("other"):
            solve(jnp.float32(1.0)).block_until_ready()

    with capture() as told:
        alone = greenlet(work)
        alone.switch()
        greenlet(other).switch()
        solve(jnp.float32(2.0)).block_until_ready()
        alone.switch()
        ended = [event for event in told.events() if event["event"] == "pass.ended"]
    assert [(event["experiment"], event["attributes"]["own"]) for event in ended] == [("other", 1.0), (None, 2.0)]
