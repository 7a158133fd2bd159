"""The gate and the tap in the body of a loop: find them, take them out, and compute what they would tell.

Traced side; on jaxprs alone. A body has the gate of the solve whose loop it is and, where it goes backwards, a
transposed tap, which may be in a branch of a `cond` or in a call. Loops that it holds, and the gates in them, are of
other solves; so are those that are not `in_body`.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, TypeAlias
from weakref import WeakKeyDictionary

from jax.core import eval_jaxpr
from jax.extend.core import Jaxpr, JaxprEqn, Literal
from jax.interpreters import partial_eval as pe

from soltrace.traced.gate import gate_p
from soltrace.traced.note import note_p
from soltrace.traced.tap import tap_p

Which: TypeAlias = Callable[[JaxprEqn], bool]
"""Says of an equation whether it is of some kind."""


def is_gate(eqn: JaxprEqn) -> bool:
    """Say whether an equation is a gate."""
    return eqn.primitive is gate_p and eqn.params["in_body"]


def is_tap(eqn: JaxprEqn) -> bool:
    """Say whether an equation is the tap of a step, which watches nothing but the pace, or that of its tangent."""
    return eqn.primitive is tap_p and eqn.params["in_body"]


def is_transposed_tap(eqn: JaxprEqn) -> bool:
    """Say whether an equation is what the tap of a step becomes on the way back."""
    return is_tap(eqn) and eqn.params["transposed"]


def is_note(eqn: JaxprEqn) -> bool:
    """Say whether an equation is the note of a step."""
    return eqn.primitive is note_p and eqn.params["in_body"]


def is_mark(eqn: JaxprEqn) -> bool:
    """Say whether an equation is a gate, a note or the tap of a step."""
    return is_gate(eqn) or is_note(eqn) or is_tap(eqn)


def calls(eqn: JaxprEqn) -> list[Any]:
    """List the jaxprs that an equation evaluates at most once: of a call, or the branches of a `cond`.

    Their inputs are the last operands of the equation.
    """
    if eqn.primitive.name == "cond":
        return list(eqn.params["branches"])
    if eqn.primitive.name in ("while", "scan", "soltrace_loop"):
        return []
    held: list[Any] = [eqn.params.get(name) for name in ("call_jaxpr", "jaxpr")]
    return [x for x in held if hasattr(x, "jaxpr") and len(x.jaxpr.invars) == len(eqn.invars)]


def holds(jaxpr: Jaxpr, found: Which) -> bool:
    """Say whether a jaxpr has an equation of some kind, itself or in a call."""
    return any(found(e) or any(holds(x.jaxpr, found) for x in calls(e)) for e in jaxpr.eqns)


def without_marks(jaxpr: Jaxpr, found: Which = is_mark) -> Jaxpr:
    """Take out gates and taps: the pace goes through as it is.

    Args:
        jaxpr: The jaxpr.
        found: Says of an equation whether it is one of those to take out.
    """
    renamed: dict[Any, Any] = {}
    rename = lambda v: v if isinstance(v, Literal) else renamed.get(v, v)
    eqns = []
    for eqn in jaxpr.eqns:
        if found(eqn):
            renamed |= {out: rename(v) for out, v in zip(eqn.outvars, eqn.invars, strict=False)}
        else:
            changed = _in_calls(eqn, found, lambda inner: without_marks(inner, found))
            eqns.append(changed.replace(invars=[rename(v) for v in eqn.invars]))
    return jaxpr.replace(eqns=eqns, outvars=[rename(v) for v in jaxpr.outvars])


def over(jaxpr: Jaxpr) -> Jaxpr:
    """Say of gates and taps that stand outside of any loop that they are in no body.

    A loop around them, in whose body they are then, is that of another solve, whose vector field has this one in it.
    """
    is_over: Callable[[JaxprEqn], JaxprEqn] = lambda eqn: eqn.replace(params=eqn.params | {"in_body": False})
    return jaxpr.replace(eqns=[is_over(e) if is_mark(e) else _in_calls(e, is_mark, over) for e in jaxpr.eqns])


def _in_calls(eqn: JaxprEqn, found: Which, change: Callable[[Jaxpr], Jaxpr]) -> JaxprEqn:
    """Change the jaxprs that an equation calls, if they have an equation of some kind."""

    def changed(value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(changed, value))
        marked = hasattr(value, "jaxpr") and holds(value.jaxpr, found)
        return value.replace(jaxpr=change(value.jaxpr)) if marked else value

    return eqn.replace(params={name: changed(value) for name, value in eqn.params.items()}) if calls(eqn) else eqn


def reached(jaxpr: Jaxpr, ins: Sequence[bool], source: Which) -> list[bool]:
    """Find which outputs depend on the results of equations of some kind, or on some of the inputs.

    Args:
        jaxpr: The jaxpr.
        ins: Which inputs count.
        source: Says of an equation whether its results count.
    """
    depend = {v for v, counts in zip(jaxpr.invars, ins, strict=True) if counts}
    read = lambda v: not isinstance(v, Literal) and v in depend
    for eqn in jaxpr.eqns:
        into = list(map(read, eqn.invars))
        if source(eqn):
            depend.update(eqn.outvars)
        elif is_mark(eqn):  # the pace is the first operand, and has nothing of the others
            depend.update(eqn.outvars[:1] if into[0] else ())
        elif inner := calls(eqn):
            depend.update(_reached_in_calls(eqn, inner, into, source))
        elif any(into):
            depend.update(eqn.outvars)
    return list(map(read, jaxpr.outvars))


def _reached_in_calls(eqn: JaxprEqn, inner: Sequence[Any], into: list[bool], source: Which) -> Iterator[Any]:
    if not any(into) and not any(holds(x.jaxpr, source) for x in inner):
        return
    into_calls = [into[len(into) - len(x.jaxpr.invars) :] for x in inner]
    each = [reached(x.jaxpr, ins, source) for x, ins in zip(inner, into_calls, strict=True)]
    chosen = len(into) > len(into_calls[0]) and into[0]  # a branch, by what counts
    for out, told in zip(eqn.outvars, zip(*each, strict=True), strict=True):
        if chosen or any(told):
            yield out


def carried(body: Jaxpr, consts: int, source: Which) -> list[bool]:
    """Find which variables of a loop's carry ever depend on the results of equations of some kind.

    Args:
        body: Of the loop, which returns its carry and nothing else.
        consts: How many of the body's inputs are not carried.
        source: Says of an equation whether its results count.
    """
    known = _CARRIED.setdefault(body, {})
    if (consts, source) not in known:
        known[consts, source] = _carried(body, consts, source)
    return [*known[consts, source]]


_CARRIED: Final[WeakKeyDictionary[Jaxpr, dict[tuple[int, Which], list[bool]]]] = WeakKeyDictionary()
"""What was found, by the body: it is asked for several times while a gradient is traced."""


def _carried(body: Jaxpr, consts: int, source: Which) -> list[bool]:
    found = [False] * len(body.outvars)
    while True:
        grown = [a or b for a, b in zip(found, reached(body, [False] * consts + found, source), strict=True)]
        if grown == found:
            return found
        found = grown


class Telling:
    """A gate or a tap: what it would tell, as a function of what goes into the body of its loop.

    Attributes:
        params: Parameters of the gate or the tap.
        reads: Which inputs of the body it needs.
    """

    def __init__(self, body: Any, found: Which) -> None:
        """Find the first that there is.

        Args:
            body: A closed jaxpr.
            found: Says of an equation whether it is the gate, or the tap.
        """
        computed, consts, mark = before(body, found)
        self.params = mark.params
        self._jaxpr, used, self.reads = pe.dce_jaxpr_consts(computed, [True] * len(computed.outvars))
        self._consts = [c for c, u in zip(consts, used, strict=True) if u]

    def told(self, ins: Sequence[Any]) -> list[Any]:
        """Compute its operands. Inputs that it does not need may be anything."""
        return eval_jaxpr(self._jaxpr, self._consts, *[x for x, read in zip(ins, self.reads, strict=True) if read])


def before(closed: Any, found: Which) -> tuple[Jaxpr, list[Any], JaxprEqn]:
    """Make a jaxpr that computes the operands of an equation, calls on the way to it inlined.

    Returns:
        The jaxpr, values of its constants, and the equation.
    """
    jaxpr = closed.jaxpr
    for i, eqn in enumerate(jaxpr.eqns):
        if found(eqn):
            return jaxpr.replace(eqns=jaxpr.eqns[:i], outvars=eqn.invars), list(closed.consts), eqn
        for call in calls(eqn):
            if holds(call.jaxpr, found):
                inner, consts, mark = before(call, found)
                return _inlined(jaxpr, eqn, inner), [*closed.consts, *consts], mark
    raise LookupError


def exposed(closed: Any, found: Which) -> tuple[Jaxpr, list[Any], JaxprEqn]:
    """Make a jaxpr that returns, after its results, the operands of an equation, the pace among them left out.

    Returns:
        The jaxpr, calls on the way to the equation inlined; values of its constants; the equation.

    Raises:
        LookupError: It is in a branch of a `cond`, or nowhere.
    """
    jaxpr, consts = closed.jaxpr, list(closed.consts)
    while not any(map(found, jaxpr.eqns)):
        eqn = next((e for e in jaxpr.eqns if any(holds(x.jaxpr, found) for x in calls(e))), None)
        if eqn is None or len(calls(eqn)) > 1:
            raise LookupError
        (call,) = calls(eqn)
        consts += call.consts
        jaxpr = replaced(jaxpr, eqn, renamed(call.jaxpr, eqn.invars))
    mark = next(filter(found, jaxpr.eqns))
    return jaxpr.replace(outvars=[*jaxpr.outvars, *mark.invars[1:]]), consts, mark


def replaced(jaxpr: Jaxpr, eqn: JaxprEqn, call: Jaxpr) -> Jaxpr:
    """Evaluate a call where it stands, and go on."""
    place = jaxpr.eqns.index(eqn)
    names: dict[Any, Any] = dict(zip(eqn.outvars, call.outvars, strict=True))
    rest = jaxpr.replace(constvars=[], invars=list(names), eqns=jaxpr.eqns[place + 1 :])
    rest = renamed(rest, list(names.values()))
    return jaxpr.replace(
        constvars=[*jaxpr.constvars, *call.constvars],
        eqns=[*jaxpr.eqns[:place], *call.eqns, *rest.eqns],
        outvars=rest.outvars,
    )


def _inlined(jaxpr: Jaxpr, eqn: JaxprEqn, call: Jaxpr) -> Jaxpr:
    """Evaluate a call where one of the equations stands, and return its results."""
    call = renamed(call, eqn.invars[-len(call.invars) :])
    return jaxpr.replace(
        constvars=[*jaxpr.constvars, *call.constvars],
        eqns=[*jaxpr.eqns[: jaxpr.eqns.index(eqn)], *call.eqns],
        outvars=call.outvars,
    )


def renamed(jaxpr: Jaxpr, invars: Sequence[Any]) -> Jaxpr:
    """Give a jaxpr other inputs, which may be those of the jaxpr that it is to be a part of."""
    names: dict[Any, Any] = dict(zip(jaxpr.invars, invars, strict=True))
    rename: Callable[[Any], Any] = lambda v: v if isinstance(v, Literal) else names.get(v, v)
    eqns = [e.replace(invars=list(map(rename, e.invars))) for e in jaxpr.eqns]
    return jaxpr.replace(eqns=eqns, outvars=list(map(rename, jaxpr.outvars)))
