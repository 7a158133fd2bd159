"""Chunks: how a loop that nobody differentiates reports without a gate in its body.

Traced side. The one gated `while` of a jaxpr is taken apart into two nested loops: the inner one runs, without the
gate, to the step that the host asked for, and the outer one makes the call. A step then costs one more comparison, no
`cond` becomes a `select` under vmap, and a batch stays one call.

Equinox's loops carry (steps, condition, previous condition, *leaves of diffrax's state), of which the first two are
never batched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from jax.interpreters import partial_eval as pe

from soltrace import host
from soltrace.traced._jax import lenient
from soltrace.traced.emit import emit
from soltrace.traced.gate import gate_p

_STATE = 3
"""Where diffrax's state begins in the carry."""


@dataclass(frozen=True)
class ChunkReport:
    """What a chunk sends to the host."""

    signal: host.Signal
    info: host.SolveInfo
    leaves: tuple[int, ...]
    """Which leaves of diffrax's state it tells: steps attempted, steps accepted, code of the result, t."""
    counts: frozenset[int]
    """Which leaves are diffrax's own counts, and may share a loop variable."""
    lanes: tuple[tuple[bool, ...], ...] = ()
    """Of each vmap around the loop, outermost first: which of the leaves that it tells have its axis."""

    def batched(self, told: Sequence[bool]) -> "ChunkReport":
        """Note a vmap more, around all the others."""
        return replace(self, lanes=(tuple(told), *self.lanes))

    def place(self, leaves: Sequence[Any]) -> list[Any]:
        """Give the leaves an axis for each vmap: by its size alone an axis can't be told from another."""
        placed: list[Any] = []
        for i, x in enumerate(leaves):
            placed.append(jnp.expand_dims(x, [axis for axis, told in enumerate(self.lanes) if not told[i]]))
        return placed


def _inner(eqn: JaxprEqn) -> Iterator[Any]:
    return (value for value in eqn.params.values() if hasattr(value, "jaxpr"))


def has_gate(jaxpr: Jaxpr) -> bool:
    """Say whether a jaxpr holds a gate, at any depth."""
    return any(e.primitive is gate_p or any(has_gate(x.jaxpr) for x in _inner(e)) for e in jaxpr.eqns)


def _is_gated_while(eqn: JaxprEqn) -> bool:
    return eqn.primitive.name == "while" and has_gate(eqn.params["body_jaxpr"].jaxpr)


def has_gated_while(jaxpr: Jaxpr) -> bool:
    """Say whether the gate is in a `while`, which can be taken apart; in a bounded loop it is in a scan of scans."""
    return any(_is_gated_while(e) or any(has_gated_while(x.jaxpr) for x in _inner(e)) for e in jaxpr.eqns)


def eval_in_chunks(
    jaxpr: Jaxpr,
    consts: Sequence[Any],
    args: Sequence[Any],
    *,
    used: frozenset[int],
    report: ChunkReport,
    start: tuple[Any, Any],
) -> list[Any]:
    """Evaluate a jaxpr, its gated `while` in chunks.

    Args:
        jaxpr: Has one gated `while`, which may be inside calls.
        consts: Values of its constants.
        args: Values of its inputs.
        used: Which leaves of the loop's final state are read. The others come back as they went in.
        report: What a chunk sends to the host.
        start: int32 scalars, the handle of the pass and the first step to report.

    Returns:
        Values of its outputs.
    """
    known = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, args, strict=True))
    read = lambda v: v.val if isinstance(v, Literal) else known[v]
    for eqn in jaxpr.eqns:
        values = [read(v) for v in eqn.invars]
        call: Any = eqn.params.get("call_jaxpr", eqn.params.get("jaxpr"))
        if _is_gated_while(eqn):
            outs = _Loop(eqn, values, used, report).run(*start)
        elif hasattr(call, "jaxpr") and has_gate(call.jaxpr):
            outs = eval_in_chunks(call.jaxpr, call.consts, values, used=used, report=report, start=start)
        else:
            outs = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
            outs = outs if eqn.primitive.multiple_results else [outs]
        known.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


class _Loop:
    """A `while` equation, without its gate and without the variables that nobody reads."""

    def __init__(self, eqn: JaxprEqn, values: list[Any], used: frozenset[int], report: ChunkReport) -> None:
        self.report = report
        self.cond, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
        n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
        self.cond_consts, body_consts = values[:n_cond], values[n_cond : n_cond + n_body]
        self.init = values[n_cond + n_body :]
        used |= set(report.leaves)
        keep = [i == 0 or i - _STATE in used for i in range(len(self.init))]
        self.live, self.body, self.ins = _live(self.cond.jaxpr, _without_gate(body.jaxpr), n_cond, n_body, keep)
        self.body_literals = body.consts
        self.body_consts = [c for c, u in zip(body_consts, self.ins[:n_body], strict=True) if u]
        self.ins = self.ins[n_body:]
        live = [i for i, alive in enumerate(self.live) if alive]
        count = jax.typeof(self.init[0])
        is_count = lambda x: jax.typeof(x).shape == () and jax.typeof(x).dtype == count.dtype
        self.is_count = [(i == 0 or i - _STATE in report.counts) and is_count(self.init[i]) for i in live]

    def pack(self, live: Sequence[Any]) -> tuple[Any, ...]:
        """Put diffrax's counts into one array: a loop variable costs a kernel a step, 4 % where a step takes 0.5 us.

        Not those of a step size controller: with the one of `ConstantStepSize` among them, XLA rounds the time of a
        step otherwise than in the plain loop.
        """
        counts = jnp.stack([x for x, is_count in zip(live, self.is_count, strict=True) if is_count])
        return counts, *[x for x, is_count in zip(live, self.is_count, strict=True) if not is_count]

    def full(self, carry: Sequence[Any]) -> list[Any]:
        """Put the live variables in their places. The others are what they were at the start."""
        (counts, *others), places = carry, iter(range(sum(self.is_count)))
        rest = iter(others)
        live = iter(
            [
                jax.lax.index_in_dim(counts, next(places), keepdims=False) if is_count else next(rest)
                for is_count in self.is_count
            ]
        )
        return [next(live) if alive else x for alive, x in zip(self.live, self.init, strict=True)]

    def goes_on(self, carry: Sequence[Any]) -> Any:
        return eval_jaxpr(self.cond.jaxpr, self.cond.consts, *self.cond_consts, *self.full(carry))[0]

    def step(self, carry: Sequence[Any]) -> tuple[Any, ...]:
        read = [x for x, u in zip(self.full(carry), self.ins, strict=True) if u]
        return self.pack(eval_jaxpr(self.body, self.body_literals, *self.body_consts, *read))

    @lenient
    def run(self, handle: Any, wanted: Any) -> list[Any]:
        def tell(carry: tuple[Any, ...]) -> Any:
            # In a batched jaxpr the values carry their lanes themselves, outermost vmap first.
            *ints, t = self.report.place([self.full(carry)[_STATE + i] for i in self.report.leaves])
            (answer,) = emit(self.report.signal, self.report.info, [handle, *ints], [t])
            # Whatever the host answers, the loop goes on.
            return jnp.maximum(answer, self.full(carry)[0].astype(jnp.int32) + 1)

        def chunk(state: tuple[tuple[Any, ...], Any]) -> tuple[tuple[Any, ...], Any]:
            carry, wanted = state
            due = lambda carry: self.goes_on(carry) & (self.full(carry)[0] < wanted)
            carry = jax.lax.while_loop(due, self.step, carry)
            # A loop that has just ended doesn't report: the end of the pass does.
            return carry, jax.lax.cond(self.goes_on(carry), tell, lambda _: wanted, carry)

        init = self.pack([x for alive, x in zip(self.live, self.init, strict=True) if alive])
        carry, _ = jax.lax.while_loop(lambda state: self.goes_on(state[0]), chunk, (init, wanted))
        return self.full(carry)


def _without_gate(jaxpr: Jaxpr) -> Jaxpr:
    renamed: dict[Any, Any] = {}
    rename = lambda v: v if isinstance(v, Literal) else renamed.get(v, v)
    eqns = []
    for eqn in jaxpr.eqns:
        if eqn.primitive is gate_p:
            renamed[eqn.outvars[0]] = rename(eqn.invars[0])
        else:
            eqns.append(eqn.replace(invars=[rename(v) for v in eqn.invars]))
    return jaxpr.replace(eqns=eqns, outvars=[rename(v) for v in jaxpr.outvars])


def _live(cond: Jaxpr, body: Jaxpr, n_cond: int, n_body: int, keep: list[bool]) -> tuple[list[bool], Jaxpr, list[bool]]:
    """Find the loop variables that are read. XLA drops a dead one from one loop, but not from two nested ones."""
    constant = [out is into for out, into in zip(body.outvars, body.invars[n_body:], strict=True)]
    read_by_cond = pe.dce_jaxpr(cond, [True])[1][n_cond:]
    live = [(k or r) and not c for k, r, c in zip(keep, read_by_cond, constant, strict=True)]
    while True:
        pruned, ins = pe.dce_jaxpr(body, live)[:2]
        grown = [(a or b) and not c for a, b, c in zip(live, ins[n_body:], constant, strict=True)]
        if grown == live:
            return live, pruned, ins
        live = grown
