"""Blocks: how a bounded loop reports, which is a `scan` of `scan`s.

Traced side; on jaxprs alone. Equinox's bounded loop runs 16 steps in its innermost `scan`, and can't be left in the
middle of them. Gate and tap are taken out of its body, and put before it: it reports at most once in 16 steps. With
them in the body, it is another loop to XLA (see `soltrace.traced.chunk`).
"""

from collections.abc import Callable, Iterable
from typing import Any

from jax.extend.core import Jaxpr, JaxprEqn
from jax.interpreters import partial_eval as pe

from soltrace.traced import marks


def in_blocks(jaxpr: Jaxpr) -> Jaxpr:
    """Move gate and tap from the body of a `scan` to before it, wherever in a jaxpr that is."""
    eqns: list[JaxprEqn] = []
    for eqn in jaxpr.eqns:
        if _is_block(eqn):
            eqns += _block(eqn)
        elif any(map(_has_blocks, eqn.params.values())):
            eqns.append(eqn.replace(params={name: _moved(value) for name, value in eqn.params.items()}))
        else:
            eqns.append(eqn)
    return jaxpr.replace(eqns=eqns)


def _is_block(eqn: JaxprEqn) -> bool:
    """Say whether it is a `scan` with a gate that only carries, as equinox's: what it goes along has an axis less."""
    if eqn.primitive.name != "scan":
        return False
    body = eqn.params["jaxpr"].jaxpr
    shapes: Callable[[Iterable[Any]], list[Any]] = lambda variables: [v.aval.shape for v in variables]
    only_carries = shapes([*eqn.invars, *eqn.outvars]) == shapes([*body.invars, *body.outvars])
    return only_carries and marks.holds(body, marks.is_mark)


def _has_blocks(value: Any) -> bool:
    if isinstance(value, tuple):
        return any(map(_has_blocks, value))
    eqns = getattr(value, "eqns", ())
    return any(_is_block(e) or any(map(_has_blocks, e.params.values())) for e in eqns)


def _moved(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_moved, value))
    if not _has_blocks(value):
        return value
    return value.replace(jaxpr=in_blocks(value.jaxpr)) if hasattr(value, "jaxpr") else in_blocks(value)


def _block(eqn: JaxprEqn) -> list[JaxprEqn]:
    body = eqn.params["jaxpr"]
    consts = len(body.jaxpr.invars) - len(body.jaxpr.outvars)
    tapped = marks.holds(body.jaxpr, marks.is_tap)
    before, _, mark = marks.before(body, marks.is_tap if tapped else marks.is_gate)
    if before.constvars:
        return [eqn]
    told = before.replace(eqns=[*before.eqns, mark.replace(invars=before.outvars)], outvars=mark.outvars)
    told = marks.renamed(pe.dce_jaxpr(told, [True], instantiate=True)[0], eqn.invars)
    carried = marks.carried(body.jaxpr, consts, marks.is_mark)
    into = list(eqn.invars)
    into[consts + carried.index(True)] = told.outvars[0]
    params = eqn.params | {"jaxpr": body.replace(jaxpr=marks.without_marks(body.jaxpr))}
    return [*told.eqns, eqn.replace(invars=into, params=params)]
