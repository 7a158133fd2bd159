"""What a program has bound to structlog's context is on our lines, as it is on the program's own."""

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest
import structlog

import soltrace
from soltrace.setup.configure import shutdown
from soltrace.testing import capture
from soltrace.wire.context_variables import context_variables


def solve(y):
    """Solve, as a program would."""
    return soltrace.diffeqsolve(dfx.ODETerm(lambda t, y, args: -y), dfx.Euler(), 0.0, 1.0, 0.5, y).ys[0]


class Stubborn:
    def __repr__(self):
        raise RuntimeError


class Shy:
    def __repr__(self):
        return "Shy()"


def test_any_value_has_a_plain_form_or_is_left_out():
    """Tables get dots in their names, other objects their text; what is unbound is not there."""
    with structlog.contextvars.bound_contextvars(
        request="r-1", user={"id": 3}, shy=Shy(), stubborn=Stubborn(), nan=float("nan"), long="x" * 10**6, gone=1
    ):
        structlog.contextvars.unbind_contextvars("gone")
        found = dict(context_variables())
    assert len(found.pop("long")) < 10**5
    assert found == {"request": "r-1", "user.id": 3, "shy": "Shy()", "nan": "NaN"}
    assert context_variables() == {}


@pytest.mark.slow
def test_the_callers_context_is_on_the_lines():
    """An eager solve's is what is bound then; a compiled one's is its experiment's. Our own keys stay."""
    compiled = jax.jit(solve)
    compiled(jnp.array(1.0))
    with capture() as c, structlog.contextvars.bound_contextvars(request="r-1", phase="mine", self=1, context="c"):
        with soltrace.experiment("fit"):
            structlog.contextvars.bind_contextvars(request="r-2")
            jax.block_until_ready(solve(jnp.array(1.0)))
            jax.block_until_ready(compiled(jnp.array(1.0)))
        events = c.events()
        lines = [record.line for record in c.records]
        flat = c.records[-1].flat
    assert len(events) == len(lines)
    told = [(line["event"], line["request"]) for line in lines if line["event"].endswith(("started", "ended"))]
    assert told == [
        ("experiment.started", "r-1"),
        ("pass.started", "r-2"),
        ("pass.ended", "r-2"),
        ("pass.started", "r-1"),
        ("pass.ended", "r-1"),
        ("experiment.ended", "r-1"),
    ]
    assert {line["phase"] for line in lines if line["event"] == "pass.ended"} == {"forward"}
    own = {"context.phase": "mine", "context.self": 1, "context.context": "c"}
    assert [own | dict(line) for line in lines] == lines
    assert {name: flat[name] for name in ("context.request", *own)} == {"context.request": "r-1", **own}


def test_they_reach_the_file_and_a_logger_of_the_programs(tmp_path):
    """As keys of the line, whoever renders it."""
    given = []
    logger = structlog.wrap_logger(None, processors=[lambda _, __, event: given.append(event) or ""])
    for target in ({"directory": tmp_path}, {"logger": logger}):
        soltrace.configure(**target)
        with structlog.contextvars.bound_contextvars(request="r-1", event="e"), soltrace.experiment("fit"):
            pass
        shutdown()
    (log,) = tmp_path.iterdir()
    assert log.read_text().count('"context.event":"e","request":"r-1"}') == 2
    assert [(event["event"], event.get("request"), event.get("context.event")) for event in given] == [
        ("log.opened", None, None),
        ("experiment.started", "r-1", "e"),
        ("experiment.ended", "r-1", "e"),
    ]
