"""A solve's attributes: exactly what was given, whatever it is traced into, and never a reason to compile again."""

import gc
import pickle
from collections.abc import Callable
from pathlib import PurePosixPath
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, PartitionSpec

import soltrace
from soltrace import host
from soltrace.host.registered import RELEASED_AT_MOST
from soltrace.testing import Capture, capture
from tests.traced.cases import BACKSOLVE, DIRECT, YS, Y, loss, run
from tests.traced.stories import bits

pytestmark = pytest.mark.slow

VALUES: dict[str, tuple[Any, Any]] = {
    "int": (3, 3),
    "beyond int32": (2**40, 2**40),
    "beyond int64": (2**70, 2**70),
    "float64": (0.1, 0.1),
    "all digits": (1 / 3, 1 / 3),
    "bool": (True, True),
    "float that is whole": (1.0, 1.0),
    "NaN": (float("nan"), "NaN"),
    "str": ("adam", "adam"),
    "list": ([1, 2.5, "x", False], [1, 2.5, "x", False]),
    "tuple": ((1, 2), [1, 2]),
    "np.int64": (np.int64(2**40), 2**40),
    "np.uint64": (np.uint64(2**64 - 1), 2**64 - 1),
    "np.float64": (np.float64(1 / 3), 1 / 3),
    "np.float32": (np.float32(0.1), 0.1),
    "np.bool": (np.bool_(True), True),
    "np.str": (np.str_("a"), "a"),
    "0-d": (np.array(2**40), 2**40),
    "1-d": (np.array([0.1, 1 / 3]), [0.1, 1 / 3]),
    "list of np": ([np.int64(2**40), np.float32(0.1)], [2**40, 0.1]),
    "jnp float32": (jnp.float32(0.1), 0.1),
    "jnp vector": (jnp.arange(2), [0, 1]),
    "jnp bfloat16": (jnp.bfloat16(0.5), 0.5),
    "jnp complex": (jnp.array([1 + 2j], jnp.complex64), ["(1+2j)"]),
    "jnp key": (jax.random.key(0), [0, 0]),
    "long": (jnp.arange(1000), [*range(128), "… more"]),
    "path": (PurePosixPath("a"), "a"),
}


def types(value: Any) -> Any:
    return [type(item) for item in value] if isinstance(value, list) else type(value)


def attributes(c: Capture) -> list[dict[str, Any]]:
    """Of each pass that began."""
    return [event["attributes"] for event in c.events() if event["event"] == "pass.started"]


WAYS: dict[str, Callable[[dict[str, Any]], Any]] = {
    "eager": lambda given: run(soltrace.diffeqsolve, attributes=given),
    "adjoint": lambda given: run(dfx.diffeqsolve, adjoint=soltrace.TracedAdjoint(attributes=given)),
    "both": lambda given: run(soltrace.diffeqsolve, adjoint=soltrace.TracedAdjoint(attributes=given)),
    "grad": lambda given: jax.grad(lambda y: loss(soltrace.diffeqsolve, y, attributes=given))(Y),
    "vmap": lambda given: jax.vmap(lambda y: run(soltrace.diffeqsolve, y, attributes=given).ys)(YS),
}
JITTED: dict[str, Callable[[dict[str, Any]], Any]] = {
    "jit": lambda given: jax.jit(lambda y: run(soltrace.diffeqsolve, y, attributes=given).ys)(Y),
    "adjoint made outside": lambda given: _closed_over(soltrace.TracedAdjoint(attributes=given))(Y),
    "adjoint made inside": lambda given: jax.jit(
        lambda y: run(dfx.diffeqsolve, y, adjoint=soltrace.TracedAdjoint(attributes=given)).ys
    )(Y),
}


def _closed_over(adjoint: dfx.AbstractAdjoint) -> Callable[[Any], Any]:
    return jax.jit(lambda y: run(dfx.diffeqsolve, y, adjoint=adjoint).ys)


@pytest.mark.parametrize("way", [*WAYS, *JITTED])
@pytest.mark.parametrize("x64", [pytest.param(False, marks=pytest.mark.once, id="x32"), pytest.param(True, id="x64")])
def test_values_are_what_was_given(way: str, x64: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Type and digits, on every pass."""
    given = {name: value for name, (value, _) in VALUES.items()}
    expected = {name: value for name, (_, value) in VALUES.items()}
    with jax.enable_x64(x64), capture(every=9, fraction=1.0) as c:
        jax.block_until_ready(eqx.filter((WAYS | JITTED)[way](given), eqx.is_array))
        told = attributes(c)
    assert told == [expected] * (2 if way == "grad" else 1)
    assert {name: types(value) for name, value in told[0].items()} == {n: types(v) for n, v in expected.items()}


@pytest.fixture
def compilations() -> list[str]:
    """Names of the programs with a solve that were compiled."""
    programs: list[str] = []
    ours = host.compiled
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(host, "compiled", lambda name, *took: (programs.append(name), ours(name, *took))[1])
        yield programs


@pytest.mark.parametrize("way", WAYS)
def test_no_value_compiles_an_eager_solve_again(way: str, compilations: list[str]) -> None:
    """Neither a number nor a string, and no other type."""
    with capture(every=9, fraction=1.0) as c:
        WAYS[way]({"v": 0})
        before = list(compilations)
        assert before
        c.clear()
        plain = [(value, told) for value, told in VALUES.values() if not isinstance(value, jax.Array)]
        for value, _ in plain:
            WAYS[way]({"v": value})
        told = attributes(c)
    assert compilations == before
    passes = 2 if way == "grad" else 1
    assert told == [{"v": value} for _, value in plain for _ in range(passes)]


def test_no_experiment_compiles_an_eager_solve_again(compilations: list[str]) -> None:
    """Its token is data too."""
    with capture() as c:
        for i in range(3):
            with soltrace.experiment("fit", i=i) as fit:
                run(dfx.diffeqsolve, adjoint=soltrace.TracedAdjoint(context=fit.token, attributes={"seed": i}))
        assert attributes(c) == [{"i": i, "seed": i} for i in range(3)]
    assert len(compilations) == 1


def test_an_adjoint_as_an_argument_does_not_compile_again(compilations: list[str]) -> None:
    """Of a function that the user compiled."""
    solve = eqx.filter_jit(lambda adjoint: run(dfx.diffeqsolve, adjoint=adjoint).ys)
    more = eqx.filter_jit(lambda adjoint: run(soltrace.diffeqsolve, adjoint=adjoint, attributes={"b": 2}).ys)
    with capture() as c:
        for i in range(3):
            solve(soltrace.TracedAdjoint(attributes={"a": i}))
            more(soltrace.TracedAdjoint(attributes={"a": i, "b": 0}))
        assert attributes(c) == [{"a": i} | more for i in range(3) for more in ({}, {"b": 2})]
    assert len(compilations) == 2


@pytest.mark.parametrize("together", [False, True], ids=["two programs", "one program"])
def test_constants_that_are_equal_are_not_the_same(*, together: bool) -> None:
    """1, True and 1.0 in programs that are otherwise alike; jax remembers what it traced, by what is equal."""
    values = [1, True, 1.0]
    solves = [lambda y, v=v: run(soltrace.diffeqsolve, y, attributes={"v": v}).ys for v in values]
    with capture() as c:
        if together:
            jax.jit(lambda y: [solve(y) for solve in solves])(Y)
        else:
            for solve in solves:
                jax.jit(solve)(Y)
        told = [event["v"] for event in attributes(c)]
    assert sorted(map(str, told)) == sorted(map(str, values))


def forget() -> None:
    """Have everything forgotten that nobody holds."""
    gc.collect()
    for _ in range(RELEASED_AT_MOST):
        host.RegisteredSolve({})


def emissions(jaxpr: Any, signal: host.Signal) -> list[Any]:
    """What a jaxpr calls on the host for a signal, at any depth."""
    found: list[Any] = []
    for eqn in jaxpr.eqns:
        if eqn.primitive.name == "soltrace_emit" and eqn.params["callback"].signal is signal:
            found.append(eqn.params["callback"])
        for value in eqn.params.values():
            found += emissions(value.jaxpr, signal) if hasattr(value, "jaxpr") else []
    return found


def test_a_program_keeps_its_attributes() -> None:
    """For as long as it is kept, and its adjoint with nothing else: what it calls on the host holds them."""
    adjoint = soltrace.TracedAdjoint(attributes={"seed": 3})
    compiled = _closed_over(adjoint).lower(Y).compile()
    (start,) = emissions(jax.make_jaxpr(_closed_over(adjoint))(Y).jaxpr, host.Signal.FORWARD_START)
    assert start.info.registered is adjoint.attributes.plain.registered
    del adjoint
    jax.clear_caches()
    forget()
    with capture() as c:
        compiled(Y)
        assert attributes(c) == [{"seed": 3}]


@pytest.mark.parametrize("adjoint", [None, DIRECT, BACKSOLVE], ids=["checkpointed", "direct", "backsolve"])
def test_a_pullback_keeps_them(adjoint: Any) -> None:
    """However late it is called, and however often."""
    kwargs = {} if adjoint is None else {"adjoint": adjoint}
    with capture() as c:
        _, pullback = jax.vjp(lambda y: loss(soltrace.diffeqsolve, y, attributes={"seed": 3}, **kwargs), Y)
        c.flush()
        forget()
        pullback(jnp.float32(1.0))
        pullback(jnp.float32(2.0))
        assert attributes(c) == [{"seed": 3}] * 3


def test_a_solve_that_is_evaluated_again_keeps_them() -> None:
    """In a backward pass, long after: one solve more, and its backward pass."""
    with capture() as c:
        _, pullback = jax.vjp(jax.checkpoint(lambda y: loss(soltrace.diffeqsolve, y, attributes={"seed": 3})), Y)
        c.flush()
        forget()
        pullback(jnp.float32(1.0))
        assert attributes(c) == [{"seed": 3}] * 3


def test_a_linearized_solve_keeps_them() -> None:
    """The solve has run when it is linearized."""
    with capture() as c:
        _, tangent = jax.linearize(
            lambda y: loss(soltrace.diffeqsolve, y, adjoint=dfx.ForwardMode(), attributes={"seed": 3}), Y
        )
        c.flush()
        forget()
        tangent(Y)
        assert attributes(c) == [{"seed": 3}]


def test_each_device_tells_them() -> None:
    """An eager `shard_map` runs the solve once on each."""
    mesh = Mesh(jax.devices(), ("i",))
    spec = PartitionSpec("i")
    solve = jax.vmap(lambda y: run(soltrace.diffeqsolve, y, attributes={"seed": 3}).ys)
    ys = jnp.stack([Y, Y, Y, Y])
    with capture() as c:
        jax.block_until_ready(jax.shard_map(solve, mesh=mesh, in_specs=spec, out_specs=spec, check_vma=False)(ys))
        assert attributes(c) == [{"seed": 3}] * 4


def test_an_adjoint_outlives_a_run() -> None:
    """Its attributes are the process's, not the run's."""
    adjoint = soltrace.TracedAdjoint(attributes={"seed": 3})
    for _ in range(2):
        with capture() as c:
            run(dfx.diffeqsolve, adjoint=adjoint)
            assert attributes(c) == [{"seed": 3}]


def test_those_of_an_adjoint_made_while_disabled_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """It tells nothing by itself, but our `diffeqsolve` takes what it has."""
    given = {"seed": 3, "layers": [64, 64]}
    with capture() as c:
        with monkeypatch.context() as patch:
            patch.setattr("soltrace.host.process.PROCESS.over", True)
            adjoint = soltrace.TracedAdjoint(attributes=given)
        run(dfx.diffeqsolve, adjoint=adjoint)
        run(soltrace.diffeqsolve, adjoint=adjoint, attributes={"epoch": 1})
        run(soltrace.diffeqsolve, adjoint=adjoint)
        assert attributes(c) == [given | {"epoch": 1}, given]


def test_the_newest_of_a_name_counts() -> None:
    """Whether it is an array or not."""
    adjoint = soltrace.TracedAdjoint(attributes={"a": jnp.int32(1), "b": 1, "c": jnp.int32(1), "d": 1})
    more = {"a": 2, "b": jnp.int32(2)}
    with capture() as c:
        run(soltrace.diffeqsolve, adjoint=adjoint, attributes=more)
        jax.jit(lambda y: run(soltrace.diffeqsolve, y, adjoint=adjoint, attributes=more).ys)(Y)
        assert attributes(c) == [{"a": 2, "b": 2, "c": 1, "d": 1}] * 2


def test_numbers_are_the_same_to_the_bit() -> None:
    """With attributes of every kind, and without soltrace."""
    given = {name: value for name, (value, _) in VALUES.items()}
    with capture():
        values = WAYS["grad"](given)
    assert bits(values) == bits(jax.grad(lambda y: loss(dfx.diffeqsolve, y))(Y))


BAD: dict[str, Any] = {
    "object": {"bad": object()},
    "list of objects": {"bad": [object()]},
    "within a table": {"bad": {"a": object()}},
    "no name": {"": 1},
    "no name of an array": {3: jnp.int32(1)},
    "no mapping": ["bad"],
}


@pytest.mark.parametrize("enabled", [True, False], ids=["enabled", "disabled"])
@pytest.mark.parametrize("name", BAD)
def test_bad_attributes_are_refused_at_once(name: str, enabled: bool, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: FBT001
    """Not when the solve runs, nor only when somebody listens."""
    monkeypatch.setattr("soltrace.host.process.PROCESS.over", not enabled)
    for way in (
        lambda: run(soltrace.diffeqsolve, attributes=BAD[name]),
        lambda: soltrace.TracedAdjoint(attributes=BAD[name]),
        lambda: jax.make_jaxpr(lambda y: run(soltrace.diffeqsolve, y, attributes=BAD[name]).ys)(Y),
    ):
        with pytest.raises(soltrace.AttributeValueError):
            way()


def test_tables_and_rows_are_attributes_of_their_own() -> None:
    """Traced ones too, eager as under jit."""
    given = lambda epoch: {"opt": {"name": "adam", "epoch": epoch}, "grid": epoch * jnp.ones((2, 2))}
    expected = {"opt.name": "adam", "opt.epoch": 2, "grid.0": [2.0, 2.0], "grid.1": [2.0, 2.0]}
    with capture(every=9, fraction=1.0) as c:
        run(soltrace.diffeqsolve, attributes=given(jnp.int32(2)))
        jax.jit(lambda y, epoch: run(soltrace.diffeqsolve, y, attributes=given(epoch)).ys)(Y, 2)
        assert attributes(c) == [expected, expected]


def test_a_traced_value_in_a_list_is_refused() -> None:
    """It has no value that could be listed; an array of its own has."""
    solve = jax.jit(lambda y, epoch: run(soltrace.diffeqsolve, y, attributes={"bad": [1, epoch]}).ys)
    with pytest.raises(soltrace.AttributeValueError, match="'bad'"):
        solve(Y, 1)


def test_a_pickled_adjoint_brings_its_own_attributes():
    """By value: its number may be another solve's where it is read."""
    pickled = pickle.dumps(soltrace.TracedAdjoint(attributes={"own": 1}))
    others = [soltrace.TracedAdjoint(attributes={"other": i}) for i in range(2)]
    adjoint = pickle.loads(pickled)
    assert int(adjoint.attributes.token) not in {0, *(int(other.attributes.token) for other in others)}
    with capture() as told:
        dfx.diffeqsolve(dfx.ODETerm(lambda t, y, args: -y), dfx.Euler(), 0.0, 1.0, 0.5, jnp.ones(2), adjoint=adjoint)
        assert {str(event["attributes"]) for event in told.events()} == {"{'own': 1}"}
