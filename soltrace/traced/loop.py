"""The solver's whole loop as one primitive that holds its jaxpr, traced once, gate and taps included.

Traced side. Differentiated, it *is* that jaxpr: gate, taps, checkpointing and all. Batched, it holds the batched jaxpr.
Otherwise it is lowered in chunks, without the gate. Not a `custom_jvp`: around the `custom_vjp` of a checkpointed loop
that fails under grad of vmap ("can't apply forward-mode autodiff to a custom_vjp function").

Operands of `loop_p`, in order:

| operands | how many             | shape, dtype            |                                                       |
| -------- | -------------------- | ----------------------- | ----------------------------------------------------- |
| handle   | 1                    | int32[]                 | of the pass; never batched                            |
| wanted   | 1                    | int32[]                 | the first step to report; never batched               |
| inputs   | `len(jaxpr.invars)`  | as `jaxpr.invars`       | what the loop closes over, so that it can be          |
|          |                      |                         | differentiated and batched; and the arrays of         |
|          |                      |                         | diffrax's state that goes into it                     |

Parameters: `jaxpr`, the loop, with the lanes of the vmaps around it already in it, and without constants: it outlives
the trace whose tracers they would be; `used`, which results are read by anybody, by index; `report`, what a chunk
tells. Results: as `jaxpr.outvars`, the arrays of diffrax's state that comes out of the loop.
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.core import eval_jaxpr
from jax.custom_batching import custom_vmap
from jax.extend.core import ClosedJaxpr, Jaxpr, Primitive  # pyright: ignore[reportPrivateImportUsage] - 0.12: one with Jaxpr
from jax.interpreters import ad, batching, mlir

from soltrace.traced._jax import Dims, zero_tangent
from soltrace.traced.chunk import ChunkReport, eval_in_chunks

loop_p = Primitive("soltrace_loop")
loop_p.multiple_results = True


def bind_loop(
    closed: ClosedJaxpr, operands: Sequence[Any], *, start: Sequence[Any], used: frozenset[int], report: ChunkReport
) -> list[Any]:
    """Run a loop, given as the jaxpr that has its gated `while`.

    Args:
        closed: The jaxpr, with its constants.
        operands: Values of its inputs.
        start: int32 scalars, the handle of the pass and the first step to report.
        used: Which outputs are read. The others come back as they went in.
        report: What a chunk sends to the host.

    Returns:
        Values of its outputs.
    """
    return loop_p.bind(*start, *closed.consts, *operands, jaxpr=_without_constants(closed), used=used, report=report)


def _without_constants(closed: ClosedJaxpr) -> Jaxpr:
    """Make the constants the first of the inputs. Not `closed.jaxpr`: in jax 0.12 that is the same with them."""
    jaxpr = closed.jaxpr
    return jaxpr.replace(constvars=(), invars=[*jaxpr.constvars, *jaxpr.invars])


def _lower(handle: Any, wanted: Any, *operands: Any, jaxpr: Any, **chunks: Any) -> list[Any]:
    return eval_in_chunks(jaxpr, (), operands, start=(handle, wanted), **chunks)


@loop_p.def_impl
def _impl(*operands: Any, **params: Any) -> list[Any]:
    return jax.jit(lambda *xs: _lower(*xs, **params))(*operands)


@loop_p.def_abstract_eval
def _abstract(*_: Any, jaxpr: Any, **__: Any) -> list[Any]:
    return [v.aval for v in jaxpr.outvars]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Any, **_: Any) -> tuple[Any, Any]:
    primals, tangents = primals[2:], tangents[2:]
    moving = [type(t) is not ad.Zero for t in tangents]

    def differentiated(*moved: Any) -> list[Any]:
        next_moved = iter(moved)
        values = [next(next_moved) if m else p for m, p in zip(moving, primals, strict=True)]
        return eval_jaxpr(jaxpr, (), *values)

    pick = lambda values: [x for x, m in zip(values, moving, strict=True) if m]
    outs, out_tangents = jax.jvp(differentiated, pick(primals), pick(tangents))
    is_none = lambda t: t.dtype == jax.dtypes.float0
    return outs, [zero_tangent(x) if is_none(t) else t for x, t in zip(outs, out_tangents, strict=True)]


def _batch(axis: Any, operands: Sequence[Any], dims: Dims, *, jaxpr: Any, **params: Any) -> tuple[list[Any], Dims]:
    if all(d is None for d in dims):
        outs = loop_p.bind(*operands, jaxpr=jaxpr, **params)
        return outs, [None] * len(outs)
    (handle, wanted, *operands), dims = operands, tuple(dims[2:])
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
        outs = jax.vmap(lane, in_axes=dims, **names)(*xs)
        alike.update(same)
        # What is the same for all lanes stays one: of the user's progress meter, what it shows when it is closed.
        return [same.get(i, out) for i, out in enumerate(outs)]

    batched = jax.make_jaxpr(run)(*operands)
    report = params["report"].batched([i not in alike for i in params["report"].leaves])
    params |= {"jaxpr": _without_constants(batched), "report": report}
    outs = loop_p.bind(handle, wanted, *batched.consts, *operands, **params)
    return outs, [None if i in alike else 0 for i in range(len(outs))]


# A loop may hold a "high" primitive: `jnp.searchsorted`, which each interpolation calls, is one in jax 0.12. The loop
# is then asked for "low" ones, once nothing differentiates or batches it any more.
loop_p.to_lojax = _impl  # pyright: ignore[reportAttributeAccessIssue]
ad.primitive_jvps[loop_p] = _jvp
batching.fancy_primitive_batchers[loop_p] = _batch
mlir.register_lowering(loop_p, mlir.lower_fun(_lower, multiple_results=True))
