import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from soltrace.export.otlp_bytes import attribute_bytes

SCALARS = (
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats()
    | st.text(st.characters(exclude_categories=["Cs"]))
    | st.sampled_from([0, -1, 127, 128, 2**14, "", "x" * 127, "x" * 128, "ü" * 200, -0.0, math.nan, math.inf])
)
VALUES = SCALARS | st.lists(SCALARS, max_size=5) | st.just(["x" * 40] * 9)


def opentelemetrys(attributes):
    """What OpenTelemetry's own encoder makes of them."""
    span = ReadableSpan("", SpanContext(1, 1, is_remote=False), resource=Resource.get_empty(), attributes=attributes)
    (encoded,) = encode_spans([span]).resource_spans[0].scope_spans[0].spans
    return Span(attributes=encoded.attributes).SerializeToString()


@given(st.dictionaries(st.text(st.characters(exclude_categories=["Cs"]), min_size=1), VALUES))
def test_it_is_what_opentelemetry_makes_of_them(attributes):
    """Byte by byte and in the same order, whatever the values and their lengths."""
    assert attribute_bytes(9, attributes) == opentelemetrys(attributes)


def test_equal_values_of_different_types_are_different():
    """What is kept for one is not taken for another: 1, 1.0 and True are equal to Python."""
    for value in (1, True, 1.0, False, 0, 0.0, -0.0):
        assert attribute_bytes(9, {"a": value}) == opentelemetrys({"a": value})


@pytest.mark.parametrize("value", [None, b"bytes", {"a": 1}, 3j, [None]], ids=repr)
def test_what_soltrace_never_has_is_refused(value):
    """It is for OpenTelemetry to say what becomes of it."""
    with pytest.raises(KeyError):
        attribute_bytes(9, {"a": value})


def test_text_that_is_none_is_refused():
    """Half a pair of UTF-16 can't be encoded, in a name or a value."""
    for attributes in ({"a": "\ud800"}, {"\ud800": 1}):
        with pytest.raises(UnicodeEncodeError):
            attribute_bytes(9, attributes)
