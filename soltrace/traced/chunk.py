"""Chunks: how a loop reports without a call in its body.

Traced side. A gated or tapped `while` of a jaxpr is taken apart into two nested loops: the inner one runs, without gate
and tap, to the step that the host asked for, and the outer one makes the call. A step then costs one more comparison,
no `cond` becomes a `select` under vmap, a batch stays one call, and the compiler sees the body of the plain loop: XLA's
for CPUs, from jax 0.11 on, makes one function of a loop over small arrays unless a call is in it, which is several
times as fast and rounds differently.

It does so for a loop that nobody differentiates, and for both of those that the derivative of equinox's checkpointed
loop consists of. All carry, first, the number of steps so far; the one that goes backwards carries the step that it is
at on its way forwards from a checkpoint, and the number of those that are still to be transposed. They are never
batched.
"""

from collections.abc import Sequence
from typing import Any, Final
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
from jax.core import eval_jaxpr
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from jax.interpreters import partial_eval as pe

from soltrace.traced import marks
from soltrace.traced._jax import promoting
from soltrace.traced.gate import report
from soltrace.traced.step_rows import EveryStep, FirstNonfinite, LastSteps
from soltrace.traced.tap import is_due, report_transposed

STATE = 3
"""Where diffrax's state begins in the carry of a loop that nobody differentiates."""
_LARGEST = 2.0**31 - 128
"""The largest step that both float32 and int32 can hold."""


def has_chunks(jaxpr: Jaxpr) -> bool:
    """Say whether a jaxpr has a loop that can be taken apart; in a bounded loop the gate is in a scan of scans."""
    return any(is_ours(e) or any(has_chunks(x.jaxpr) for x in marks.calls(e)) for e in jaxpr.eqns)


def is_ours(eqn: JaxprEqn) -> bool:
    """Say whether an equation is a loop that can be taken apart."""
    if eqn.primitive.name != "while":
        return False
    body, condition = eqn.params["body_jaxpr"].jaxpr, (eqn.params["cond_jaxpr"], eqn.params["cond_nconsts"])
    known = _KNOWN.get(body)
    if known is None or known[0] != condition:
        known = _KNOWN[body] = condition, _is_ours(eqn, body, eqn.params["body_nconsts"])
    return known[1]


_KNOWN: Final[WeakKeyDictionary[Jaxpr, tuple[Any, bool]]] = WeakKeyDictionary()
"""What was said of a loop, by its body: it is asked hundreds of times while a gradient is traced."""


def _is_ours(eqn: JaxprEqn, body: Jaxpr, consts: int) -> bool:
    if marks.holds(body, marks.is_transposed_tap):
        tapped = marks.carried(body, consts, marks.is_transposed_tap)
        return sum(tapped) == 1 and _reads(eqn) == [1] and _only_paces(body, consts)
    return marks.holds(body, marks.is_gate) and _only_paces(body, consts)


def _reads(eqn: JaxprEqn) -> list[int]:
    """Find the variables of the carry that the condition reads."""
    reads = pe.dce_jaxpr(eqn.params["cond_jaxpr"].jaxpr, [True])[1][eqn.params["cond_nconsts"] :]
    return [i for i, read in enumerate(reads) if read]


def _only_paces(body: Jaxpr, consts: int) -> bool:
    """Say whether gate and tap have an influence on nothing that isn't ours."""
    ours = marks.carried(body, consts, marks.is_mark)
    avals: list[Any] = [v.aval for v, is_ours in zip(body.outvars, ours, strict=True) if is_ours]
    return all(a.dtype == jnp.float32 and a.shape[-1:] == (2,) for a in avals)


def eval_in_chunks(
    jaxpr: Jaxpr,
    consts: Sequence[Any],
    args: Sequence[Any],
    *,
    used: frozenset[int] | None,
    counts: frozenset[int],
    tells: bool,
) -> list[Any]:
    """Evaluate a jaxpr, its gated or tapped `while` in chunks.

    Args:
        jaxpr: Has one of them, which may be inside calls.
        consts: Values of its constants.
        args: Values of its inputs.
        used: Which leaves of diffrax's final state are read; the others come back as they went in. None: all.
        counts: Which leaves are diffrax's own counts, and may share a loop variable.
        tells: Whether it reports. If not, it is run as it is, without gate and tap.

    Returns:
        Values of its outputs.
    """
    known = dict(zip(jaxpr.constvars, consts, strict=True)) | dict(zip(jaxpr.invars, args, strict=True))
    read = lambda v: v.val if isinstance(v, Literal) else known[v]
    for eqn in jaxpr.eqns:
        values = [read(v) for v in eqn.invars]
        call = next((x for x in marks.calls(eqn) if has_chunks(x.jaxpr)), None)
        if is_ours(eqn):
            loop = _Loop(eqn, values, used, counts)
            outs = loop.run() if tells else loop.run_silently()
        elif call is not None:
            outs = eval_in_chunks(call.jaxpr, call.consts, values, used=used, counts=counts, tells=tells)
        else:
            outs = eqn.primitive.bind(*values, **eqn.primitive.get_bind_params(eqn.params))
            outs = outs if eqn.primitive.multiple_results else [outs]
        known.update(zip(eqn.outvars, outs, strict=True))
    return [read(v) for v in jaxpr.outvars]


class _Loop:
    """A `while` equation, without its marks and without the variables that nobody reads."""

    def __init__(self, eqn: JaxprEqn, values: list[Any], used: frozenset[int] | None, counts: frozenset[int]) -> None:
        self.cond, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
        n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
        self.cond_consts, self.all_body_consts = values[:n_cond], values[n_cond : n_cond + n_body]
        self.init = values[n_cond + n_body :]
        backwards = marks.holds(body.jaxpr, marks.is_transposed_tap)
        self.mark = marks.Telling(body, marks.is_transposed_tap if backwards else marks.is_gate)
        self.paces = paces = marks.carried(body.jaxpr, n_body, marks.is_mark)
        told = self.mark.reads[n_body:]
        is_used = lambda i: i == 0 or told[i] or used is None or i - STATE in used
        keep = [is_used(i) and not is_pace for i, is_pace in enumerate(paces)]
        whole, self.body_literals = body.jaxpr, body.consts
        self.rows: EveryStep | LastSteps | None = None
        self.odd: FirstNonfinite | None = None
        if not backwards and marks.holds(body.jaxpr, marks.is_note):
            whole, self.body_literals, note = marks.exposed(body, marks.is_note)
            wanted, told = note.params["wanted"], ([v.aval for v in note.invars[1:]], self.init[paces.index(True)])
            if wanted.steps is not None:
                kind = LastSteps if wanted.only_failures else EveryStep
                self.rows = kind(*told, wanted, wanted.steps)
            self.odd = None if wanted.nonfinite is None else FirstNonfinite(*told, wanted, wanted.nonfinite)
        stripped = marks.without_marks(whole)
        self.live, self.body, self.ins = _live(self.cond.jaxpr, stripped, n_cond, n_body, keep)
        self.body_consts = [c for c, u in zip(self.all_body_consts, self.ins[:n_body], strict=True) if u]
        self.ins = self.ins[n_body:]
        live = [i for i, alive in enumerate(self.live) if alive]
        count = jax.typeof(self.init[0])
        is_count = lambda x: jax.typeof(x).shape == () and jax.typeof(x).dtype == count.dtype
        self.is_count = [bool(counts) and (i == 0 or i - STATE in counts) and is_count(self.init[i]) for i in live]
        tapped = marks.carried(body.jaxpr, n_body, marks.is_transposed_tap)
        self.reports: Any = _Backwards(self, tapped.index(True)) if backwards else _Forwards(self)

    def pack(self, live: Sequence[Any]) -> tuple[Any, ...]:
        """Put diffrax's counts into one array, if there are any: a loop variable costs a kernel a step.

        Not the counts of a step size controller, nor of what is saved: with those among them XLA has rounded otherwise
        than in the plain loop.
        """
        if not any(self.is_count):
            return tuple(live)
        counts = jnp.stack([x for x, is_count in zip(live, self.is_count, strict=True) if is_count])
        return counts, *[x for x, is_count in zip(live, self.is_count, strict=True) if not is_count]

    def full(self, carry: Sequence[Any]) -> list[Any]:
        """Put the live variables in their places. The others are what they were at the start."""
        counts, places = carry[0], iter(range(sum(self.is_count)))
        rest = iter(carry[1:] if any(self.is_count) else carry)
        live = iter(
            [
                jax.lax.index_in_dim(counts, next(places), keepdims=False) if is_count else next(rest)
                for is_count in self.is_count
            ]
        )
        return [next(live) if alive else x for alive, x in zip(self.live, self.init, strict=True)]

    def first(self) -> tuple[Any, ...]:
        return self.pack([x for alive, x in zip(self.live, self.init, strict=True) if alive])

    def goes_on(self, carry: Sequence[Any]) -> Any:
        return eval_jaxpr(self.cond.jaxpr, self.cond.consts, *self.cond_consts, *self.full(carry))[0]

    def step(self, carry: Sequence[Any]) -> tuple[Any, ...]:
        return self._step(carry)[0]

    def _step(self, carry: Sequence[Any]) -> tuple[tuple[Any, ...], list[Any]]:
        """Take a step; what comes out of it, and what is noted of it."""
        read = [x for x, u in zip(self.full(carry), self.ins, strict=True) if u]
        outs = eval_jaxpr(self.body, self.body_literals, *self.body_consts, *read)
        return self.pack(outs[: sum(self.live)]), outs[sum(self.live) :]

    def run_silently(self) -> list[Any]:
        return self.full(jax.lax.while_loop(self.goes_on, self.step, self.first()))

    @promoting
    def run(self) -> list[Any]:
        reports = self.reports
        if any(is_pace and not x.size for x, is_pace in zip(self.init, self.paces, strict=True)):
            return self.run_silently()  # of a batch without a lane there is nothing to tell
        if self.rows is not None or self.odd is not None:
            return self._run_noting(self.rows, self.odd)

        def chunk(state: tuple[tuple[Any, ...], Any]) -> tuple[tuple[Any, ...], Any]:
            carry, told = state
            goes_on = lambda carry: self.goes_on(carry) & ~reports.due(self.full(carry), told)
            carry = jax.lax.while_loop(goes_on, self.step, carry)
            # A loop that has just ended doesn't report: the end of the pass does.
            tell = lambda carry: reports.tell(self.full(carry), told)
            return carry, jax.lax.cond(self.goes_on(carry), tell, lambda _: told, carry)

        init = self.first(), reports.first()
        carry, told = jax.lax.while_loop(lambda state: self.goes_on(state[0]), chunk, init)
        return reports.ended(self.full(carry), told)

    def _run_noting(self, rows: EveryStep | LastSteps | None, odd: FirstNonfinite | None) -> list[Any]:
        """Run it, and hand over what each step was like whenever the rows are full, and what was found at the end."""
        reports = self.reports
        counter = lambda carry: self.full(carry)[0]

        def step(state: tuple[tuple[Any, ...], Any], first: Any) -> tuple[tuple[Any, ...], Any]:
            carry, (written, found) = state
            before = counter(carry)
            carry, told = self._step(carry)
            if rows is not None:
                written = rows.write(written, before - first, told)
            return carry, (written, found if odd is None else odd.write(found, told))

        def is_full(carry: Any, first: Any) -> Any:
            return counter(carry) - first >= rows.count if isinstance(rows, EveryStep) else False

        def chunk(state: tuple[tuple[Any, ...], Any, Any, Any]) -> tuple[tuple[Any, ...], Any, Any, Any]:
            carry, kept, told, first = state
            over = lambda carry: reports.due(self.full(carry), told) | is_full(carry, first)
            goes_on = lambda state: self.goes_on(state[0]) & ~over(state[0])
            carry, kept = jax.lax.while_loop(goes_on, lambda state: step(state, first), (carry, kept))
            goes_on, at = self.goes_on(carry), counter(carry)
            tell = lambda carry: reports.tell(self.full(carry), told)
            told = jax.lax.cond(goes_on & reports.due(self.full(carry), told), tell, lambda _: told, carry)
            if isinstance(rows, EveryStep):
                written, tell_all = kept[0], rows.hand_over
                # Whatever the host answers, the loop goes on.
                hand_over = lambda: jnp.maximum(at, tell_all(written, first, at - first).astype(at.dtype))
                first = jax.lax.cond(~goes_on | is_full(carry, first), hand_over, lambda: first)
            return carry, kept, told, first

        kept = None if rows is None else rows.empty(), None if odd is None else odd.empty()
        init = self.first(), kept, reports.first(), jnp.zeros_like(self.init[0])
        carry, kept, told, first = jax.lax.while_loop(lambda state: self.goes_on(state[0]), chunk, init)
        last = jnp.zeros((), jnp.int32) if odd is None else odd.hand_over(kept[1])
        if isinstance(rows, LastSteps):
            last = jnp.minimum(last, rows.hand_over(kept[0]))
        return reports.ended(self.full(carry), told, jnp.minimum(first, last))


class _Forwards:
    """When a loop that goes forwards reports: at the step that the host asks for, an int32 scalar."""

    def __init__(self, loop: _Loop) -> None:
        self._loop = loop
        self._pace = next(x for x, is_pace in zip(loop.init, loop.paces, strict=True) if is_pace)

    def _told(self, carry: Sequence[Any]) -> list[Any]:
        return self._loop.mark.told([*self._loop.all_body_consts, *carry])

    def first(self) -> jax.Array:
        return jnp.minimum(self._pace[..., 0].max(), _LARGEST).astype(jnp.int32)

    def due(self, carry: Sequence[Any], wanted: jax.Array) -> jax.Array:
        return carry[0] >= wanted

    def tell(self, carry: Sequence[Any], _: jax.Array) -> jax.Array:
        _, *progress = self._told(carry)
        # Whatever the host answers, the loop goes on.
        return jnp.maximum(report(self._pace, progress, **self._loop.mark.params), carry[0].astype(jnp.int32) + 1)

    def ended(self, carry: list[Any], _: jax.Array, handed_over: Any = None) -> list[Any]:
        if handed_over is None:
            return carry
        # The end of the pass waits for what is handed over last.
        waiting = jnp.where(handed_over == -1, -1.0, self._pace)
        return [waiting if x is self._pace else x for x in carry]


class _Backwards:
    """When a loop that goes backwards reports: before the step is transposed at which a lane has come so far.

    It holds the pace, and the number of steps left from which on the next report may come.
    """

    def __init__(self, loop: _Loop, place: int) -> None:
        self._loop = loop
        self._place = place

    def _told(self, carry: Sequence[Any], pace: jax.Array) -> list[Any]:
        ins = [pace if i == self._place else x for i, x in enumerate(carry)]
        return self._loop.mark.told([*self._loop.all_body_consts, *ins])

    def first(self) -> tuple[jax.Array, jax.Array]:
        return self._loop.init[self._place], self._loop.init[1]

    def due(self, carry: Sequence[Any], state: tuple[jax.Array, jax.Array]) -> jax.Array:
        (at, left, *_), (pace, latest) = carry, state
        pace, _, t, t0 = self._told(carry, pace)
        return (at + 1 == left) & (left <= latest) & is_due(pace, t, t0)

    def tell(self, carry: Sequence[Any], state: tuple[jax.Array, jax.Array]) -> tuple[jax.Array, jax.Array]:
        pace, _ = state
        told, step, t, t0 = self._told(carry, pace)
        answered = report_transposed(told, step, t, t0, self._loop.mark.params["info"])
        real = told[..., 1:] >= 1.0
        # Whatever the host answers, the loop goes on.
        return jnp.where(real, answered, pace), carry[1] - 1

    def ended(self, carry: list[Any], state: tuple[jax.Array, jax.Array]) -> list[Any]:
        return [*carry[: self._place], state[0], *carry[self._place + 1 :]]


def _live(cond: Jaxpr, body: Jaxpr, n_cond: int, n_body: int, keep: list[bool]) -> tuple[list[bool], Jaxpr, list[bool]]:
    """Find the loop variables that are read. XLA drops a dead one from one loop, but not from two nested ones."""
    carried = len(body.invars) - n_body
    noted = [True] * (len(body.outvars) - carried)
    constant = [out is into for out, into in zip(body.outvars[:carried], body.invars[n_body:], strict=True)]
    read_by_cond = pe.dce_jaxpr(cond, [True])[1][n_cond:]
    live = [(k or r) and not c for k, r, c in zip(keep, read_by_cond, constant, strict=True)]
    while True:
        pruned, ins = pe.dce_jaxpr(body, live + noted)[:2]
        grown = [(a or b) and not c for a, b, c in zip(live, ins[n_body:], constant, strict=True)]
        if grown == live:
            return live, pruned, ins
        live = grown
