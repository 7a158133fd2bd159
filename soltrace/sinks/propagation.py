"""From process to process: in which trace a process is to be, as W3C's texts in variables of the environment.

Host side, on any thread. `TRACEPARENT` and `TRACESTATE` name the span that its own are under; `BAGGAGE` is what the
whole trace carries along. OpenTelemetry's propagators read and write them.
"""

import re
from collections.abc import Mapping
from typing import Final

from opentelemetry import baggage, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from soltrace.sinks import Ids
from soltrace.sinks.otel import ids_of

_NAMES: Final = ("traceparent", "tracestate", "baggage")
_MEMBER: Final = re.compile(
    r"[ \t]*[!#$%&'*+\-.^_`|~0-9A-Za-z]+[ \t]*=[ \t]*[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*[ \t]*"
)
"""A pair of the baggage, without its properties."""
_STATE: Final = re.compile(
    r"[ \t]*([a-z0-9][a-z0-9_\-*/@]{0,255}=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e][ \t]*)?"
)
"""A pair of the state."""
_LONGEST: Final = 512
"""Characters that a propagator reads of `TRACEPARENT`."""
_SHOWN_AT_MOST: Final = 100


def received(environ: Mapping[str, str]) -> tuple[Context | None, list[str]]:
    """Read in which trace this process is to be.

    Args:
        environ: Its variables.

    Returns:
        The context of the span that its own are under, with the baggage; None where there is neither. And what is
        malformed and was left out, in words for the user.
    """
    given = {name: text for name in _NAMES if (text := environ.get(name.upper(), "").strip())}
    problems: list[str] = []
    # What is malformed goes no further: the propagators would say so too, in words that name no variable.
    if not all(map(_STATE.fullmatch, given.get("tracestate", "").split(","))):
        problems.append(_problem("TRACESTATE", "vendor=value,...", given.pop("tracestate")))
    members = [member.partition(";")[0] for member in given.pop("baggage", "").split(",") if member]
    carried = ",".join(filter(_MEMBER.fullmatch, members))
    if carried != ",".join(members):
        problems.append(_problem("BAGGAGE", "name=value,...", environ["BAGGAGE"]))
    parent = given.get("traceparent", "")
    context = TraceContextTextMapPropagator().extract(given, Context()) if len(parent) <= _LONGEST else Context()
    if parent and not trace.get_current_span(context).get_span_context().is_valid:
        problems.append(_problem("TRACEPARENT", "00-<32 hexadecimal digits>-<16>-01", parent))
    if carried:
        context = W3CBaggagePropagator().extract({"baggage": carried}, context)
    return context or None, problems


def handed_down(place: object) -> dict[str, str]:
    """Write down where the spans of another process belong.

    Args:
        place: The context of the span that they are to be under.

    Returns:
        The variables that tell it; none where that span is no span.
    """
    if not isinstance(place, Context) or not trace.get_current_span(place).get_span_context().is_valid:
        return {}
    carrier: dict[str, str] = {}
    TraceContextTextMapPropagator().inject(carrier, place)
    W3CBaggagePropagator().inject(carrier, place)
    return {name.upper(): text for name, text in carrier.items()}


def ids_above(place: object) -> Ids | None:
    """Return the ids of the span at a place, if there is one that is sampled."""
    return ids_of(trace.get_current_span(place)) if isinstance(place, Context) else None


def with_baggage_of(place: object, context: Context) -> Context:
    """Add to a context what of the baggage of a place it lacks."""
    if isinstance(place, Context):
        known = baggage.get_all(context)
        for name, value in baggage.get_all(place).items():
            if name not in known:
                context = baggage.set_baggage(name, value, context)
    return context


def _problem(variable: str, expected: str, got: str) -> str:
    shown = got if len(got) <= _SHOWN_AT_MOST else f"{got[:_SHOWN_AT_MOST]}…"
    return f"{variable} must be like {expected}, got {shown!r}: what is malformed is left out."
