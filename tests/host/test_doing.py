import json
import os
import signal
import socket
import subprocess
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
        ("/x/jax/_src/callback.py", "elsewhere"),
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


RANK = """
import sys, time
import jax
rank = int(sys.argv[1])
jax.distributed.initialize(f"127.0.0.1:{sys.argv[2]}", 2, rank)
import diffrax, jax.numpy as jnp, numpy as np, soltrace
from jax.sharding import Mesh, NamedSharding, PartitionSpec as P

soltrace.configure(directory=f"rank{rank}", heartbeat_s=0.2)
mesh, late = Mesh(np.array(jax.devices()), "x"), set()
y0 = jax.make_array_from_process_local_data(NamedSharding(mesh, P("x")), np.ones(1, np.float32), (2,))

def own_part(t, who):
    t, who = float(np.asarray(t)), int(np.asarray(who))
    if t > 0.5 and rank == who and who not in late:
        late.add(rank)
        time.sleep(1.5 if rank == 0 else 60.0)
    time.sleep(0.01)
    return np.ones(1, np.float32)

def field(t, y, who):
    part = lambda t, who: jax.pure_callback(own_part, jax.ShapeDtypeStruct((1,), np.float32), t, who)
    parts = jax.shard_map(part, mesh=mesh, in_specs=P(), out_specs=P("x"), check_vma=False)(t, who)
    return -y * jnp.sum(parts)  # a collective: each waits for the part of the other

@jax.jit
def solve(y, who):
    return soltrace.diffeqsolve(diffrax.ODETerm(field), diffrax.Euler(), 0.0, 1.0, 0.05, y, who).ys

for who in (0, 1):
    solve(y0, who).block_until_ready()
"""


@pytest.mark.slow
@pytest.mark.once
def test_who_waits_for_whom_in_a_collective(tmp_path):
    """A process says so if it is itself who is late; of one that waits, which of the two it is can't be known."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = str(probe.getsockname()[1])
    environ = os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""}
    command = [sys.executable, "-c", RANK]
    ranks = [
        subprocess.Popen([*command, str(rank), port], cwd=tmp_path, env=environ, stderr=subprocess.DEVNULL)
        for rank in (0, 1)
    ]

    def stuck():
        lines = [json.loads(line) for log in tmp_path.glob("rank0/*") for line in log.read_bytes().splitlines()[:-1]]
        beats = [line for line in lines if line["event"] == "pass.heartbeat" and line["stalled"]]
        return list(dict.fromkeys((line["pass_id"].rpartition(".")[0][-2:], line["doing"]) for line in beats))

    try:
        deadline = time.monotonic() + 30.0
        while len(found := stuck()) < 2 and time.monotonic() < deadline:
            assert [rank.poll() for rank in ranks] == [None, None]
            time.sleep(0.1)
    finally:
        for rank in ranks:
            rank.send_signal(signal.SIGKILL)
            rank.wait()
    assert [where for _, where in found] == ["step", "step or other processes"], found
