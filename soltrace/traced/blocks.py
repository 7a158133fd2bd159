"""Blocks: how a bounded loop reports, which is a `scan` of `scan`s.

Traced side; on jaxprs alone. Equinox's bounded loop runs 16 steps in its innermost `scan`, and can't be left in the
middle of them. Gate and tap are taken out of its body, and put before it: it reports at most once in 16 steps. With
them in the body, it is another loop to XLA (see `soltrace.traced.chunk`). What a note in it notes of each step comes
out of the `scan`, and is told after it.
"""

from collections.abc import Callable, Iterable
from typing import Any

import jax
import numpy as np
from jax.core import eval_jaxpr
from jax.extend.core import Jaxpr, JaxprEqn, Literal, Var
from jax.interpreters import partial_eval as pe

from soltrace.traced import marks
from soltrace.traced.prune import CALLS


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
    scan = eqn.replace(invars=into, params=eqn.params | {"jaxpr": body.replace(jaxpr=marks.without_marks(body.jaxpr))})
    if not marks.holds(body.jaxpr, marks.is_note):
        return [*told.eqns, scan]
    try:
        return [*told.eqns, *_noting(scan, body, carried.index(True))]
    except LookupError:
        return [*told.eqns, scan]


def _noting(scan: JaxprEqn, body: Any, pace: int) -> list[JaxprEqn]:
    """Let what is noted of each step come out of a `scan`, and note it all after that."""
    whole, note = exposed_in_branches(body.jaxpr, marks.is_note)
    collecting = _collecting(scan, body.replace(jaxpr=marks.without_marks(whole)))
    noted = collecting.outvars[len(scan.outvars) :]
    outs = list(scan.outvars)
    outs[pace] = collecting.outvars[pace]
    params = note.params | {"axes": 1}
    told = note.replace(invars=[outs[pace], *noted], outvars=[scan.outvars[pace]], params=params)
    return [collecting.replace(outvars=[*outs, *noted]), told]


def _collecting(scan: JaxprEqn, body: Any) -> JaxprEqn:
    """Make a `scan` of a body that returns more than it carries. Its parameters are jax's own business."""
    carried = len(scan.outvars)
    consts = len(scan.invars) - carried

    def collected(*values: Any) -> Any:
        def step(carry: list[Any], _: None) -> tuple[list[Any], list[Any]]:
            outs = eval_jaxpr(body.jaxpr, body.consts, *values[:consts], *carry)
            return outs[:carried], outs[carried:]

        options = {name: scan.params[name] for name in ("length", "reverse", "unroll")}
        return jax.lax.scan(step, list(values[consts:]), None, **options)

    made = jax.make_jaxpr(collected)(*[v.aval for v in scan.invars])
    if made.consts or len(made.jaxpr.eqns) != 1:
        raise LookupError
    (eqn,) = made.jaxpr.eqns
    return eqn.replace(invars=marks.renamed(made.jaxpr, scan.invars).eqns[0].invars)


def exposed_in_branches(jaxpr: Jaxpr, found: marks.Which) -> tuple[Jaxpr, JaxprEqn]:
    """Make a jaxpr that returns, after its results, the operands of an equation, the pace among them left out.

    Args:
        jaxpr: Has it, which may be in a call or in a branch of a `cond`.
        found: Says of an equation whether it is the one.

    Returns:
        The jaxpr, in which the calls on the way are inlined; and the equation. Where its branch is not taken, the
        operands are zeros.

    Raises:
        LookupError: It is in a call that is more than one.
    """
    while not any(map(found, jaxpr.eqns)):
        eqn = next((e for e in jaxpr.eqns if any(marks.holds(x.jaxpr, found) for x in marks.calls(e))), None)
        if eqn is None or (eqn.primitive.name not in CALLS and eqn.primitive.name != "cond"):
            raise LookupError
        if eqn.primitive.name == "cond":
            return _through(jaxpr, eqn, found)
        (call,) = marks.calls(eqn)
        if call.consts:
            raise LookupError
        jaxpr = marks.replaced(jaxpr, eqn, marks.renamed(call.jaxpr, eqn.invars))
    mark = next(filter(found, jaxpr.eqns))
    return jaxpr.replace(outvars=[*jaxpr.outvars, *mark.invars[1:]]), mark


def _through(jaxpr: Jaxpr, eqn: JaxprEqn, found: marks.Which) -> tuple[Jaxpr, JaxprEqn]:
    held = next(x for x in eqn.params["branches"] if marks.holds(x.jaxpr, found))
    whole, mark = exposed_in_branches(held.jaxpr, found)
    avals: list[Any] = [v.aval for v in mark.invars[1:]]
    zeros = [Literal(np.zeros((), aval.dtype)[()], aval) for aval in avals]
    branches = tuple(
        x.replace(jaxpr=whole if x is held else x.jaxpr.replace(outvars=[*x.jaxpr.outvars, *zeros]))
        for x in eqn.params["branches"]
    )
    outs = [Var(aval) for aval in avals]
    extended = eqn.replace(outvars=[*eqn.outvars, *outs], params=eqn.params | {"branches": branches})
    eqns = [extended if e is eqn else e for e in jaxpr.eqns]
    return jaxpr.replace(eqns=eqns, outvars=[*jaxpr.outvars, *outs]), mark
