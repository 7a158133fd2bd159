import pytest
from opentelemetry import baggage, trace

from soltrace.sinks.propagation import handed_down, received

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def read(**variables):
    """What is understood: the span's ids, its state, the baggage, and the variables that are malformed."""
    context, problems = received(variables)
    span = trace.get_current_span(context).get_span_context()
    ids = (f"{span.trace_id:032x}", f"{span.span_id:016x}") if span.is_valid else None
    known = {} if context is None else dict(baggage.get_all(context))
    return ids, dict(span.trace_state), known, [problem.split()[0] for problem in problems]


IDS = ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


@pytest.mark.parametrize(
    "variables,expected",
    [
        ({}, (None, {}, {}, [])),
        ({"TRACEPARENT": ""}, (None, {}, {}, [])),
        ({"TRACEPARENT": PARENT}, (IDS, {}, {}, [])),
        ({"TRACEPARENT": PARENT, "TRACESTATE": "a=1,b=2"}, (IDS, {"a": "1", "b": "2"}, {}, [])),
        ({"TRACEPARENT": PARENT, "BAGGAGE": "user=j%20d, lab = 3;ttl=1"}, (IDS, {}, {"user": "j d", "lab": "3"}, [])),
        ({"BAGGAGE": "a=1"}, (None, {}, {"a": "1"}, [])),
        ({"TRACEPARENT": "nonsense", "TRACESTATE": "a=1"}, (None, {}, {}, ["TRACEPARENT"])),
        ({"TRACEPARENT": f"00-{'0' * 32}-b7ad6b7169203331-01"}, (None, {}, {}, ["TRACEPARENT"])),
        ({"TRACEPARENT": PARENT, "TRACESTATE": "!"}, (IDS, {}, {}, ["TRACESTATE"])),
        ({"TRACEPARENT": PARENT, "BAGGAGE": "a=1,b"}, (IDS, {}, {"a": "1"}, ["BAGGAGE"])),
        ({"BAGGAGE": "é"}, (None, {}, {}, ["BAGGAGE"])),
        ({"TRACEPARENT": "x" * 5000}, (None, {}, {}, ["TRACEPARENT"])),
    ],
)
def test_what_the_variables_say(variables, expected, caplog):
    """What is malformed is left out and told, once, and in nobody else's words."""
    assert read(**variables) == expected
    assert caplog.records == []


def test_what_is_handed_down_is_what_was_received():
    """A process between two others changes nothing."""
    variables = {"TRACEPARENT": PARENT, "TRACESTATE": "a=1", "BAGGAGE": "user=j+d"}
    context, _ = received(variables)
    assert handed_down(context) == variables
    assert handed_down(None) == {}
