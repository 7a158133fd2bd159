"""Two solves in one program, and its gradient: prints whether jax took it from its cache, its values and what was told.

Called with the name of this run, and with how many other solves go before. SOLTRACE_TEST_FILES_AT_MOST: bytes that a
file may have.
"""

import contextlib
import json
import os
import resource
import sys

import diffrax as dfx
import jax
import jax.numpy as jnp
import numpy as np

import soltrace
from soltrace.testing import capture

_, name, before = sys.argv
if at_most := os.environ.pop("SOLTRACE_TEST_FILES_AT_MOST", None):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(at_most), int(at_most)))
disabled = "SOLTRACE_DISABLED" in os.environ


def solve(y, steps):
    term = dfx.ODETerm(lambda t, y, args: -y)
    attributes = {"run": name, "steps": steps}
    return soltrace.diffeqsolve(term, dfx.Euler(), 0.0, 1.0, 1 / steps, y, attributes=attributes).ys.sum()


def fit(y):
    return solve(y, 4) + jnp.sin(solve(2 * y, 8))


hits = []
jax.monitoring.register_event_listener(
    lambda event, **_: hits.append(event) if event == "/jax/compilation_cache/cache_hits" else None
)
y = jnp.ones(3)
with contextlib.nullcontext() if disabled else capture(every=2, fraction=0.5) as told:
    for _ in range(int(before)):
        jax.block_until_ready(solve(jnp.ones(5), 3))
    others = 0 if disabled else len(told.records)
    hits.clear()
    program = jax.jit(jax.value_and_grad(fit)).lower(y).compile()
    hit = len(hits)
    values = jax.block_until_ready(program(y))
    events = [] if disabled else told.events()[others:]
print(json.dumps({"hits": hit, "values": [np.asarray(x).tobytes().hex() for x in values], "events": events}))
