"""The sight: an identity whose *transpose* looks whether cotangents are finite. It is how a NaN in a gradient is found.

Traced side. No call to the host is in it, so that it may stand in the body of a loop: what is found travels on with a
cotangent of ours, the *row*, from where the cotangents arrive, step by step, to where they leave. There, once the
backward pass is through, the host is told. Like the tap it is linear, so that `jvp`, `grad` and `hessian` go through.

Operands of `sight_p`, in order; `*lanes` are the axes of the enclosing vmaps, outermost first:

| operands | how many        | shape           | dtype      |                                                         |
| -------- | --------------- | --------------- | ---------- | ------------------------------------------------------- |
| values   | `len(moving)`   | any             | inexact    | what is looked at; they have the axes that they need    |
| row      | 1               | `[*lanes, ROW]` | float      | primal: zeros; cotangent: see `cotangent_row`           |
| pace     | 1 where `tells` | `[*lanes, 2]`   | float32    | as of `tap_p`; its cotangent waits until the host knows |
| sent     | 3               | `[*lanes]`      | int, float | of a step: steps before it, where it began, where ended |
| primals  | `len(numbers)`  | any             | inexact    | what the cotangents of the values are of                |
| times    | that, or 0      | any             | float      | the time of each element of their first axes            |

Parameters: `numbers`, which of the solve's places each value is; `states`, how many of them, the first, are of the
solve's state; `moving`, which of these the values are, for what has no tangent is not looked at; `begins`, whether
cotangents arrive; `echoes`, whether there are results for `echo`; `tells`, what the host is told with, or None;
`lanes`, for each enclosing vmap, outermost first, whether it has batched the values (all of them), what is sent, the
primals and the times: their axis is in front then, the row's always.
Results: the values, the row and the pace as they came in; then, if it echoes, a zero like each primal.

A zero that is given to `echo`, with the values at the end of a step, brings their cotangents to where the step began.
"""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax.extend.core import JaxprEqn, Primitive
from jax.interpreters import ad, batching, mlir
from jax.interpreters import partial_eval as pe

from soltrace.traced._jax import Dims, new_axis, to_front
from soltrace.traced.cotangent_row import Seen, look, tell
from soltrace.traced.note import Wanted
from soltrace.traced.widen import widen

sight_p = Primitive("soltrace_sight")
sight_p.multiple_results = True
echo_p = Primitive("soltrace_echo")
echo_p.multiple_results = True
_SENT = 3


def sight(
    values: Sequence[jax.Array],
    numbers: tuple[int, ...],
    row: jax.Array,
    sent: Sequence[Any] = (0, 0.0, 0.0),
    *,
    states: int = 0,
    times: Sequence[jax.Array] = (),
    begins: bool = False,
    echoes: bool = False,
    telling: tuple[jax.Array, Wanted] | None = None,
) -> tuple[list[jax.Array], jax.Array, list[jax.Array]]:
    """Return values and row as they are, and look at the cotangents of the values when they pass.

    Args:
        values: Inexact arrays.
        numbers: Which of the solve's places each is.
        row: float[ROW].
        sent: Scalars: of a step, how many came before it, where it began and where it ended.
        states: How many of the values, the first, are of the solve's state.
        times: Of each value: the time of each element of its first axis. None: that of the step.
        begins: Whether the cotangents arrive here.
        echoes: Whether zeros for `echo` are returned.
        telling: The pace, and what the host is told with once they have passed.

    Returns:
        The values, the row, and then the pace if it tells, or the zeros if it echoes.
    """
    pace, tells = ([], None) if telling is None else ([telling[0]], telling[1])
    known = [jax.lax.stop_gradient(jnp.asarray(x)) for x in (*sent, *values, *times)]
    params = {"numbers": numbers, "moving": tuple(range(len(values))), "begins": begins, "echoes": echoes}
    outs = sight_p.bind(*values, row, *pace, *known, tells=tells, states=states, lanes=(), **params)
    return outs[: len(values)], outs[len(values)], outs[len(values) + 1 :]


def echo(values: Sequence[jax.Array], zeros: Sequence[jax.Array]) -> list[jax.Array]:
    """Return values as they are, and give their cotangents to zeros of a sight too."""
    return echo_p.bind(*values, *zeros)


@sight_p.def_abstract_eval
def _abstract(*operands: Any, echoes: bool, **params: Any) -> list[Any]:
    chain, numbers = _chain(params), len(params["numbers"])
    primals = operands[chain + _SENT :][:numbers]
    return [*operands[:chain], *([x.update(weak_type=False) for x in primals] if echoes else [])]


def _chain(params: Any) -> int:
    """How many operands come out again: values, row, pace."""
    return len(params["moving"]) + 1 + (params["tells"] is not None)


@sight_p.def_impl
def _impl(*operands: Any, echoes: bool, **params: Any) -> list[Any]:
    chain, numbers = _chain(params), len(params["numbers"])
    primals = operands[chain + _SENT :][:numbers]
    return [*operands[:chain], *(map(jnp.zeros_like, primals) if echoes else [])]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    outs = sight_p.bind(*primals, **params)
    moving, chain = params["moving"], _chain(params)
    values, after = list(tangents[: len(moving)]), tangents[len(moving) : chain]
    echoed = [ad.Zero(jax.typeof(x).to_tangent_aval()) for x in outs[chain:]]
    if type(after[0]) is ad.Zero and params["tells"] is None:
        return outs, [*values, *after, *echoed]  # nothing that went into the solve moves
    moves = [i for i, t in enumerate(values) if type(t) is not ad.Zero and jax.typeof(t).dtype != jax.dtypes.float0]
    params["moving"] = tuple(moving[i] for i in moves)
    moved = sight_p.bind(*[values[i] for i in moves], *map(ad.instantiate_zeros, after), *primals[chain:], **params)
    for i, t in zip(moves, moved, strict=False):
        values[i] = t
    return outs, [*values, *moved[len(moves) :]]


def _transpose(cotangents: Sequence[Any], *operands: Any, **params: Any) -> list[Any]:
    chain, count = _chain(params), len(params["moving"])
    values, after, echoed = cotangents[:count], list(cotangents[count:chain]), cotangents[chain:]
    known = operands[chain:]
    moving = [i for i, c in enumerate(values) if type(c) is not ad.Zero]
    begins = params["begins"] and bool(moving)
    unknown = any(map(ad.is_undefined_primal, known))  # of a loop without a way back: its own transposition says so
    if not unknown and (begins or type(after[0]) is not ad.Zero):
        after = _looked([(i, values[i]) for i in moving], map(ad.instantiate_zeros, after), echoed, known, params)
    return [*values, *after, *[None] * len(known)]


def _looked(moving: list[tuple[int, Any]], after: Any, echoed: Sequence[Any], known: Any, params: Any) -> list[Any]:
    """Look at cotangents, lane by lane; the row and the pace with what was found."""
    numbers, tells = params["numbers"], params["tells"]
    places = [params["moving"][i] for i, _ in moving]
    shared = {i for i in places if not all(batched[i] for batched in params["lanes"])}
    befores = {i: echoed[i] for i in places if echoed and type(echoed[i]) is not ad.Zero}
    (row, *pace), n = list(after), len(numbers)
    sent, primals, times = known[:_SENT], known[_SENT : _SENT + n], known[_SENT + n :]

    def lane(row: Any, pace: Any, sent: Any, cotangents: Any, befores: Any, primals: Any, times: Any) -> Any:
        seen = [
            Seen(
                numbers[i],
                c,
                befores.get(i),
                primals[i],
                i < params["states"],
                i in shared,
                times[i] if times else None,
            )
            for i, c in zip(places, cotangents, strict=True)
        ]
        row = look(row, seen, sent, begins=params["begins"], ends=tells is not None)
        return row, [tell(x, row, tells) for x in pace]

    for batched in reversed(params["lanes"]):
        axes = [0 if b else None for b in batched]
        own, others = axes[:n], axes[n:]
        primal_axes = others[_SENT : _SENT + n]
        into = (0, 0, others[:_SENT], [own[i] for i in places], {i: primal_axes[i] for i in befores}, primal_axes)
        lane = jax.vmap(lane, in_axes=(*into, others[_SENT + n :]))
    row, pace = lane(row, pace, list(sent), [c for _, c in moving], befores, list(primals), list(times))
    return [row, *pace]


def _batch(operands: Sequence[jax.Array], dims: Dims, *, lanes: Any, **params: Any) -> tuple[list[Any], Dims]:
    axis, chain, moving = new_axis(operands, dims), _chain(params), params["moving"]
    numbers = len(params["numbers"])
    front: Callable[[Any, int | None], Any] = lambda x, d: x if d is None else jnp.moveaxis(x, d, 0)
    moved = [
        widen(x, d, axis) if len(moving) <= i < chain else front(x, d)
        for i, (x, d) in enumerate(zip(operands, dims, strict=True))
    ]
    mapped = [d is not None for d in dims]
    values = [i in moving and mapped[moving.index(i)] for i in range(numbers)]
    outs = sight_p.bind(*moved, lanes=((*values, *mapped[chain:]), *lanes), **params)
    to_dim: Callable[[bool], int | None] = lambda is_mapped: 0 if is_mapped else None
    echoed = mapped[chain + _SENT :][:numbers] if params["echoes"] else []
    after = [0] * (chain - len(moving))
    return outs, [*map(to_dim, mapped[: len(moving)]), *after, *map(to_dim, echoed)]


def _drop_unused(used: list[bool], *rest: Any) -> tuple[list[bool], JaxprEqn | None]:
    # Kept as a whole, it would have all of its values differentiated, and some must not be.
    eqn: JaxprEqn = rest[-1]
    if not any(used):
        return [False] * len(eqn.invars), None
    moving = eqn.params["moving"]
    kept = [*used[: len(moving)], *[True] * (len(eqn.outvars) - len(moving))]
    read = [*used[: len(moving)], *[True] * (len(eqn.invars) - len(moving))]
    pick: Callable[[Any, list[bool]], list[Any]] = lambda xs, which: [x for x, k in zip(xs, which, strict=True) if k]
    params = eqn.params | {"moving": tuple(pick(moving, used[: len(moving)]))}
    return read, eqn.replace(invars=pick(eqn.invars, read), outvars=pick(eqn.outvars, kept), params=params)


ad.primitive_jvps[sight_p] = _jvp
ad.primitive_transposes[sight_p] = _transpose
batching.primitive_batchers[sight_p] = _batch
pe.dce_rules[sight_p] = _drop_unused
mlir.register_lowering(sight_p, mlir.lower_fun(_impl, multiple_results=True))


@echo_p.def_abstract_eval
def _abstract_echo(*operands: Any) -> list[Any]:
    return list(operands[: len(operands) // 2])


@echo_p.def_impl
def _impl_echo(*operands: Any) -> list[Any]:
    return list(operands[: len(operands) // 2])


def _jvp_echo(primals: Sequence[Any], tangents: Sequence[Any]) -> tuple[Any, Any]:
    count = len(primals) // 2
    values, zeros = list(tangents[:count]), tangents[count:]
    moves = [i for i, (t, z) in enumerate(zip(values, zeros, strict=True)) if ad.Zero not in (type(t), type(z))]
    if moves:
        moved = echo_p.bind(*[values[i] for i in moves], *[zeros[i] for i in moves])
        for i, t in zip(moves, moved, strict=True):
            values[i] = t
    return echo_p.bind(*primals), values


def _transpose_echo(cotangents: Sequence[Any], *_: Any) -> list[Any]:
    return [*cotangents, *cotangents]


def _batch_echo(operands: Sequence[jax.Array], dims: Dims) -> tuple[list[Any], list[int | None]]:
    axis, count = new_axis(operands, dims), len(operands) // 2
    both = [a is not None or b is not None for a, b in zip(dims[:count], dims[count:], strict=True)] * 2
    moved = [to_front(x, d, axis) if b else x for x, d, b in zip(operands, dims, both, strict=True)]
    return echo_p.bind(*moved), [0 if b else None for b in both[:count]]


def _drop_unused_echo(used: list[bool], *rest: Any) -> tuple[list[bool], JaxprEqn | None]:
    eqn: JaxprEqn = rest[-1]
    if not any(used):
        return [False] * len(eqn.invars), None
    invars = [v for v, u in zip(eqn.invars, used * 2, strict=True) if u]
    return used * 2, eqn.replace(invars=invars, outvars=[v for v, u in zip(eqn.outvars, used, strict=True) if u])


ad.primitive_jvps[echo_p] = _jvp_echo
ad.primitive_transposes[echo_p] = _transpose_echo
batching.primitive_batchers[echo_p] = _batch_echo
pe.dce_rules[echo_p] = _drop_unused_echo
mlir.register_lowering(echo_p, mlir.lower_fun(_impl_echo, multiple_results=True))
