"""A loop as one primitive that holds its jaxpr, traced once, gate and taps included.

Traced side. Lowered, it runs in chunks, without gate and taps. Batched, it holds the batched jaxpr. Differentiated, it
*is* that jaxpr: gate, taps, checkpointing and all; but of a checkpointed loop, which is a `custom_vjp`, the two loops
that its derivative consists of become such primitives in their turn, and of those, what nobody reads is left out, as of
a `while`. Not a `custom_jvp`: around the `custom_vjp` of a checkpointed loop that fails under grad of vmap ("can't
apply forward-mode autodiff to a custom_vjp function").

Operands of `loop_p`:

| operands | how many            | shape, dtype      |                                                               |
| -------- | ------------------- | ----------------- | ------------------------------------------------------------- |
| inputs   | `len(jaxpr.invars)` | as `jaxpr.invars` | what the loop closes over, so that it can be differentiated   |
|          |                     |                   | and batched; and the arrays that go into it: of diffrax's     |
|          |                     |                   | state, of checkpoints, of cotangents                          |

Parameters: `jaxpr`, the loop, with the lanes of the vmaps around it already in it, and without constants: it outlives
the trace whose tracers they would be; `used`, `counts` and `tells`, as `soltrace.traced.chunk` has them; `primal`, of a
loop with tangents: the parameters of the one without, and where its operands are. Results: as `jaxpr.outvars`.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
from jax.core import eval_jaxpr
from jax.custom_batching import custom_vmap
from jax.custom_derivatives import SymbolicZero
from jax.extend import linear_util
from jax.extend.core import ClosedJaxpr, Jaxpr, Literal, Primitive  # pyright: ignore[reportPrivateImportUsage] - 0.12: one with Jaxpr
from jax.extend.core.primitives import while_p
from jax.interpreters import ad, batching, mlir
from jax.interpreters import partial_eval as pe

from soltrace.traced import marks
from soltrace.traced._jax import Dims, join_arrays, stage, zero_tangent
from soltrace.traced.checked import let_checkify_into
from soltrace.traced.chunk import eval_in_chunks, has_chunks
from soltrace.traced.prune import pruned

loop_p = Primitive("soltrace_loop")
loop_p.multiple_results = True


def bind_loop(
    closed: ClosedJaxpr,
    operands: Sequence[Any],
    *,
    used: frozenset[int] | None = None,
    counts: frozenset[int] = frozenset(),
) -> list[Any]:
    """Run a loop, given as the jaxpr that has its gated or tapped `while`.

    Args:
        closed: The jaxpr, with its constants.
        operands: Values of its inputs.
        used: Which outputs are read, if the loop is one that nobody differentiates. The others come back as they went
            in. None: all are read.
        counts: Which of these outputs are diffrax's own counts.

    Returns:
        Values of its outputs.
    """
    params = {"used": used, "counts": counts, "tells": True, "primal": None}
    return loop_p.bind(*closed.consts, *operands, jaxpr=_without_constants(closed), **params)


def _without_constants(closed: ClosedJaxpr) -> Jaxpr:
    """Make the constants the first of the inputs. Not `closed.jaxpr`: in jax 0.12 that is the same with them."""
    jaxpr = closed.jaxpr
    return jaxpr.replace(constvars=(), invars=[*jaxpr.constvars, *jaxpr.invars])


def _lower(*operands: Any, jaxpr: Any, primal: Any, **chunks: Any) -> list[Any]:
    return eval_in_chunks(jaxpr, (), operands, **chunks)


@loop_p.def_impl
def _impl(*operands: Any, **params: Any) -> list[Any]:
    return jax.jit(lambda *xs: _lower(*xs, **params))(*operands)


@loop_p.def_abstract_eval
def _abstract(*_: Any, jaxpr: Any, **__: Any) -> list[Any]:
    return [v.aval for v in jaxpr.outvars]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], **params: Any) -> tuple[Any, Any]:
    jaxpr = params["jaxpr"]
    moving = [type(t) is not ad.Zero for t in tangents]

    def differentiated(*moved: Any, primals: Sequence[Any] = primals) -> list[Any]:
        next_moved = iter(moved)
        values = [next(next_moved) if m else p for m, p in zip(moving, primals, strict=True)]
        return eval_with_loops(jaxpr, (), values)

    pick = lambda values: [x for x, m in zip(values, moving, strict=True) if m]
    unmoved = set(range(len(jaxpr.outvars)))

    @jax.custom_jvp
    def note(*outs: Any) -> tuple[Any, ...]:
        return outs

    def _note(outs: Any, tangents: Any) -> tuple[Any, Any]:
        unmoved.difference_update(i for i, t in enumerate(tangents) if type(t) is not SymbolicZero)
        return outs, tangents

    note.defjvp(_note, symbolic_zeros=True)

    def push(*values: Any) -> list[Any]:
        primals, tangents = values[: len(moving)], list(values[len(moving) :])
        noted = lambda *moved: note(*differentiated(*moved, primals=primals))
        outs, out_tangents = jax.jvp(noted, pick(primals), tangents)
        # What is zero stays a symbol, as of a `while`: what later loops compute with it would be rounded otherwise.
        return [*outs, *[t for i, t in enumerate(out_tangents) if i not in unmoved]]

    if _has_rules(jaxpr):  # of its own, which wait for the transposition
        results = push(*primals, *pick(tangents))
    else:
        results = _run_pushed(push, [*primals, *pick(tangents)], params, len(primals))
    outs, moved = results[: len(jaxpr.outvars)], iter(results[len(jaxpr.outvars) :])
    return outs, [zero_tangent(x) if i in unmoved else next(moved) for i, x in enumerate(outs)]


def _has_rules(jaxpr: Any) -> bool:
    """Say whether the loop is inside a `custom_vjp`."""
    ours = ((e, x) for e in jaxpr.eqns for x in marks.calls(e) if has_chunks(x.jaxpr))
    return any(e.primitive.name == "custom_vjp_call" or _has_rules(x.jaxpr) for e, x in ours)


def _run_pushed(
    push: Callable[..., list[Any]], operands: Sequence[Any], primal: dict[str, Any], count: int
) -> list[Any]:
    """Run a loop that computes tangents beside its values, in chunks too."""
    closed = jax.make_jaxpr(push)(*operands)
    if not has_chunks(closed.jaxpr):
        return push(*operands)
    first = len(closed.consts)
    params = {"used": None, "counts": frozenset(), "tells": True}
    params |= {"primal": (tuple(primal.items()), first, first + count)}
    return loop_p.bind(*closed.consts, *operands, jaxpr=_without_constants(closed), **params)


def _partial_eval(trace: Any, *tracers: Any, primal: Any, **params: Any) -> list[Any]:
    """Of a loop with tangents that are not known yet, compute the values, which are: as a `while` does it."""
    run: Callable[..., list[Any]] = partial(trace.default_process_primitive, loop_p)
    of_primal, first, last = primal or ((), 0, 0)
    known = tracers[first:last]
    if not known or not all(x.is_known() for x in known) or all(x.is_known() for x in tracers):
        return run(tracers, params | {"primal": primal})
    values = run(known, dict(of_primal))
    # The tangents' loop computes the values again.
    return [*values, *run(tracers, params | {"primal": None, "tells": False})[len(values) :]]


def _partial_eval_custom(_: Any, unknown: Sequence[bool], here: Sequence[bool], eqn: Any) -> Any:
    """Do the same where a checkpoint is differentiated: what is known runs, and all of it again on the way back."""
    count, primal = len(eqn.outvars), eqn.params["primal"]
    of_primal, first, last = primal or ((), 0, 0)
    missing = [x for x, is_here in zip(eqn.invars, here, strict=True) if not is_here and not isinstance(x, Literal)]
    if not any(unknown):
        return eqn, eqn, [False] * count, [True] * count, missing
    if not of_primal or any(unknown[first:last]):
        return None, eqn, [True] * count, [True] * count, missing
    params = dict(of_primal)
    known = len(params["jaxpr"].outvars)
    values = eqn.replace(invars=eqn.invars[first:last], outvars=eqn.outvars[:known], params=params)
    # It is taken apart once more on the way back.
    silent = tuple((params | {"tells": False}).items())
    again = eqn.replace(params=eqn.params | {"primal": (silent, first, last), "tells": False})
    return values, again, [False] * known + [True] * (count - known), [True] * count, missing


def _dce(used: list[bool], *rest: Any) -> tuple[list[bool], Any]:
    """Leave out what nobody reads of a loop of a derivative; of another one, `used` says what is read."""
    eqn = rest[-1]  # before it, in jax 0.12: which of the operands that are references are read later
    jaxpr, of_primal = eqn.params["jaxpr"], eqn.params["primal"] is not None
    if not any(used):
        return [False] * len(eqn.invars), None
    if of_primal or eqn.params["used"] is not None or (told := pruned(jaxpr, used)) is None:
        return [True] * len(eqn.invars), eqn
    jaxpr, kept = told
    invars = [x for x, k in zip(eqn.invars, kept, strict=True) if k]
    outvars = [x for x, u in zip(eqn.outvars, used, strict=True) if u]
    return kept, eqn.replace(invars=invars, outvars=outvars, params=eqn.params | {"jaxpr": jaxpr})


def eval_with_loops(jaxpr: Any, consts: Sequence[Any], args: Sequence[Any]) -> list[Any]:
    """Evaluate the jaxpr of a checkpointed loop, so that the loops of its derivative are run by `loop_p`."""
    known = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, args, strict=True))
    read = lambda v: v.val if isinstance(v, Literal) else known[v]
    for eqn in jaxpr.eqns:
        values, params = [read(v) for v in eqn.invars], eqn.primitive.get_bind_params(eqn.params)
        call = next((x for x in marks.calls(eqn) if has_chunks(x.jaxpr)), None)
        if call is not None and "subfuns" in params:
            value, forward, backward = params.pop("subfuns")
            outs = eqn.primitive.bind(*values, subfuns=(value, _as_loop(forward), _as_loop(backward)), **params)
        elif call is not None:
            outs = eval_with_loops(call.jaxpr, call.consts, values)
        else:
            outs = eqn.primitive.bind(*values, **params)
            outs = outs if eqn.primitive.multiple_results else [outs]
        known.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


def _as_loop(function: linear_util.WrappedFun) -> linear_util.WrappedFun:
    """Let a rule of a `custom_vjp` be traced, and its loop be run by `loop_p`."""

    def looped(*args: Any) -> Any:
        closed, arrays, out_rest = stage(lambda args: function.call_wrapped(*args), args)
        run = bind_loop if has_chunks(closed.jaxpr) else lambda c, xs: eval_jaxpr(c.jaxpr, c.consts, *xs)
        return join_arrays(run(closed, arrays), out_rest)

    return linear_util.wrap_init(looped, debug_info=function.debug_info)


def _batch(axis: Any, operands: Sequence[Any], dims: Dims, *, jaxpr: Any, **params: Any) -> tuple[list[Any], Dims]:
    if all(d is None for d in dims):
        outs = loop_p.bind(*operands, jaxpr=jaxpr, **params)
        return outs, [None] * len(outs)
    alike: set[int] = set()

    def run(*xs: Any) -> list[Any]:
        same: dict[int, Any] = {}

        @custom_vmap
        def note(*outs: Any) -> tuple[Any, ...]:
            return outs

        @note.def_vmap
        def _note(_: int, mapped: Sequence[bool], *outs: Any) -> tuple[Any, tuple[bool, ...]]:
            same.update({i: out for i, (m, out) in enumerate(zip(mapped, outs, strict=True)) if not m})
            return outs, tuple(mapped)

        lane = lambda *xs: note(*eval_jaxpr(jaxpr, (), *xs))
        names = {"axis_name": axis.name, "axis_size": axis.size, "spmd_axis_name": axis.spmd_name}
        outs = jax.vmap(lane, in_axes=tuple(dims), **names)(*xs)
        alike.update(same)
        # What is the same for all lanes stays one: of the user's progress meter, what it shows when it is closed.
        return [same.get(i, out) for i, out in enumerate(outs)]

    batched = jax.make_jaxpr(run)(*operands)
    params |= {"jaxpr": _without_constants(batched), "primal": None}
    outs = loop_p.bind(*batched.consts, *operands, **params)
    return outs, [None if i in alike else 0 for i in range(len(outs))]


# A loop may hold a "high" primitive: `jnp.searchsorted`, which each interpolation calls, is one in jax 0.12. The loop
# is then asked for "low" ones, once nothing differentiates or batches it any more.
loop_p.to_lojax = _impl  # pyright: ignore[reportAttributeAccessIssue]
ad.primitive_jvps[loop_p] = _jvp
ad.primitive_transposes[loop_p] = ad.primitive_transposes[while_p]  # which says that it can't be
pe.custom_partial_eval_rules[loop_p] = _partial_eval
pe.partial_eval_jaxpr_custom_rules[loop_p] = _partial_eval_custom
pe.dce_rules[loop_p] = _dce
batching.fancy_primitive_batchers[loop_p] = _batch
let_checkify_into(loop_p)
mlir.register_lowering(loop_p, mlir.lower_fun(_lower, multiple_results=True))
