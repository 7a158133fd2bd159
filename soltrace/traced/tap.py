"""The tap: an identity whose *transpose* calls the host. It is how a backward pass is seen.

Traced side. A tap on a loop's outputs is transposed when their cotangents arrive (the backward pass starts), one on its
inputs when their cotangents leave (it ends), and one in its body at every step that is transposed. Beside the values it
carries the *pace*, which goes through the loop: on the way forwards it is what `gate` makes of it, and on the way back
its *cotangent* goes from step to step with the host's answer. A handle of zero there means that this is no real step,
but the padding of a bounded loop or a lane that had finished.

Not a `custom_vjp`, which forward mode can't go through: the tap is linear, so `jvp`, `grad` and `hessian` all can.

Operands of `tap_p`, in order; `*lanes` are the axes of the enclosing vmaps, outermost first:

| operands | how many   | shape         | dtype       |                                                          |
| -------- | ---------- | ------------- | ----------- | -------------------------------------------------------- |
| values   | any number | any           | any         | what is watched; they keep the axes that they have       |
| pace     | 1          | `[*lanes, 2]` | float32     | primal: (step wanted, handle of the forward pass);       |
|          |            |               |             | cotangent: (elapsed wanted, handle of the backward pass) |
| sent     | `sent`     | `[*lanes]`    | int, float  | at a start or an end: handle of the forward pass;        |
|          |            |               |             | at a step: steps before it, t where it began, t0         |

`elapsed` is t - t0, which falls to 0 on the way back. What is sent has no tangent, and may lack an axis of lanes in
which it is the same for all. Values without a tangent (integers, keys) are watched too: with any of its values the
whole equation lives, and what is sent with it; and whichever of them is batched, the pace is.

Parameters: `signal`, one of the three of a backward pass, or None: tell nothing; `info`, the solve's `SolveInfo`;
`sent`, how many operands are sent; `hold`, let the cotangents wait for the answer; `transposed`, whether this is the
transpose, which calls the host; `in_body`, whether it is in the body of the loop that it is about. Results: the values
and the pace, as they came in; of the transpose of a start or a step, with a pace that the host has answered.
"""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jax.extend.core import JaxprEqn, Primitive
from jax.interpreters import ad, batching, mlir
from jax.interpreters import partial_eval as pe
from jax.typing import ArrayLike

from soltrace import host
from soltrace.traced._jax import Dims, lenient, new_axis, to_lanes
from soltrace.traced.emit import emit, witness
from soltrace.traced.widen import widen

tap_p = Primitive("soltrace_tap")
tap_p.multiple_results = True


def tap(
    signal: host.Signal | None,
    info: host.SolveInfo,
    tree: Any,
    pace: jax.Array,
    sent: Sequence[ArrayLike],
    *,
    hold: bool = False,
) -> tuple[Any, jax.Array]:
    """Return `tree` and `pace` as they are, and call the host when their cotangents pass.

    Args:
        signal: BACKWARD_START, BACKWARD_STEP or BACKWARD_END; None: only let what is sent live with the tree.
        info: What is known of the solve while it is traced.
        tree: A pytree. Its arrays are watched, and the rest goes through.
        pace: float32[2].
        sent: Scalars that the call needs. At a start or an end: the handle of the forward pass. At a step: how many
            came before it, t where it began, t0.
        hold: Let the cotangents wait for the host's answer, where nothing else keeps what follows from running first;
            without a signal, let the tree wait for what is sent.
    """
    watched, rest = eqx.partition(tree, eqx.is_array)
    leaves, treedef = jtu.tree_flatten(watched)
    sent = [jax.lax.stop_gradient(jnp.asarray(x)) for x in sent]
    params = {"signal": signal, "info": info, "sent": len(sent), "hold": hold, "transposed": False}
    params["in_body"] = signal is host.Signal.BACKWARD_STEP
    *leaves, pace = tap_p.bind(*leaves, pace, *sent, **params)
    return eqx.combine(jtu.tree_unflatten(treedef, leaves), rest), pace


@tap_p.def_abstract_eval
def _abstract(*operands: Any, sent: int, **_: Any) -> list[Any]:
    return list(operands[:-sent])


@tap_p.def_impl
def _impl(
    *operands: Any, signal: host.Signal | None, info: host.SolveInfo, sent: int, hold: bool, transposed: bool, **_: bool
) -> list[Any]:
    *values, pace = operands[:-sent]
    if signal is None and hold:
        values = _held(values, operands[-1])
    if signal is None or not transposed:
        return [*values, pace]
    if signal is host.Signal.BACKWARD_STEP:
        step, t, t0 = operands[-sent:]
        return [*values, _step(pace, step, t, t0, info)]
    return _edge(signal, values, pace, operands[-1], info, hold=hold)


@lenient
def _step(pace: jax.Array, step: jax.Array, t: jax.Array, t0: jax.Array, info: host.SolveInfo) -> jax.Array:
    tell = lambda pace: report_transposed(pace, step, t, t0, info)
    return jax.lax.cond(is_due(pace, t, t0), tell, lambda pace: pace, pace)


@lenient
def is_due(pace: jax.Array, t: jax.Array, t0: jax.Array) -> jax.Array:
    """Say whether a lane has come to where the host wants the next report. Operands are those of `tap_p`."""
    return jnp.any((pace[..., 1] >= 1.0) & (t - t0 <= pace[..., 0]))


@lenient
def report_transposed(pace: jax.Array, step: jax.Array, t: jax.Array, t0: jax.Array, info: host.SolveInfo) -> jax.Array:
    """Report a transposed step now; the pace with the answer, in the lanes at a real step. Operands: as of `tap_p`."""
    wanted, handle = pace[..., 0], pace[..., 1]
    answer = emit(host.Signal.BACKWARD_STEP, info, [step], [(t - t0).astype(jnp.float32), wanted, handle])
    return jnp.where(handle[..., None] >= 1.0, jnp.stack(answer), pace)


@lenient
def _edge(
    signal: host.Signal,
    values: list[jax.Array],
    pace: jax.Array,
    handle: jax.Array,
    info: host.SolveInfo,
    *,
    hold: bool,
) -> list[jax.Array]:
    # Of the axes that there are now, the forward pass has those of its handle: the others are of outputs.
    lane = jnp.arange(handle.size).reshape(handle.shape)
    # The call has to depend on the cotangents, or it runs before they are there.
    answer = emit(signal, info, [handle, lane], [pace[..., 1], witness(values)])
    if hold:
        values = _held(values, answer[1])
    starts = signal is host.Signal.BACKWARD_START
    return [*values, jnp.broadcast_to(jnp.stack(answer), pace.shape) if starts else pace]


@lenient
def _held(values: list[jax.Array], answer: jax.Array) -> list[jax.Array]:
    """Let values wait for an answer, which is never negative."""
    last = answer.max()
    return [jnp.where(last == -1, jnp.nan, x) if eqx.is_inexact_array(x) else x for x in values]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, transposed: bool, **params: Any) -> tuple[Any, Any]:
    outs = tap_p.bind(*primals, transposed=transposed, **params)
    sent = params["sent"]
    *tangents, pace = tangents[:-sent]
    moving = [i for i, t in enumerate(tangents) if type(t) is not ad.Zero and jax.typeof(t).dtype != jax.dtypes.float0]
    also = primals[-sent:]
    if params["signal"] is host.Signal.BACKWARD_START and type(pace) is ad.Zero:
        params["signal"] = None  # nothing that went into the solve moves: there is nothing to go back through
    if transposed:  # the derivative of a backward pass: its primal tells, and is kept by whatever uses the tangents
        params |= {"signal": None, "sent": 1}
        pace, also = ad.Zero(jax.typeof(outs[-1]).to_tangent_aval()), [outs[-1]]
    # Only what moves: making the other tangents real would differentiate what nobody asked for.
    moved = tap_p.bind(*[tangents[i] for i in moving], ad.instantiate_zeros(pace), *also, transposed=False, **params)
    for i, t in zip(moving, moved, strict=False):
        tangents[i] = t
    return outs, [*tangents, moved[-1]]


def _transpose(cotangents: Sequence[Any], *operands: Any, transposed: bool, sent: int, **params: Any) -> list[Any]:
    if any(map(ad.is_undefined_primal, operands[-sent:])):
        # Of a loop without a way back nothing is known here: its own transposition says so.
        return [*cotangents, *[None] * sent]
    *cotangents, pace = cotangents
    moving = [i for i, c in enumerate(cotangents) if type(c) is not ad.Zero]
    *moved, pace = tap_p.bind(
        *[cotangents[i] for i in moving],
        ad.instantiate_zeros(pace),
        *operands[-sent:],
        transposed=not transposed,
        sent=sent,
        **params,
    )
    for i, c in zip(moving, moved, strict=True):
        cotangents[i] = c
    return [*cotangents, pace, *[None] * sent]


def _batch(operands: Sequence[jax.Array], dims: Dims, *, sent: int, **params: Any) -> tuple[list[Any], Dims]:
    # The values keep their axes as they are: broadcasting the weights of a network to a thousand lanes would change
    # what is computed. What is sent gets its lanes in front, as the pace does.
    n = len(operands) - sent - 1
    depth = operands[n].ndim - 1 - (dims[n] is not None)
    pace = widen(operands[n], dims[n], new_axis(operands, dims))
    told = [to_lanes(x, d, depth) for x, d in zip(operands[n + 1 :], dims[n + 1 :], strict=True)]
    return tap_p.bind(*operands[:n], pace, *told, sent=sent, **params), [*dims[:n], 0]


def _drop_unused(used: list[bool], *rest: Any) -> tuple[list[bool], JaxprEqn | None]:
    # Kept as a whole, it would have all of its values differentiated, and some must not be.
    # From jax 0.11 on there is an argument more, before the last.
    eqn: JaxprEqn = rest[-1]
    if not any(used):
        return [False] * len(eqn.invars), None
    if eqn.params["signal"] is host.Signal.BACKWARD_END:  # the pace is batched as each of these is, now or later
        return [True] * len(eqn.invars), eqn
    kept = [*used[:-1], True]
    used_in = kept + [True] * eqn.params["sent"]
    pick = lambda variables, which: [v for v, k in zip(variables, which, strict=True) if k]
    return used_in, eqn.replace(invars=pick(eqn.invars, used_in), outvars=pick(eqn.outvars, kept))


ad.primitive_jvps[tap_p] = _jvp
ad.primitive_transposes[tap_p] = _transpose
batching.primitive_batchers[tap_p] = _batch
pe.dce_rules[tap_p] = _drop_unused
mlir.register_lowering(tap_p, mlir.lower_fun(_impl, multiple_results=True))
