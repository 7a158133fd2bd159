"""A solve that can't be traced with its reports runs without them; an error of the user's stays the user's."""

import diffrax as dfx
import jax
import pytest
from jax import export

import soltrace
from soltrace.testing import capture
from soltrace.traced import adjoint
from soltrace.wire import warn
from tests.traced.cases import Y, loss, run
from tests.traced.stories import bits, story


@pytest.mark.slow
def test_what_cannot_be_instrumented_runs_bare(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """To the bit, its gradient too, and one warning says why, however many solves there are."""

    def broken(*_: object, **__: object) -> None:
        raise TypeError("no such field")

    monkeypatch.setattr(warn, "SAID", set())
    monkeypatch.setattr(adjoint, "time_reached", broken)
    gradient = lambda solve: jax.jit(jax.value_and_grad(lambda y: loss(solve, y)))(Y)
    with capture() as told:
        assert bits(gradient(soltrace.diffeqsolve)) == bits(gradient(dfx.diffeqsolve))
        assert bits(run(soltrace.diffeqsolve).ys) == bits(run(dfx.diffeqsolve).ys)
        assert told.records == []
    cause = "a solve reports nothing, because it could not be traced with its reports: TypeError: no such field."
    assert capsys.readouterr().err == f"soltrace: {cause}\n"


@pytest.mark.slow
def test_a_program_that_reports_in_part(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One of its solves can't be traced with reports; exported, the other can't call this process either."""

    def broken(final: object, solve: dict[str, object]) -> object:
        if isinstance(solve["solver"], dfx.Euler):
            raise TypeError("no such field")
        return time_reached(final, solve)

    time_reached = adjoint.time_reached
    monkeypatch.setattr(warn, "SAID", set())
    monkeypatch.setattr(adjoint, "time_reached", broken)
    both = lambda solve: lambda y: run(solve, y, throw=False).ys + run(solve, y, solver=dfx.Euler(), throw=False).ys
    gradient = lambda solve: jax.jit(jax.value_and_grad(lambda y: both(solve)(y).sum()))
    with capture(every=9, fraction=1.0) as told:
        assert bits(gradient(soltrace.diffeqsolve)(Y)) == bits(gradient(dfx.diffeqsolve)(Y))
        assert [line for line in story(told.events()) if "ended" in line] == [
            "1.forward ended 4/1.000 4+0",
            "1.backward ended 4/1.000 4+0&4",
        ]
        told.clear()
        exported = lambda solve: bits(export.export(gradient(solve))(Y).call(Y))
        assert exported(soltrace.diffeqsolve) == exported(dfx.diffeqsolve)
        assert told.records == []
    exported_reports_nothing = (
        "a program with a solve in it reports nothing: it is exported, and would call this process from any other."
    )
    assert capsys.readouterr().err.splitlines() == [
        "soltrace: a solve reports nothing, because it could not be traced with its reports: TypeError: no such field.",
        f"soltrace: {exported_reports_nothing}",
    ]


def test_what_the_users_code_raises_is_the_users(capsys: pytest.CaptureFixture[str]) -> None:
    """As it is without soltrace, with no other error around it."""

    class Failing(dfx.Heun):
        def step(self, *args: object, **kwargs: object) -> None:
            raise ValueError("my own")

    with capture(), pytest.raises(ValueError, match="my own") as failed:
        run(soltrace.diffeqsolve, solver=Failing())
    assert failed.value.__context__ is None
    assert capsys.readouterr().err == ""
