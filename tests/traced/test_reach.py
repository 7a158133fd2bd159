"""Programs that can't call this process: exported, lowered for elsewhere, or written to a file."""

import pickle
import re
from collections.abc import Callable
from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest
from jax import export
from jax.experimental import serialize_executable

import soltrace
from soltrace.testing import capture
from soltrace.wire import warn
from tests.traced.cases import YS, Y, run
from tests.traced.stories import bits, story

pytestmark = pytest.mark.slow

Program = Callable[[Any], Callable[[Any], Any]]
SOLVE: Program = lambda solve: lambda y: run(solve, y, throw=False).ys
GRADIENTS: Program = lambda solve: jax.vmap(jax.grad(lambda y: run(solve, y, throw=False).ys.sum()))


@pytest.fixture(autouse=True)
def _nothing_was_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warn, "SAID", set())


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[[], list[str]]:
    """The warnings; in tests they are errors, and go to stderr."""
    return lambda: re.findall("soltrace: (a program .*)", capsys.readouterr().err)


def test_an_exported_program_reports_nothing(said: Callable[[], list[str]]) -> None:
    """It may run anywhere: it is diffrax's to the bit, and calls nobody."""
    exported = lambda solve, **platforms: export.export(jax.jit(GRADIENTS(solve)), **platforms)(YS)
    with capture() as told:
        assert "callback" not in exported(soltrace.diffeqsolve, platforms=["cpu", "tpu"]).mlir_module()
        assert bits(exported(soltrace.diffeqsolve).call(YS)) == bits(exported(dfx.diffeqsolve).call(YS))
        assert told.records == []
    assert said() == [
        "a program with a solve in it reports nothing: it is exported, and would call this process from any other."
    ]


def test_the_gradient_of_an_exported_program() -> None:
    """It is derived when the program is exported, or later."""
    gradient = lambda solve: export.export(jax.jit(SOLVE(solve)))(Y).vjp().call(Y, jnp.ones((1, 2)))
    with capture() as told:
        assert bits(gradient(soltrace.diffeqsolve)) == bits(gradient(dfx.diffeqsolve))
        assert told.records == []


def test_lowered_for_another_platform(said: Callable[[], list[str]]) -> None:
    """As without soltrace, which lowers; the same program compiled for here reports."""
    with capture() as told:
        traced = jax.jit(SOLVE(soltrace.diffeqsolve)).trace(Y)
        for platforms in [("tpu",), ("cpu", "cuda")]:
            assert "callback" not in traced.lower(lowering_platforms=platforms).as_text()
        traced.lower().compile()(Y)
        assert story(told.events())[-1] == "1.forward ended 4/1.000 4+0"
    assert said() == [
        "a program with a solve in it reports nothing: it is lowered for tpu, on which this process does not run it.",
        "a program with a solve in it reports nothing: it is lowered for several platforms at once (cpu, cuda).",
    ]


def test_an_executable_that_reports_is_not_written_down() -> None:
    """jax would load it without its calls: it is refused, and what to do is said."""
    with capture():
        compiled = jax.jit(SOLVE(soltrace.diffeqsolve)).lower(Y).compile()
        with pytest.raises(pickle.PicklingError, match=r"Use jax\.export, which leaves the reports out"):
            serialize_executable.serialize(compiled)
