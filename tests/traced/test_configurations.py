"""The same numbers and events whatever jax is configured to be, and whatever is computed with."""

import contextlib
import functools
import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import diffrax as dfx
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import soltrace
from soltrace.testing import capture
from tests.traced.cases import BACKSOLVE, DIRECT, FORWARD, PID, YS, Y, loss, run
from tests.traced.rarely import some
from tests.traced.stories import bits, story

pytestmark = [pytest.mark.slow, pytest.mark.shares]

FORWARD_AND_BACKWARD = [
    "1.forward started",
    "1.forward 2/0.500",
    "1.forward ended 4/1.000 4+0",
    "1.backward started",
    "1.backward 2/0.500",
    "1.backward 4/1.000",
    "1.backward ended 4/1.000 4+0&4",
]


@contextlib.contextmanager
def x64() -> Iterator[None]:
    with jax.enable_x64(True):
        yield


@contextlib.contextmanager
def strict() -> Iterator[None]:
    with jax.numpy_dtype_promotion("strict"), jax.numpy_rank_promotion("raise"):
        yield


@contextlib.contextmanager
def strict_x64() -> Iterator[None]:
    with x64(), strict():
        yield


def gradient(solve: Any, y: Any, **kwargs: Any) -> Any:
    return jax.jit(jax.value_and_grad(lambda y: loss(solve, y, **kwargs)))(y)


@pytest.mark.parametrize(
    ("settings", "dtype"),
    some(
        [
            *((settings, dtype) for settings in (x64, strict, strict_x64) for dtype in ("float32", "float16")),
            *((settings, "float64") for settings in (x64, strict_x64)),
        ],
        (x64, "float64"),
        (strict_x64, "float16"),
    ),
)
def test_settings_and_dtypes(settings: Any, dtype: str) -> None:
    """Our own arithmetic depends neither on the user's promotion rules nor on the solve's precision."""
    with settings():
        y = jnp.asarray([1.0, 0.5], dtype)
        expected = gradient(dfx.diffeqsolve, y)
        with capture(every=2, fraction=0.5) as told:
            values = gradient(soltrace.diffeqsolve, y)
            events = told.events()
    assert bits(values) == bits(expected)
    assert story(events) == FORWARD_AND_BACKWARD


@pytest.mark.parametrize(
    "telling",
    [
        {"detail": "steps"},
        pytest.param({"detail": "failures"}, marks=pytest.mark.once),
        pytest.param({"watch": ["nonfinite", {"first": lambda t, y, args: y[0]}]}, marks=pytest.mark.once),
    ],
    ids=["steps", "failures", "watched"],
)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_is_told_of_steps_is_arithmetic_of_ours_too(telling: dict[str, Any], dtype: str) -> None:
    """Also what is computed when a program is lowered, where nothing shields it from outside."""
    with strict_x64():
        y = jnp.asarray([1.0, 0.5], dtype)
        expected = gradient(dfx.diffeqsolve, y)
        with capture() as told:
            assert bits(gradient(soltrace.diffeqsolve, y, **telling)) == bits(expected)
            ended = [(e["phase"], e["result"]) for e in told.events() if e["event"] == "pass.ended"]
    assert ended == [("forward", "successful"), ("backward", "successful")]


@pytest.mark.parametrize("settings", some([contextlib.nullcontext, strict_x64], strict_x64))
def test_vmap_of_grad_with_settings(settings: Any) -> None:
    """Batching is our own arithmetic too."""
    with settings():
        ys, t1s = jnp.asarray([[1.0, 0.5], [2.0, 1.0]]), jnp.asarray([0.5, 1.0])
        make = lambda solve: jax.jit(jax.vmap(jax.grad(lambda y, t1: loss(solve, y, t1=t1))))(ys, t1s)
        expected = make(dfx.diffeqsolve)
        with capture(every=2, fraction=0.5) as told:
            values = make(soltrace.diffeqsolve)
            events = told.events()
    assert bits(values) == bits(expected)
    assert story(events) == [
        "1.forward started [2]",
        "1.forward[0] ended 2/1.000 2+0",
        "1.forward[1] 2/0.500",
        "1.forward 2/0.500",
        "1.forward[1] ended 4/1.000 4+0",
        "1.forward ended 4/1.000 6+0",
        "1.backward started [2]",
        "1.backward[0] 0/0.000",
        "1.backward[1] 2/0.500",
        "1.backward 0/0.000",
        "1.backward[0] 1/0.500",
        "1.backward[1] 3/0.750",
        "1.backward 1/0.500",
        "1.backward[0] 2/1.000",
        "1.backward[1] 4/1.000",
        "1.backward 4/1.000",
        "1.backward[0] ended 2/1.000 2+0&4",
        "1.backward[1] ended 4/1.000 4+0&4",
        "1.backward ended 4/1.000 6+0&8",
    ]


@contextlib.contextmanager
def updated(**flags: Any) -> Iterator[None]:
    """Flags of jax's that have no context of their own."""
    before = {name: getattr(jax.config, name) for name in flags}
    for name, value in flags.items():
        jax.config.update(name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)


@contextlib.contextmanager
def all_of(*settings: contextlib.AbstractContextManager[Any], **flags: Any) -> Iterator[None]:
    with contextlib.ExitStack() as stack:
        for setting in settings:
            stack.enter_context(setting)
        stack.enter_context(updated(**flags))
        yield


SETTINGS: dict[str, Any] = {
    "debug": lambda: all_of(jax.debug_nans(True), jax.debug_infs(True)),
    "checks": lambda: all_of(jax.enable_checks(True)),
    "log transfers": lambda: all_of(jax.transfer_guard("log")),
    "another device": lambda: all_of(jax.default_device(jax.devices()[1])),
    "another partitioner": lambda: all_of(jax_use_shardy_partitioner=False),
    "what is told": lambda: all_of(
        jax.log_compiles(True),
        jax.explain_cache_misses(True),
        jax_include_full_tracebacks_in_locations=False,
        jax_traceback_filtering="off",
    ),
    "numbers": lambda: all_of(
        jax.default_matmul_precision("highest"),
        jax.threefry_partitionable(False),
        jax.legacy_prng_key("error"),
        jax.enable_custom_prng(True),
        jax.debug_key_reuse(True),
    ),
}


PAIR = jnp.stack([Y, 2 * Y])
ARRAYS = {"t0": jnp.asarray(0.0), "t1": jnp.asarray(1.0), "dt0": jnp.asarray(0.25)}


def eager_and_compiled(solve: Any) -> Any:
    """A solve, and a batch of gradients."""
    gradients = jax.jit(jax.vmap(jax.value_and_grad(lambda y: loss(solve, y, **ARRAYS))))
    return run(solve, **ARRAYS).ys, gradients(PAIR)


@functools.cache
def expected_with_settings() -> Any:
    """By diffrax and with none of them, for no number depends on them. Compiled once, it is as good for all."""
    return bits(eager_and_compiled(dfx.diffeqsolve))


@pytest.mark.parametrize("one_by_one", [False, True], ids=["compiled", "one by one"])
@pytest.mark.parametrize("offset", [0.0, 1.5], ids=["finite", "nan"])
def test_a_search_for_nan_finds_none_of_ours(offset: float, one_by_one: bool) -> None:  # noqa: FBT001
    """A constant step size has no tolerances, which is told as NaN. What makes one is found as in diffrax's solve."""

    def outcome(solve: Any) -> Any:
        term = dfx.ODETerm(lambda t, y, args: jnp.log(y - offset))
        with jax.debug_nans(True), jax.disable_jit(one_by_one):
            try:
                return bits(solve(term, dfx.Heun(), 0.0, 1.0, 0.25, jnp.array([1.0, 2.0]), throw=False).ys)
            except FloatingPointError as error:
                return str(error)

    expected = outcome(dfx.diffeqsolve)
    with capture() as told:
        assert outcome(soltrace.diffeqsolve) == expected
        started, ended = ([e for e in told.events() if e["event"] == f"pass.{end}"] for end in ("started", "ended"))
    assert len(started) == len(ended)


@pytest.mark.parametrize("name", some(SETTINGS, "checks", "another device", "another partitioner"))
def test_settings(name: str) -> None:
    """Forward, backward and under vmap, eager and compiled: nothing of ours is subject to what the user is."""
    expected = expected_with_settings()
    with SETTINGS[name](), capture(every=2, fraction=0.5) as told:
        values = eager_and_compiled(soltrace.diffeqsolve)
        events = told.events()
    assert bits(values) == expected
    assert story(events) == [
        *FORWARD_AND_BACKWARD[:3],
        "2.forward started [2]",
        "2.forward[0] 2/0.500",
        "2.forward[1] 2/0.500",
        "2.forward 2/0.500",
        "2.forward[0] ended 4/1.000 4+0",
        "2.forward[1] ended 4/1.000 4+0",
        "2.forward ended 4/1.000 8+0",
        "2.backward started [2]",
        "2.backward[0] 2/0.500",
        "2.backward[1] 2/0.500",
        "2.backward 2/0.500",
        "2.backward[0] 4/1.000",
        "2.backward[1] 4/1.000",
        "2.backward 4/1.000",
        "2.backward[0] ended 4/1.000 4+0&4",
        "2.backward[1] ended 4/1.000 4+0&4",
        "2.backward ended 4/1.000 8+0&8",
    ]


@pytest.mark.parametrize("guard", ["disallow", "disallow_explicit"])
def test_transfers_are_forbidden(guard: str) -> None:
    """An eager solve whose arguments are on the device passes: numbers of ours are brought there apart."""
    y, t0, t1, dt0 = jnp.asarray([1.0, 0.5]), jnp.asarray(0.0), jnp.asarray(1.0), jnp.asarray(0.25)
    solve = lambda solve, **attributes: run(solve, y, t0=t0, t1=t1, dt0=dt0, **attributes).ys
    with capture(every=2, fraction=0.5) as told:
        solve(dfx.diffeqsolve), solve(soltrace.diffeqsolve)  # what compiles may bring constants along
        with jax.transfer_guard(guard):
            expected = solve(dfx.diffeqsolve)
            outside = solve(soltrace.diffeqsolve)
            with soltrace.experiment("fit", seed=3):
                inside = solve(soltrace.diffeqsolve, attributes={"lr": 0.1})
        passes = [event for event in told.events() if "pass_id" in event]
    assert bits(outside) == bits(inside) == bits(expected)
    lines = [line.partition(".")[2] for line in FORWARD_AND_BACKWARD[:3]]
    assert story(passes) == [f"{i}.{line}" for i in (1, 2, 3) for line in lines]


LEAKS: dict[str, tuple[Any, list[str]]] = {
    "forward mode": (
        lambda solve: jax.jit(lambda y: jax.jvp(lambda y: run(solve, y, adjoint=FORWARD).ys, (y,), (y,)))(Y),
        ["4+0"],
    ),
    "vmap": (
        lambda solve: jax.jit(jax.vmap(lambda y: run(solve, y, adjoint=DIRECT, max_steps=None).ys))(YS),
        ["12+0"],
    ),
    "grad": (lambda solve: jax.jit(jax.grad(lambda y: loss(solve, y, adjoint=DIRECT)))(Y), ["4+0", "4+0&0"]),
}


@pytest.mark.parametrize("name", some(LEAKS, "grad"))
def test_tracers_are_looked_for(name: str) -> None:
    """By jax, once a program is traced: we keep none. With its checkpointing adjoint, diffrax itself keeps some."""
    make, steps = LEAKS[name]
    jax.clear_caches()  # it is looked through each time
    with jax.checking_leaks():
        expected = make(lambda *args, **kwargs: dfx.diffeqsolve(*args, throw=False, **kwargs))
        with capture() as told:
            values = make(lambda *args, **kwargs: soltrace.diffeqsolve(*args, throw=False, **kwargs))
            events = told.events()
    assert bits(values) == bits(expected)
    ended = [line for line, event in zip(story(events), events, strict=True) if event["event"] == "pass.ended"]
    assert [line.split()[-1] for line in ended if "[" not in line] == steps


def clear_caches() -> None:
    eqx.clear_caches()
    jax.clear_caches()


@contextlib.contextmanager
def cleared_meanwhile() -> Iterator[None]:
    """Another thread clears all caches, over and over."""
    over = threading.Event()

    def clear() -> None:
        while not over.wait(0.01):
            clear_caches()

    thread = threading.Thread(target=clear)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@pytest.mark.parametrize("meanwhile", [pytest.param(False, marks=pytest.mark.once), True], ids=["between", "meanwhile"])
def test_caches_are_cleared_in_the_middle(*, meanwhile: bool) -> None:
    """Between tracing, lowering, compiling and calling, and between a forward pass and its backward passes."""
    clear = (lambda: None) if meanwhile else clear_caches

    def both(solve: Any) -> Any:
        program = jax.jit(lambda y: loss(solve, y))
        traced = program.trace(Y)
        clear()
        lowered = traced.lower()
        clear()
        compiled = lowered.compile()
        clear()
        value = compiled(Y)
        _, pullback = jax.vjp(program, Y)
        clear()
        gradient = pullback(jnp.asarray(1.0))
        clear()
        return value, gradient, pullback(jnp.asarray(2.0))

    with cleared_meanwhile() if meanwhile else contextlib.nullcontext():
        expected = both(dfx.diffeqsolve)
        with capture(every=2, fraction=0.5) as told:
            values = both(soltrace.diffeqsolve)
            events = told.events()
    assert bits(values) == bits(expected)
    passes = ["1.forward", "2.forward", "2.backward", "2.backward.2"]
    assert story(events) == [
        line.replace(phase, name, 1)
        for name in passes
        for phase in ["1.backward" if "backward" in name else "1.forward"]
        for line in FORWARD_AND_BACKWARD
        if line.startswith(phase)
    ]


def test_x64_is_switched_between_compiling_and_calling() -> None:
    """A program stays what it is, and what is told of it too. An eager solve is another program each time."""
    y = np.asarray([1.0, 0.5], np.float32)

    def all_three(solve: Any) -> list[Any]:
        compiled = jax.jit(jax.value_and_grad(lambda y: loss(solve, y))).lower(y).compile()
        values = []
        for x64 in (True, False):
            with jax.enable_x64(x64):
                values += [compiled(y), run(solve, y).ys]
                compiled = jax.jit(lambda y: run(solve, y).ys).lower(y).compile()
        return [*values, compiled(y)]

    expected = all_three(dfx.diffeqsolve)
    with capture(every=2, fraction=0.5) as told:
        values = all_three(soltrace.diffeqsolve)
        events = told.events()
    assert bits(values) == bits(expected)
    forward = [line.replace("1.", f"{i}.", 1) for i in range(2, 6) for line in FORWARD_AND_BACKWARD[:3]]
    assert story(events) == [*FORWARD_AND_BACKWARD, *forward]


@pytest.mark.filterwarnings("ignore:Complex dtype support in Diffrax")
@pytest.mark.parametrize("settings", some([contextlib.nullcontext, x64], x64))
def test_complex(settings: Any) -> None:
    """Cotangents may be complex."""
    with settings():
        y = jnp.asarray([1.0 + 0.5j, 0.5])
        make = lambda solve: jax.jit(jax.grad(lambda y: jnp.abs(run(solve, y).ys).sum()))(y)
        expected = make(dfx.diffeqsolve)
        with capture(every=2, fraction=0.5) as told:
            values = make(soltrace.diffeqsolve)
            events = told.events()
    assert bits(values) == bits(expected)
    assert story(events) == FORWARD_AND_BACKWARD


@pytest.mark.parametrize("adjoint", some([dfx.ForwardMode(), DIRECT, BACKSOLVE], BACKSOLVE))
def test_disable_jit(adjoint: dfx.AbstractAdjoint) -> None:
    """Without a compiler each operation rounds by itself; then our loop must be Python's too."""
    y = jnp.asarray([1.0, 0.5])
    forward = isinstance(adjoint, dfx.ForwardMode)
    make = lambda solve: run(solve, y).ys if forward else jax.grad(lambda y: loss(solve, y, adjoint=adjoint))(y)
    with jax.disable_jit():
        expected = make(dfx.diffeqsolve)
        with capture(every=2, fraction=0.5) as told:
            values = make(soltrace.diffeqsolve)
            events = told.events()
    assert bits(values) == bits(expected)
    story_ = [line.removesuffix("&4").removesuffix("&0") for line in story(events)]
    assert story_ == [line.removesuffix("&4") for line in FORWARD_AND_BACKWARD[: 3 if forward else None]]


def test_adaptive_float64() -> None:
    """Times keep the digits of their dtype."""
    with x64(), capture(every=1000) as told:
        run(soltrace.diffeqsolve, jnp.asarray([1.0, 0.5]), t1=1 / 3, stepsize_controller=PID)
        ended = told.events()[-1]
    assert ended["t"] == 1 / 3


AT_START = """
import json, sys
import jax
jax.config.update("jax_cpu_enable_async_dispatch", False)
import diffrax as dfx
import soltrace
from soltrace.testing import capture
from tests.traced.cases import YS, Y, loss, run
from tests.traced.stories import bits, story

def all_of(solve):
    yield run(solve, Y).ys
    yield jax.jit(jax.vmap(jax.value_and_grad(lambda y: loss(solve, y))))(YS)

expected = [bits(value) for value in all_of(dfx.diffeqsolve)]
with capture(every=9, fraction=1.0) as told:
    same = [bits(value) for value in all_of(soltrace.diffeqsolve)] == expected
    print(json.dumps([same, [line for line in story(told.events()) if "ended" in line and "[" not in line]]))
"""


def test_programs_are_not_dispatched_asynchronously() -> None:
    """The caller's own thread computes then, and our callbacks run on it. jax reads this once, when it starts."""
    done = subprocess.run([sys.executable, "-c", AT_START], capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [
        True,
        [
            "1.forward ended 4/1.000 4+0",
            "2.forward ended 4/1.000 12+0",
            "2.backward ended 4/1.000 12+0&12",
        ],
    ]


def test_ahead_of_time_outlives_runs(tmp_path: Path) -> None:
    """A program is compiled in one run and called in the next, and where telemetry is disabled: it is what it was."""
    y = jnp.asarray([1.0, 0.5])
    make = lambda solve: jax.jit(jax.value_and_grad(lambda y: loss(solve, y))).lower(y).compile()
    soltrace.configure(directory=tmp_path)
    expected, program = bits(make(dfx.diffeqsolve)(y)), make(soltrace.diffeqsolve)
    for _ in range(2):
        assert bits(program(y)) == expected
        soltrace.shutdown()
    soltrace.configure(enabled=False)
    assert bits(program(y)) == expected
    soltrace.shutdown()
    logs = [[json.loads(line) for line in path.read_text().splitlines()] for path in sorted(tmp_path.glob("*.jsonl"))]
    told = [[(e["event"], e["phase"]) for e in log if e["event"] in ("pass.started", "pass.ended")] for log in logs]
    assert told == [[(f"pass.{what}", phase) for phase in ("forward", "backward") for what in ("started", "ended")]] * 2
