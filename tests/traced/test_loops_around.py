"""A loop of the program's own around what calls the host: how XLA rounds it, without soltrace and with it."""

import os
import subprocess
import sys

import pytest

from tests.traced.sweep.sweep import SMALL_LOOPS_AS_ANY

pytestmark = [pytest.mark.once, pytest.mark.slow]

WITHOUT_SOLTRACE = """
import jax, jax.numpy as jnp, numpy as np

def program(calls):
    def body(x, factor):
        if calls:
            jax.debug.callback(lambda: None)
        return jax.lax.optimization_barrier(x * factor) + 0.1, None

    return jax.jit(lambda x: jax.lax.scan(body, x, jnp.array([0.3, 0.7]))[0])

silent, calling = program(False), program(True)
xs = np.linspace(0, 1, 100, dtype=np.float32)
print(any(silent(x) != calling(x) for x in xs))
"""
WITH_SOLTRACE = """
from tests.traced.sweep.combine import draw
from tests.traced.sweep.judge import problems

found, _ = problems(draw(478939681))
print(found != [])
"""


@pytest.mark.parametrize("program", [WITHOUT_SOLTRACE, WITH_SOLTRACE], ids=["without soltrace", "with soltrace"])
@pytest.mark.parametrize(("flags", "differs"), [("", "True"), (SMALL_LOOPS_AS_ANY, "False")], ids=["default", "as any"])
def test_a_call_in_a_loop_makes_xla_round_it_otherwise(program, flags, differs):
    """From jax 0.11 on, on a CPU, in 32 bits; with an option of XLA's both programs have the same numbers."""
    environ = os.environ | {"XLA_FLAGS": flags}
    ran = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=False)
    assert (ran.stdout.splitlines()[-1:], ran.returncode) == ([differs], 0), ran.stderr
