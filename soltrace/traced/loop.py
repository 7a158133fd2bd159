"""The solver's whole loop as one primitive that holds its jaxpr, traced once, gate and taps included.

Traced side. Differentiated, it *is* that jaxpr: gate, taps, checkpointing and all. Batched, it holds the batched jaxpr.
Otherwise it is lowered in chunks, without the gate. Not a `custom_jvp`: around the `custom_vjp` of a checkpointed loop
that fails under grad of vmap ("can't apply forward-mode autodiff to a custom_vjp function").
"""

from collections.abc import Sequence
from typing import Any

import jax
from jax.core import ShapedArray, eval_jaxpr
from jax.extend.core import ClosedJaxpr, Primitive  # pyright: ignore[reportPrivateImportUsage] - 0.12: one with Jaxpr
from jax.interpreters import ad, batching, mlir

from soltrace.traced._jax import Dims
from soltrace.traced.chunk import Report, eval_in_chunks

loop_p = Primitive("soltrace_loop")
loop_p.multiple_results = True


def bind_loop(
    closed: ClosedJaxpr, operands: Sequence[Any], *, start: Sequence[Any], used: frozenset[int], report: Report
) -> list[Any]:
    """Run the jaxpr of a loop that holds a gated `while`.

    Args:
        closed: Its constants are made operands, so that they can be differentiated and batched.
        operands: Values of its inputs.
        start: int32 scalars, the pass's handle and the first step to report.
        used: Which outputs are read; the others come back as they went in.
        report: What a chunk tells.
    """
    consts = len(closed.consts)
    return loop_p.bind(*start, *closed.consts, *operands, jaxpr=closed.jaxpr, consts=consts, used=used, report=report)


def _lower(handle: Any, wanted: Any, *operands: Any, jaxpr: Any, consts: int, used: Any, report: Report) -> list[Any]:
    return eval_in_chunks(jaxpr, operands[:consts], operands[consts:], used=used, report=report, start=(handle, wanted))


@loop_p.def_impl
def _impl(*operands: Any, **params: Any) -> list[Any]:
    return jax.jit(lambda *xs: _lower(*xs, **params))(*operands)


@loop_p.def_abstract_eval
def _abstract(*_: Any, jaxpr: Any, **__: Any) -> list[ShapedArray]:
    outs = [v.aval for v in jaxpr.outvars]
    return [ShapedArray(a.shape, a.dtype, weak_type=a.weak_type) for a in outs]


def _jvp(primals: Sequence[Any], tangents: Sequence[Any], *, jaxpr: Any, consts: int, **_: Any) -> tuple[Any, Any]:
    primals, tangents = primals[2:], tangents[2:]
    moving = [type(t) is not ad.Zero for t in tangents]

    def differentiated(*moved: Any) -> list[Any]:
        next_moved = iter(moved)
        values = [next(next_moved) if m else p for m, p in zip(moving, primals, strict=True)]
        return eval_jaxpr(jaxpr, values[:consts], *values[consts:])

    pick = lambda values: [x for x, m in zip(values, moving, strict=True) if m]
    outs, out_tangents = jax.jvp(differentiated, pick(primals), pick(tangents))
    none = lambda t: ad.Zero(ShapedArray(t.shape, t.dtype))
    return outs, [none(t) if t.dtype == jax.dtypes.float0 else t for t in out_tangents]


def _batch(operands: Sequence[Any], dims: Dims, *, jaxpr: Any, consts: int, **params: Any) -> tuple[Any, list[int]]:
    (handle, wanted, *operands), (_, _, *dims) = operands, dims
    run = lambda *xs: eval_jaxpr(jaxpr, xs[:consts], *xs[consts:])
    batched = jax.make_jaxpr(jax.vmap(run, in_axes=tuple(dims)))(*operands)
    params |= {"jaxpr": batched.jaxpr, "consts": len(batched.consts)}
    outs = loop_p.bind(handle, wanted, *batched.consts, *operands, **params)
    return outs, [0] * len(outs)


ad.primitive_jvps[loop_p] = _jvp
batching.primitive_batchers[loop_p] = _batch
mlir.register_lowering(loop_p, mlir.lower_fun(_lower, multiple_results=True))
