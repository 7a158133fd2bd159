"""What nobody reads of a loop that is one primitive is left out of it, as jax does with a `while`.

Traced side; on jaxprs alone. The derivative of a loop has a cotangent of all that went into it, and mostly few of them
are read; what the loop that goes forwards saves for the others goes too.
"""

from collections.abc import Iterable, Sequence
from typing import Any, Final

from jax.extend.core import ClosedJaxpr, Jaxpr, JaxprEqn, Literal  # pyright: ignore[reportPrivateImportUsage]
from jax.interpreters import partial_eval as pe

from soltrace.traced import marks
from soltrace.traced.chunk import STATE, has_chunks, is_ours

CALLS: Final = frozenset({"jit", "pjit", "closed_call"})
"""Primitives that are calls and nothing more."""


def pruned(jaxpr: Jaxpr, used: Sequence[bool]) -> tuple[Jaxpr, list[bool]] | None:
    """Leave out what nobody reads.

    Args:
        jaxpr: Has a loop that can be taken apart, and no constants.
        used: Which of its outputs are read.

    Returns:
        A jaxpr with these outputs alone and the inputs that they need, and which inputs those are. None: the loop is
        inside something that is more than a call.
    """
    flat = _inlined(jaxpr)
    if flat is None:
        return None
    place = next(i for i, eqn in enumerate(flat.eqns) if is_ours(eqn))
    outs = _chosen(flat.outvars, used)
    after, read = _needed(flat.eqns[place + 1 :], outs)
    loop = _loop(flat.eqns[place], read)
    if loop is None:
        return None
    before, read = _needed(flat.eqns[:place], [*read.difference(loop.outvars), *loop.invars])
    kept = [v in read for v in flat.invars]
    return flat.replace(invars=_chosen(flat.invars, kept), outvars=outs, eqns=[*before, loop, *after]), kept


def _inlined(jaxpr: Jaxpr) -> Jaxpr | None:
    """Evaluate the calls around the loop where they stand."""
    while not any(map(is_ours, jaxpr.eqns)):
        eqn = next(e for e in jaxpr.eqns if any(has_chunks(x.jaxpr) for x in marks.calls(e)))
        (call, *others) = marks.calls(eqn)
        if eqn.primitive.name not in CALLS or others or call.consts:
            return None
        jaxpr = marks.replaced(jaxpr, eqn, marks.renamed(call.jaxpr, eqn.invars))
    return jaxpr


def _needed(eqns: Sequence[JaxprEqn], outs: Iterable[Any]) -> tuple[list[JaxprEqn], set[Any]]:
    """Find the equations that some variables need, and all variables that these read."""
    read = {v for v in outs if not isinstance(v, Literal)}
    needed: list[JaxprEqn] = []
    for eqn in reversed(eqns):
        if eqn.effects or not read.isdisjoint(eqn.outvars):
            needed.insert(0, eqn)
            read |= {v for v in eqn.invars if not isinstance(v, Literal)}
    return needed, read


def _loop(eqn: JaxprEqn, read: set[Any]) -> JaxprEqn | None:
    """Leave out of the carry what has no influence on anything that is read; the first stay in their places."""
    cond, body = eqn.params["cond_jaxpr"], eqn.params["body_jaxpr"]
    n_cond, n_body = eqn.params["cond_nconsts"], eqn.params["body_nconsts"]
    if cond.consts or body.consts:
        return None
    steps = body.jaxpr
    if marks.holds(steps, marks.is_transposed_tap):  # in chunks, the gate of the steps that it takes again is silent
        steps = marks.without_marks(steps, marks.is_gate)
    paces = marks.carried(steps, n_body, marks.is_mark)
    by_cond = pe.dce_jaxpr(cond.jaxpr, [True])[1]
    needed = zip(eqn.outvars, paces, by_cond[n_cond:], strict=True)
    kept = [i < STATE or pace or decides or v in read for i, (v, pace, decides) in enumerate(needed)]
    while True:
        steps_kept, by_steps = pe.dce_jaxpr(steps, kept, [False] * n_body + kept)
        if by_steps[n_body:] == kept:
            break
        kept = by_steps[n_body:]
    decides = cond.jaxpr.replace(invars=_chosen(cond.jaxpr.invars, by_cond[:n_cond] + kept))
    params = {
        "cond_jaxpr": ClosedJaxpr(decides, []),
        "body_jaxpr": ClosedJaxpr(steps_kept, []),
        "cond_nconsts": sum(by_cond[:n_cond]),
        "body_nconsts": sum(by_steps[:n_body]),
    }
    invars = _chosen(eqn.invars, by_cond[:n_cond] + by_steps)
    return eqn.replace(invars=invars, outvars=_chosen(eqn.outvars, kept), params=eqn.params | params)


def _chosen(values: Sequence[Any], which: Sequence[bool]) -> list[Any]:
    return [x for x, chosen in zip(values, which, strict=True) if chosen]
