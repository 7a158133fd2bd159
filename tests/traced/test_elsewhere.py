"""Solves in other processes: what cloudpickle sends there, as joblib and dask do, and what goes on as they end."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cloudpickle
import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import soltrace
from soltrace.testing import capture

pytestmark = pytest.mark.slow

WORKER = """
import json, pickle, sys
import jax, numpy as np
import soltrace
from soltrace.testing import capture

sent, y = pickle.load(sys.stdin.buffer)
told = []
with capture() as c:
    for solve in sent:
        with soltrace.experiment("worker's own") as own:
            own.token
            value = np.asarray(jax.block_until_ready(solve(y))).tobytes().hex()
        begun = [event for event in c.events() if event["event"] == "pass.started"][-1]
        told.append((value, begun["experiment"], begun["attributes"]))
    lost = [(loss.what, loss.dropped) for loss in c.recorder.losses.total()]
print(json.dumps([told, lost]))
"""


def test_numbers_of_one_process_mean_nothing_in_another() -> None:
    """Attributes are sent along; an experiment isn't, and the passes are those of whoever calls there."""
    y = np.ones(2, np.float32)
    term, solver = dfx.ODETerm(lambda t, y, args: -y * y), dfx.Heun()

    def through(adjoint: Any) -> Any:
        return lambda y: dfx.diffeqsolve(term, solver, 0.0, 1.0, 0.25, jnp.asarray(y), adjoint=adjoint).ys

    with capture(), soltrace.experiment("of this process", seed=1) as fit:
        named = soltrace.TracedAdjoint(context=fit.token, attributes={"own": 1})
        compiled = jax.jit(through(soltrace.TracedAdjoint(attributes={"own": 2})))
        expected = np.asarray(compiled(y)).tobytes().hex()
        assert np.asarray(through(named)(y)).tobytes().hex() == expected
        cloudpickle.register_pickle_by_value(sys.modules[__name__])
        try:
            sent = cloudpickle.dumps(([through(named), compiled, jax.jit(through(named))], y))
        finally:
            cloudpickle.unregister_pickle_by_value(sys.modules[__name__])
    environ = {name: value for name, value in os.environ.items() if not name.startswith("SOLTRACE_")}
    done = subprocess.run(
        [sys.executable, "-c", WORKER], input=sent, capture_output=True, timeout=120, check=False, env=environ
    )
    assert done.returncode == 0, done.stderr.decode()
    told, lost = json.loads(done.stdout)
    assert told == [[expected, "worker's own", {"own": own}] for own in (1, 2, 1)]
    assert lost == [["experiment of a solve", 2]]


ON_A_DAEMON = """
import threading
import diffrax as dfx, jax, jax.numpy as jnp
import soltrace
from soltrace.host.process import PROCESS

@jax.jit
def forever(y):
    term = dfx.ODETerm(lambda t, y, args: jnp.sin(y))
    return soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 100.0, 1e-7, y, max_steps=None).ys

threading.Thread(target=forever, args=(1.0,), daemon=True).start()
while not PROCESS.shared.passes.open:
    pass
"""


@pytest.mark.once
def test_a_process_may_end_while_a_daemon_thread_solves(tmp_path: Path) -> None:
    """It ends as without us: no call comes while the interpreter is taken down, which would be SIGABRT."""
    done = subprocess.run(
        [sys.executable, "-c", ON_A_DAEMON], cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    (log,) = tmp_path.glob("soltrace-runs/*.jsonl")
    ended = [line for line in map(json.loads, log.read_text().splitlines()) if line["event"] == "pass.ended"]
    assert [line["result"] for line in ended] == ["abandoned"]
