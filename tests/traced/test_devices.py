"""Several devices: four that are one CPU (see `tests/conftest.py`)."""

from typing import Any

import diffrax as dfx
import jax
import jax.numpy as jnp
import pytest
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from tests.traced.cases import DIRECT, loss, run
from tests.traced.stories import story, told_by

pytestmark = pytest.mark.slow

YS = jnp.linspace(1.0, 2.0, 16).reshape(8, 2)
SHARDED = PartitionSpec("i")


@pytest.fixture
def mesh() -> Mesh:
    assert jax.device_count() == 4
    return Mesh(jax.devices(), ("i",))


def by_lane(events: list[dict[str, Any]]) -> dict[str, list[str]]:
    """What each pass told, by the index of its first lane: devices run at once, in any order."""
    passes: dict[str, list[dict[str, Any]]] = {}
    for event in events:
        passes.setdefault(event["pass_id"], []).append(event)
    first = lambda events: str(min(e["batch_index"] for e in events if "batch_index" in e))
    number = lambda line: line.split(".", 1)[1]
    return {first(es) + es[0]["phase"]: [number(line) for line in story(es)] for es in passes.values()}


def test_sharded_jit(mesh: Mesh) -> None:
    """One program over all devices is one solve of the whole batch."""
    ys = jax.device_put(YS, NamedSharding(mesh, SHARDED))
    events = told_by(lambda solve: jax.jit(jax.vmap(jax.grad(lambda y: loss(solve, y)))), ys)
    lanes = range(8)
    assert story(events) == [
        "1.forward started [8]",
        *[f"1.forward[{i}] 2/0.500" for i in lanes],
        "1.forward 2/0.500",
        *[f"1.forward[{i}] ended 4/1.000 4+0" for i in lanes],
        "1.forward ended 4/1.000 32+0",
        "1.backward started [8]",
        *[f"1.backward[{i}] 2/0.500" for i in lanes],
        "1.backward 2/0.500",
        *[f"1.backward[{i}] 4/1.000" for i in lanes],
        "1.backward 4/1.000",
        *[f"1.backward[{i}] ended 4/1.000 4+0&4" for i in lanes],
        "1.backward ended 4/1.000 32+0&32",
    ]


def shard_story(lanes: list[str]) -> list[str]:
    return [
        "forward started [8]",
        *[f"forward[{i}] 2/0.500" for i in lanes],
        "forward 2/0.500",
        *[f"forward[{i}] ended 4/1.000 4+0" for i in lanes],
        f"forward ended 4/1.000 {4 * len(lanes)}+0",
    ]


def test_shard_map(mesh: Mesh) -> None:
    """Each device runs its block as a pass of its own; the index of a lane is that in the whole batch."""
    events = told_by(
        lambda solve: jax.jit(
            jax.shard_map(
                jax.vmap(lambda y: run(solve, y).ys), mesh=mesh, in_specs=SHARDED, out_specs=SHARDED, check_vma=False
            )
        ),
        YS,
    )
    expected = {f"[{2 * i}]forward": shard_story([str(2 * i), str(2 * i + 1)]) for i in range(4)}
    assert by_lane(events) == expected


def test_pmap(mesh: Mesh) -> None:
    """The mapped axis is the first of the batch, whether more follow or none."""
    events = told_by(lambda solve: jax.pmap(lambda y: run(solve, y).ys), YS[:4])
    of_four = lambda lines: [line.replace("started [8]", "started [4]") for line in lines]
    assert by_lane(events) == {f"[{i}]forward": of_four(shard_story([str(i)])) for i in range(4)}
    events = told_by(lambda solve: jax.pmap(jax.vmap(lambda y: run(solve, y).ys)), YS.reshape(4, 2, 2))
    of_both = lambda lines: [line.replace("started [8]", "started [4, 2]") for line in lines]
    assert by_lane(events) == {f"[{i}, 0]forward": of_both(shard_story([f"{i},0", f"{i},1"])) for i in range(4)}


def test_pmap_of_grad() -> None:
    """Backward passes keep to their devices."""
    events = told_by(lambda solve: jax.pmap(jax.grad(lambda y: loss(solve, y, adjoint=DIRECT))), YS[:4])
    assert sorted(by_lane(events)) == sorted(f"[{i}]{phase}" for i in range(4) for phase in ("forward", "backward"))
    for i in range(4):
        assert by_lane(events)[f"[{i}]backward"] == [
            "backward started [4]",
            f"backward[{i}] 4/1.000",
            "backward 4/1.000",
            f"backward[{i}] ended 4/1.000 4+0&0",
            "backward ended 4/1.000 4+0&0",
        ]


EULER = {"solver": dfx.Euler(), "throw": False}
"""What diffrax can do over axes that are explicit: one stage, and no error."""
FOUR_STEPS = ["1.forward started", "1.forward 2/0.500", "1.forward ended 4/1.000 4+0"]
OF_A_GRADIENT = [
    "1.forward started",
    "1.forward ended 4/1.000 4+0",
    "1.backward started",
    "1.backward 4/1.000",
    "1.backward ended 4/1.000 4+0",
]


def explicit(*types: AxisType) -> Any:
    return jax.set_mesh(jax.make_mesh((2, 2), ("i", "j"), axis_types=types))


def place(ys: jax.Array) -> jax.Array:
    return jax.device_put(ys, NamedSharding(jax.sharding.get_mesh(), SHARDED))


def total(solve: Any, y: Any) -> Any:
    return run(solve, y, saveat=dfx.SaveAt(t1=True, fn=lambda t, y, args: y.sum()), **EULER).ys


@pytest.mark.parametrize("types", [(AxisType.Explicit,) * 2, (AxisType.Explicit, AxisType.Auto)])
def test_explicit_mesh(types: tuple[AxisType, AxisType]) -> None:
    """Where a mesh is set, each array is of it, and so is what the host answers: eager, compiled, or sharded."""
    with explicit(*types):
        y = YS[0]
        assert story(told_by(lambda solve: lambda y: run(solve, y).ys, y)) == FOUR_STEPS
        gradient = lambda solve: jax.jit(jax.value_and_grad(lambda y: loss(solve, y, adjoint=DIRECT)))
        told = [line.removesuffix("&0") for line in story(told_by(gradient, y))]
        assert told == OF_A_GRADIENT
        assert story(told_by(lambda solve: jax.jit(lambda y: total(solve, y)), place(y))) == FOUR_STEPS


def test_vmap_over_an_explicit_axis() -> None:
    """Lanes that are sharded stay so: what has none gets them over the same devices."""
    with explicit(AxisType.Explicit, AxisType.Explicit):
        told = told_by(lambda solve: jax.jit(jax.vmap(lambda y: run(solve, y, **EULER).ys)), place(YS))
    assert [line.removeprefix("1.") for line in story(told)] == shard_story([str(i) for i in range(8)])


def test_the_name_of_a_vmap() -> None:
    """A field may sum over the lanes of a vmap, or over the devices of a shard_map, by the axis's name."""
    field = dfx.ODETerm(lambda t, y, args: -y * jax.lax.pmean(y, "i"))
    make = lambda solve: lambda y: solve(field, dfx.Heun(), 0.0, 1.0, 0.25, y, max_steps=16).ys
    told = told_by(lambda solve: jax.jit(jax.vmap(make(solve), axis_name="i")), YS[:2])
    assert story(told)[-1] == "1.forward ended 4/1.000 8+0"


def test_a_mesh_with_axes_of_both_sorts(mesh: Mesh, capsys: pytest.CaptureFixture[str]) -> None:
    """jax can't call the host where some axes are manual and others are not; the solve runs, and it is said why."""
    mesh = jax.make_mesh((2, 2), ("i", "j"), axis_types=(AxisType.Auto,) * 2)
    names = {"in_specs": SHARDED, "out_specs": SHARDED, "check_vma": False, "axis_names": {"i"}}
    told = told_by(lambda solve: jax.jit(jax.shard_map(lambda y: run(solve, y, **EULER).ys[0], mesh=mesh, **names)), YS)
    assert told == []
    assert "a program with a solve in it reports nothing: jax has no calls to the host" in capsys.readouterr().err
