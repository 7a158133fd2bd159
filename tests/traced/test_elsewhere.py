"""Adjoints, terms and compiled functions that are sent to another process, by cloudpickle as joblib and dask do."""

import json
import os
import subprocess
import sys
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
