"""Try an installed soltrace: a solve and its gradient, the log that they leave, the commands. Run it elsewhere."""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import diffrax as dfx
import jax
import jax.numpy as jnp

import soltrace


def loss(y: jax.Array) -> jax.Array:
    """Solve, and sum what comes out."""
    term = dfx.ODETerm(lambda t, y, args: -y)
    return soltrace.diffeqsolve(term, dfx.Tsit5(), 0.0, 1.0, 0.1, y).ys.sum()


def command(*arguments: str) -> str:
    """Run `soltrace` and return what it says."""
    program = Path(sys.executable).with_name("soltrace")
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout


version = importlib.metadata.version("soltrace")
assert version == soltrace.__version__
assert version in command("--version")

with tempfile.TemporaryDirectory() as directory:
    soltrace.configure(directory=directory)
    with soltrace.experiment("smoke", seed=3):
        jax.block_until_ready(jax.jit(jax.grad(loss))(jnp.ones(2)))
    soltrace.shutdown()
    (log,) = Path(directory).glob("*.jsonl")
    events = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
    ended = [(event["phase"], event["status"]) for event in events if event["event"] == "pass.ended"]
    assert ended == [("forward", "ok"), ("backward", "ok")], ended
    assert "smoke" in command("tail", "--no-follow", directory)

print(f"soltrace {version} works: jax {jax.__version__}, Python {sys.version.split()[0]}")
