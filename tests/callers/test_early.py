"""What is met when it is imported, in fresh interpreters."""

import subprocess
import sys

import pytest

PROGRAM = """
import {first}
import {second}
import diffrax
import jax
import jax.numpy as jnp
traces = 0

@jax.jit
def f(y):
    global traces
    traces += 1
    term = diffrax.ODETerm(lambda t, y, args: -y)
    return soltrace.diffeqsolve(term, diffrax.Euler(), 0.0, 1.0, 0.5, y).ys

f(jnp.ones(2)), f(jnp.ones(2))
from opentelemetry import context
from soltrace.callers.jit_key import KEY
print(traces, KEY._user_context is not None, type(context._RUNTIME_CONTEXT).__name__)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("first", "second", "disabled", "expected"),
    [
        ("soltrace", "jax", "", "1 True PublishingContext"),
        ("jax", "soltrace", "", "1 True PublishingContext"),
        ("soltrace", "importlib.util; importlib.util.find_spec('jax')", "", "1 True PublishingContext"),
        ("opentelemetry.trace", "soltrace", "", "1 True PublishingContext"),
        ("jax", "soltrace", "true", "1 False ContextVarsRuntimeContext"),
    ],
)
def test_a_program_is_compiled_once_in_whatever_order_things_are_imported(
    tmp_path, monkeypatch, first, second, disabled, expected
):
    """Also where soltrace's traced side is first needed while it is traced. Disabled, nothing is touched."""
    monkeypatch.setenv("SOLTRACE_DISABLED", disabled)
    monkeypatch.setenv("SOLTRACE_DIR", str(tmp_path))
    program = PROGRAM.format(first=first, second=second)
    done = subprocess.run([sys.executable, "-W", "error", "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == expected
