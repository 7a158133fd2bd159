import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from soltrace import experiment
from soltrace.host.doing import doing
from soltrace.testing import capture


def standing_in(file):
    """A thread that stands in a file of that name until it is told to go on."""
    reached, over = threading.Event(), threading.Event()
    names = {"reached": reached, "over": over}
    exec(compile("def stand():\n    reached.set()\n    over.wait(30.0)", file, "exec"), names)
    thread = threading.Thread(target=names["stand"], daemon=True)
    thread.start()
    assert reached.wait(30.0)
    return over, thread


@pytest.mark.parametrize(
    "file,expected",
    [
        ("/x/jax/_src/compiler.py", "compiling"),
        ("/x/jax/_src/interpreters/partial_eval.py", "tracing"),
        ("/x/mine/compiler.py", "elsewhere"),
    ],
)
def test_what_the_process_is_doing(file, expected):
    """Whichever thread it is that does it."""
    over, thread = standing_in(file)
    try:
        assert doing() == expected
    finally:
        over.set()
        thread.join()


def test_an_experiment_between_its_passes_is_heard_of(program):
    """More rarely than a pass; of what has no experiment, nothing is said."""
    with capture(heartbeat_s=0.02) as told:
        program.solve()
        beats = lambda: [event for event in told.events() if event["event"] == "run.heartbeat"]
        with experiment("fit"):
            deadline = time.monotonic() + 30.0
            while len(beats()) < 2:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            beat = beats()[-1]
            program.start()
    assert (beat["experiment"], beat["doing"], beat["silent_s"] >= 0.2) == ("fit", "elsewhere", True)


@pytest.mark.slow
def test_jax_compiles_where_it_is_looked_for():
    """The files of jax's in which a thread stands meanwhile may move."""
    import jax
    import jax.numpy as jnp

    def large(x):
        for _ in range(300):
            x = jnp.sin(x @ x) + jnp.linalg.inv(x)
        return x

    seen = set()
    with ThreadPoolExecutor(1) as pool:
        lowered = pool.submit(lambda: jax.jit(large).lower(jnp.ones((8, 8))).compile())
        own = threading.get_ident()
        while not lowered.done():
            frames = [frame for thread, frame in sys._current_frames().items() if thread != own]
            seen.add(doing(frames))
    assert {"tracing", "compiling"} <= seen
