"""`emit`: one primitive that makes one call to the host for a whole batch, and returns the host's answer.

Traced side; the methods of `_Callback` that call the host run on a callback thread. The primitive has no effect of its
own, so it passes through `custom_jvp`, `custom_vjp`, `checkpoint` and `scan`, and lives only as long as its answer is
used: thread the answer. Its tangent is zero.

Operands of `emit_p`, in order; `*lanes` are the axes of the enclosing vmaps, outermost first, so that a lane's index is
its position. A number that is the same for all lanes of a vmap has size 1 there, or lacks the axis.

| operands  | how many          | shape           | dtype                      |                                    |
| --------- | ----------------- | --------------- | -------------------------- | ---------------------------------- |
| ints      | `callback.ints`   | `[*lanes]`      | int32                      | `soltrace.host.Signal` lists them  |
| floats    | `callback.floats` | `[*lanes]`      | all float32 or all float64 | `soltrace.host.Signal` lists them  |
| extras    | `callback.extras` | `[*lanes, ...]` | any                        | traced attributes                  |
| witnesses | the rest          | any             | any                        | not sent: what the call depends on |

Parameters: `callback`, what is called on the host; `depth`, how many axes `*lanes` has. Results: the one or two scalars
that the host answers, int32 or float32, as `soltrace.host.default_answer` has them: of the whole batch, without lanes.

Operands of `call_p`, which only a program for one device is lowered to: int32[ints]; float32[floats] or
float64[floats]; the extras. Parameter and results are those of `emit_p`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jax.core import ShapedArray
from jax.experimental import io_callback
from jax.extend.core import Primitive
from jax.interpreters import ad, batching, mlir
from jax.typing import ArrayLike

from soltrace import host
from soltrace.traced._jax import (
    Dims,
    lenient,
    new_axis,
    replaced_callbacks,
    scalar_type,
    to_front,
    to_lanes,
    zero_tangent,
)
from soltrace.traced.compiling import lowering
from soltrace.traced.gpu_kernels import warn_of_choices
from soltrace.traced.reach import reaches_host
from soltrace.traced.shield import Shield

_DIRECT: Final = frozenset({"cpu", "cuda", "rocm"})
"""The platforms on which what `io_callback` lowers to is one custom call."""

emit_p = Primitive("soltrace_emit")
emit_p.multiple_results = True


@lenient
def emit(
    signal: host.Signal,
    info: host.SolveInfo | None,
    ints: Sequence[ArrayLike],
    floats: Sequence[ArrayLike] = (),
    *,
    extras: Sequence[jax.Array] = (),
    witnesses: Sequence[Any] = (),
) -> tuple[jax.Array, ...]:
    """Send a signal to the host, and return the answer.

    Args:
        signal: What has happened.
        info: What is known of the solve while it is traced.
        ints: Scalars, or arrays that broadcast to the lanes' shape in a jaxpr that is batched already; sent as int32.
        floats: The same for floats; sent as float32, or float64 if one of them is.
        extras: Further arrays to send, of any shape and dtype.
        witnesses: Arrays that aren't sent. An enclosing vmap that batches one of them is seen, and an enclosing loop
            that changes one of them keeps the call inside.

    Returns:
        The scalars that `host.receive` answers to this signal: of the batch as a whole, so without an axis for lanes.
    """
    arrays = [jnp.asarray(x) for x in (*ints, *floats)]
    dtype = jnp.result_type(jnp.float32, *[x.dtype for x in arrays[len(ints) :]])
    numbers = [x.astype(jnp.int32 if i < len(ints) else dtype) for i, x in enumerate(arrays)]
    operands = map(jax.lax.stop_gradient, (*numbers, *extras, *witnesses))
    depth = max((x.ndim for x in numbers), default=0)
    callback = _Callback(signal, info, len(ints), len(floats), len(extras))
    return tuple(emit_p.bind(*operands, callback=callback, depth=depth))


def _as_they_are(*sent: Any) -> tuple[Any, ...]:
    return sent


def _copies(ints: Any, floats: Any, *extras: Any) -> tuple[Any, Any, Sequence[Any]]:
    """Take numbers that the program has put side by side already."""
    return np.array(ints), np.array(floats), _copied(extras)


@dataclass(frozen=True)
class _Callback:
    """What a program calls on the host: the signal that it sends, and how many of the operands are what."""

    signal: host.Signal
    info: host.SolveInfo | None
    ints: int
    floats: int
    extras: int

    @property
    def numbers(self) -> int:
        return self.ints + self.floats

    @property
    def sent(self) -> int:
        return self.numbers + self.extras

    def is_of_no_lane(self, operands: Sequence[Any]) -> bool:
        """Say whether the batch is empty, of which there is nothing to tell. Operands, or their types."""
        return any(0 in x.shape for x in operands[: self.numbers])

    def answer(self) -> list[ShapedArray]:
        default = host.default_answer(self.signal)
        return [scalar_type(default.dtype)] * default.size

    def call(self, *sent: Any) -> tuple[Any, ...]:
        """Call the host."""
        return self.receive(*self.pack(*sent))

    def pack(self, *sent: Any) -> tuple[Any, Any, Sequence[Any]]:
        """Put numbers side by side. Runs on a callback thread.

        Copies: on the CPU the arrays are views of memory that the program takes back when the call returns.
        """
        numbers, extras = sent[: self.numbers], sent[self.numbers :]
        shapes = [x.shape for x in numbers if x.shape]
        # A number that is the same for all lanes of a vmap has no axis for it.
        shape = np.broadcast_shapes(*shapes) if shapes else ()
        ints = _pack(numbers[: self.ints], shape, np.int32)
        return ints, _pack(numbers[self.ints :], shape, np.float32), _copied(extras)

    def receive(self, ints: Any, floats: Any, extras: Sequence[Any]) -> tuple[Any, ...]:
        """Tell the host; its answer, a scalar each. Runs on a callback thread."""
        return _scalars(host.receive(self.signal, self.info, ints, floats, extras))

    def shielded(self, receive: Callable[..., Any], pack: Callable[..., Any] = _as_they_are) -> Shield:
        """Have nothing that is raised on the host reach the program."""
        return Shield(pack, receive, _scalars(host.default_answer(self.signal)))


def _copied(arrays: Sequence[Any]) -> list[Any]:
    return [np.array(x) for x in arrays]


def _scalars(answer: np.ndarray[Any, Any]) -> tuple[Any, ...]:
    return (*answer,) if answer.ndim else (answer[()],)


def _pack(numbers: Sequence[Any], shape: tuple[int, ...], dtype: Any) -> np.ndarray[Any, Any]:
    """Put numbers side by side: one array [*lanes, how many]."""
    packed = np.empty((*shape, len(numbers)), numbers[0].dtype if numbers else dtype)
    for i, x in enumerate(numbers):
        packed[..., i] = x
    return packed


@lenient
def witness(tree: Any) -> jax.Array:
    """Make a float32 scalar that depends on each array of a pytree: a call that takes it can't run before they do."""
    arrays = [x for x in jtu.tree_leaves(tree) if isinstance(x, jax.Array) and x.size]
    firsts = [_first(jax.lax.stop_gradient(x)).real.astype(jnp.float32) for x in arrays]
    return sum(firsts, jnp.zeros((), jnp.float32))


def _first(x: jax.Array) -> jax.Array:
    # Of an axis that is sharded nothing can be taken out.
    return x.real.astype(jnp.float32).sum() if any(jax.typeof(x).sharding.spec) else x.ravel()[0]


@emit_p.def_abstract_eval
def _abstract(*_: Any, callback: _Callback, **__: Any) -> list[ShapedArray]:
    return callback.answer()


@emit_p.def_impl
def _impl(*operands: Any, callback: _Callback, **_: Any) -> list[jax.Array]:
    if callback.is_of_no_lane(operands):
        return _default(callback=callback)
    return [jnp.asarray(x) for x in callback.call(*operands[: callback.sent])]


def _jvp(primals: Sequence[Any], _: Sequence[Any], **params: Any) -> tuple[list[jax.Array], list[Any]]:
    answer = emit_p.bind(*primals, **params)
    return answer, [zero_tangent(x) for x in answer]


@lenient
def _batch(
    operands: Sequence[jax.Array], dims: Dims, *, callback: _Callback, depth: int
) -> tuple[list[Any], list[None]]:
    axis, n, sent = new_axis(operands, dims), callback.numbers, callback.sent
    numbers = [to_lanes(x, d, depth) for x, d in zip(operands[:n], dims[:n], strict=True)]
    if numbers and all(d is None for d in dims[:n]):  # only a witness knows of this vmap
        numbers[0] = to_front(jnp.expand_dims(numbers[0], range(depth - numbers[0].ndim)), None, axis)
    extras = [to_front(x, d, axis) for x, d in zip(operands[n:sent], dims[n:sent], strict=True)]
    answer = emit_p.bind(*numbers, *extras, *operands[sent:], callback=callback, depth=depth + 1)
    return answer, [None] * len(answer)


def _call_anywhere(*operands: Any, callback: _Callback, **_: Any) -> Any:
    shapes = [jax.ShapeDtypeStruct(x.shape, x.dtype) for x in callback.answer()]
    return io_callback(callback.call, shapes, *operands[: callback.sent])


def _default(*_: Any, callback: _Callback, **__: Any) -> list[jax.Array]:
    return [jnp.asarray(x) for x in _scalars(host.default_answer(callback.signal))]


_lower_default = mlir.lower_fun(_default, multiple_results=True)


def _lower(ctx: Any, *operands: Any, **params: Any) -> Any:
    if not reaches_host(ctx) or params["callback"].is_of_no_lane(ctx.avals_in):
        return _lower_default(ctx, *operands, **params)
    lowering(params["callback"].signal, ctx.module_context.module)
    (platform,) = ctx.module_context.platforms
    warn_of_choices(platform)
    return (_lower_directly if platform in _DIRECT else _lower_io_callback)(ctx, *operands, **params)


def _lower_io_callback(ctx: Any, *operands: Any, callback: _Callback, **params: Any) -> Any:
    with replaced_callbacks(ctx, callback.shielded):
        return mlir.lower_fun(_call_anywhere, multiple_results=True)(ctx, *operands, callback=callback, **params)


def _lower_directly(ctx: Any, *operands: Any, callback: _Callback, depth: int) -> Any:
    # io_callback's wrapper puts every operand on a device again, for 50 us a call; the custom call that it lowers to
    # costs 4 us. On a GPU each operand is copied for itself, while the device waits: two arrays instead of ten numbers.
    # A program over several devices needs the sharding that only the wrapper sets.
    if (getattr(ctx.module_context.axis_context, "num_devices", 1) or 1) > 1:
        return _lower_io_callback(ctx, *operands, callback=callback, depth=depth)
    if all(x.shape == () for x in ctx.avals_in[: callback.numbers]):
        return _lower_packed(ctx, *operands, callback=callback, depth=depth)
    ctx = ctx.replace(avals_in=ctx.avals_in[: callback.sent])
    return _lower_call(ctx, callback, callback.pack, operands[: callback.sent])


def _pack_and_call(*operands: Any, callback: _Callback, **_: Any) -> list[jax.Array]:
    # Numbers that the compiled program puts side by side are cheaper than numbers that Python does.
    stack = lambda xs, dtype: jnp.stack(xs) if xs else jnp.zeros(0, dtype)
    ints, floats = operands[: callback.ints], operands[callback.ints : callback.numbers]
    packed = stack(ints, jnp.int32), stack(floats, jnp.float32)
    return call_p.bind(*packed, *operands[callback.numbers : callback.sent], callback=callback)


_lower_packed = mlir.lower_fun(_pack_and_call, multiple_results=True)

call_p = Primitive("soltrace_call")
"""`emit_p` with its numbers side by side, on one device: exists in no jaxpr but that which `emit_p` is lowered from."""
call_p.multiple_results = True


@call_p.def_abstract_eval
def _abstract_call(*_: Any, callback: _Callback) -> list[ShapedArray]:
    return callback.answer()


def _lower_call(ctx: Any, callback: _Callback, pack: Callable[..., Any], operands: Sequence[Any]) -> Any:
    # Without what jax puts around it, which checks the answer for 3 us.
    with replaced_callbacks(ctx, lambda _: callback.shielded(callback.receive, pack)):
        results, _, _ = mlir.emit_python_callback(
            ctx,
            pack,
            None,
            list(operands),
            ctx.avals_in,
            ctx.avals_out,
            has_side_effect=True,
            returns_token=False,
        )
        return results


ad.primitive_jvps[emit_p] = _jvp
batching.primitive_batchers[emit_p] = _batch
mlir.register_lowering(emit_p, _lower)
mlir.register_lowering(call_p, lambda ctx, *xs, callback: _lower_call(ctx, callback, _copies, xs))
