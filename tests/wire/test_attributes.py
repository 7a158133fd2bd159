"""Attributes: what has an obvious form gets it, all are bounded, and what has none is refused with one error."""

import argparse
import collections
import dataclasses
import datetime as dt
import enum
import fractions
import functools
import re
import types
import uuid
from decimal import Decimal
from pathlib import PurePosixPath
from typing import Any

import attr
import diffrax as dfx
import jax
import jax.numpy as jnp
import ml_dtypes
import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from soltrace.errors import AttributeValueError
from soltrace.wire.attributes import JSON_BYTES_AT_MOST, LEFT_OUT, plain_attributes, within_bounds
from soltrace.wire.flat_attributes import NAMES_AT_MOST
from soltrace.wire.losses import OUTSIDE, What
from soltrace.wire.records import Attribute


class Color(str, enum.Enum):  # noqa: UP042 - as many still have them
    RED = "red"


class Speed(enum.IntEnum):
    FAST = 3


class Rights(enum.Flag):
    READ = 1
    WRITE = 2


class Kind(enum.Enum):
    OTHER = object()


@dataclasses.dataclass
class Optimiser:
    name: str = "adam"
    rate: float = 1e-3


@dataclasses.dataclass
class Config:
    optimiser: Optimiser = dataclasses.field(default_factory=Optimiser)
    seed: int = 3


@dataclasses.dataclass
class Nothing:
    pass


@attr.s(auto_attribs=True)
class Attrs:
    a: int = 1


class Struct(msgspec.Struct):
    b: int = 2


class Model:
    """As pydantic's."""

    __pydantic_fields__ = {"c": None}  # noqa: RUF012

    def __init__(self) -> None:
        self.c = 3


class ConfigDict:
    """As ml_collections' and omegaconf's: a mapping that says so nowhere."""

    def keys(self) -> list[str]:
        return ["lr"]

    def __iter__(self) -> Any:
        return iter(self.keys())

    def __getitem__(self, key: str) -> float:
        return {"lr": 0.5}[key]


class Url:
    def __str__(self) -> str:
        return "http://x"


Point = collections.namedtuple("Point", "x y")  # noqa: PYI024 - as many have them

FORMS: dict[str, tuple[Any, dict[str, Any]]] = {
    "None": (None, {"v": "None"}),
    "list with None": ([1, None], {"v": [1, "None"]}),
    "NaN": (float("nan"), {"v": "NaN"}),
    "beyond 64 bits": (2**70, {"v": 2**70}),
    "beyond 128 bits": (2**200, {"v": str(2**200)}),
    "half an emoji": ("half \ud83d", {"v": "half \\ud83d"}),
    "control characters": ("\0\x1b", {"v": "\0\x1b"}),
    "bytes": (b"r\xe9s", {"v": "r\\xe9s"}),
    "memoryview": (memoryview(b"ab"), {"v": "ab"}),
    "complex": (1 + 2j, {"v": "(1+2j)"}),
    "path": (PurePosixPath("/data/x.csv"), {"v": "/data/x.csv"}),
    "str enumeration": (Color.RED, {"v": "red"}),
    "int enumeration": (Speed.FAST, {"v": 3}),
    "flag": (Rights.READ | Rights.WRITE, {"v": 3}),
    "enumeration of objects": (Kind.OTHER, {"v": "OTHER"}),
    "date": (dt.date(2026, 1, 2), {"v": "2026-01-02"}),
    "datetime": (dt.datetime(2026, 1, 2, 3, tzinfo=dt.UTC), {"v": "2026-01-02T03:00:00+00:00"}),
    "timedelta": (dt.timedelta(hours=1), {"v": "1:00:00"}),
    "uuid": (uuid.UUID(int=3), {"v": "00000000-0000-0000-0000-000000000003"}),
    "decimal": (Decimal("1.10"), {"v": "1.10"}),
    "fraction": (fractions.Fraction(1, 3), {"v": "1/3"}),
    "pattern": (re.compile("a+"), {"v": "a+"}),
    "exception": (ValueError("bad"), {"v": "ValueError: bad"}),
    "dictionary": ({"a": 1, "b": {"c": [1, 2]}, 3: "x"}, {"v.a": 1, "v.b.c": [1, 2], "v.3": "x"}),
    "empty dictionary": ({}, {"v": "{}"}),
    "nested lists": ([1, [2, 3], {"a": 4}], {"v.0": 1, "v.1": [2, 3], "v.2.a": 4}),
    "empty list": ([], {"v": []}),
    "set": ({10, 9, 1}, {"v": [1, 9, 10]}),
    "frozenset of both": (frozenset({"a", 1}), {"v": [1, "a"]}),
    "range": (range(3), {"v": [0, 1, 2]}),
    "values": ({"a": 1}.values(), {"v": [1]}),
    "dataclass": (Config(), {"v.optimiser.name": "adam", "v.optimiser.rate": 1e-3, "v.seed": 3}),
    "dataclass of nothing": (Nothing(), {"v": "Nothing"}),
    "named tuple": (Point(1, 2), {"v.x": 1, "v.y": 2}),
    "attrs": (Attrs(), {"v.a": 1}),
    "struct": (Struct(), {"v.b": 2}),
    "model": (Model(), {"v.c": 3}),
    "like a mapping": (ConfigDict(), {"v.lr": 0.5}),
    "namespace": (argparse.Namespace(lr=1), {"v.lr": 1}),
    "simple namespace": (types.SimpleNamespace(lr=1), {"v.lr": 1}),
    "own text": (Url(), {"v": "http://x"}),
    "function": (len, {"v": "len"}),
    "method": (Url.__str__, {"v": f"{__name__}.Url.__str__"}),
    "ufunc": (np.sin, {"v": "numpy.sin"}),
    "class": (dfx.Tsit5, {"v": f"{dfx.Tsit5.__module__}.Tsit5"}),
    "partial": (functools.partial(max, 1), {"v.func": "max", "v.args": [1], "v.keywords": "{}"}),
    "module": (jnp, {"v": "jax.numpy"}),
    "solver": (dfx.Tsit5(), {"v": "Tsit5"}),
    "controller": (dfx.PIDController(rtol=1e-3, atol=1e-6), {"v": "PIDController"}),
    "dtype": (np.dtype("float32"), {"v": "float32"}),
    "matrix": (np.eye(2), {"v.0": [1.0, 0.0], "v.1": [0.0, 1.0]}),
    "matrix of jax's": (jnp.ones((1, 2)), {"v.0": [1.0, 1.0]}),
    "0-d": (np.array(2), {"v": 2}),
    "datetime64": (np.datetime64("2026-01-01"), {"v": "2026-01-01"}),
    "bytes of numpy": (np.array([b"x"]), {"v": ["x"]}),
    "objects": (np.array([1, "a", None], object), {"v": [1, "a", "None"]}),
    "structured": (np.zeros(1, [("a", int)]), {"v.0.a": 0}),
    "bfloat16": (jnp.bfloat16(0.5), {"v": 0.5}),
    "float8": (np.array([0.5], ml_dtypes.float8_e4m3fn), {"v": [0.5]}),
    "int4": (ml_dtypes.int4(3), {"v": 3}),
    "complex array": (np.array([1j]), {"v": ["1j"]}),
    "key": (jax.random.key(0), {"v": [0, 0]}),
    "keys": (jax.random.wrap_key_data(jnp.zeros((2, 2), jnp.uint32)), {"v.0": [0, 0], "v.1": [0, 0]}),
}


@pytest.mark.parametrize("name", FORMS)
def test_what_has_an_obvious_form_gets_it(name: str) -> None:
    """A scalar, a flat list, or names with dots."""
    value, expected = FORMS[name]
    plain = plain_attributes({"v": value})
    assert plain == expected
    assert list(map(type, plain.values())) == list(map(type, expected.values()))


def _ring() -> list[Any]:
    ring: list[Any] = [1]
    ring.append(ring)
    return ring


class Shy:
    def __repr__(self) -> str:
        raise RuntimeError("not ready")


class Mute:
    def __str__(self) -> str:
        raise RecursionError("again and again")


class Broken:
    def __array__(self, *_: Any, **__: Any) -> Any:
        raise KeyError("no")


REFUSED: dict[str, tuple[Any, str]] = {
    "object": (object(), "Attribute 'v' must be a bool, int, float or str"),
    "iterator": (iter([1]), "Attribute 'v' must be"),
    "object within": ({"a": [1, object()]}, "Attribute 'v.a' must be"),
    "ring": (_ring(), "Attribute 'v' contains itself."),
    "repr that raises": (Shy(), "got a value of type Shy"),
    "text that raises": (Mute(), "Attribute 'v' could not be read: RecursionError: again and again."),
    "array that raises": (Broken(), "Attribute 'v' could not be read: KeyError: 'no'."),
    "key that is no name": ({(1, 2): 3}, "Attribute 'v' has a key that is no name: (1, 2) of type tuple."),
    "empty key": ({"": 3}, "Attribute 'v' has a key that is no name: '' of type str."),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_none_is_refused_with_one_error(name: str) -> None:
    """Whatever its own methods raise."""
    value, message = REFUSED[name]
    with pytest.raises(AttributeValueError, match=re.escape(message)):
        plain_attributes({"v": value})


def test_a_traced_value_has_no_value_yet() -> None:
    """An experiment is no part of the program."""
    with pytest.raises(AttributeValueError, match="Attribute 'x' could not be read: TracerArrayConversionError"):
        jax.jit(lambda x: plain_attributes({"x": x}))(1.0)


@pytest.mark.parametrize(
    "attributes,message",
    [
        ({3: 4}, "An attribute's name must be a non-empty string, got 3 of type int."),
        ({"": 4}, "An attribute's name must be a non-empty string, got '' of type str."),
        ({"a": {"b": 1}, "a.b": 2}, "Attribute 'a.b' stands twice: once by that name, and once within a table."),
        (["a"], "Attributes must be a mapping of names to values, got ['a'] of type list."),
        ("a", "Attributes must be a mapping of names to values, got 'a' of type str."),
        (object, "Attributes must be a mapping of names to values"),
    ],
    ids=["name", "empty", "twice", "list", "text", "class"],
)
def test_names_are_checked(attributes: Any, message: str) -> None:
    """They are how the values are found again."""
    with pytest.raises(AttributeValueError, match=re.escape(message)):
        plain_attributes(attributes)


def test_an_object_can_be_the_attributes() -> None:
    """What argparse returns, a dataclass; what is given by name wins."""
    assert plain_attributes(argparse.Namespace(lr=1, seed=2), {"seed": 3}) == {"lr": 1, "seed": 3}
    assert plain_attributes(Optimiser()) == {"name": "adam", "rate": 1e-3}


def counted() -> int:
    """How many losses of attributes there have been so far."""
    return sum(loss.dropped for loss in OUTSIDE.total() if loss.what is What.ATTRIBUTE)


CUT: dict[str, tuple[Any, dict[str, Any]]] = {
    "text": ("x" * 10_000, {"v": "x" * 4096 + "… (10000 characters)"}),
    "bytes": (b"x" * 10_000, {"v": "x" * 4096 + "… (10000 characters)"}),
    "list": (list(range(1000)), {"v": [*range(128), "… 872 more"]}),
    "range": (range(10**30), {"v": [*range(128), "… more"]}),
    "array": (np.arange(1000), {"v": [*range(128), "… 872 more"]}),
    "array of jax's": (jnp.arange(1000), {"v": [*range(128), "… 872 more"]}),
    "list of texts": (["x" * 3000] * 5, {"v": ["x" * 3000] * 2 + ["… 3 more"]}),
    "list of a long text": (["x" * 5000], {"v": ["x" * 4096 + "… (5000 characters)"]}),
    "rows": (np.zeros((50, 1)), {f"v.{i}": [0.0] for i in range(16)} | {"v.…": "… 34 more"}),
    "depth": (functools.reduce(lambda inner, _: [inner], range(3000), 1), {"v" + ".0" * 8: "…"}),
}


@pytest.mark.parametrize("name", CUT)
def test_a_value_that_is_too_large_is_cut_and_says_so(name: str) -> None:
    """It is counted, once."""
    value, expected = CUT[name]
    before = counted()
    assert plain_attributes({"v": value}) == expected
    assert counted() == before + 1


def test_no_more_names_than_a_span_keeps() -> None:
    """The deepest go first: what a user has named stays."""
    before = counted()
    plain = plain_attributes({"table": {str(i): i for i in range(1000)}, "seed": 3})
    assert list(plain) == [f"table.{i}" for i in range(NAMES_AT_MOST - 1)] + ["seed", LEFT_OUT]
    assert plain[LEFT_OUT] == 2
    assert counted() == before + 2


def test_no_more_bytes_than_a_line_has_room_for() -> None:
    """The largest go first. Nested experiments' attributes are bounded together."""
    texts = {f"t{i}": "\0" * 2000 for i in range(4)}
    outer = plain_attributes({"seed": 3} | texts)
    assert list(outer) == ["seed", "t2", "t3", LEFT_OUT]
    nested = within_bounds({**outer, "t4": "\0" * 2000, "lr": 1.0})
    assert list(nested) == ["seed", "t3", "t4", "lr", LEFT_OUT]
    assert nested[LEFT_OUT] == 3


class Hostile:
    """An object of a user's whose methods do what they want."""

    def __init__(self, does: dict[str, Any]) -> None:
        self._does = does

    def __getattr__(self, name: str) -> Any:
        raise self._does.get("getattr", AttributeError)(name)

    def __str__(self) -> str:
        return self._does.get("str", "fine")  # perhaps no string at all


def _object_array(value: Any) -> Any:
    array = np.empty(2, object)
    array[0] = value
    return array


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**400), 10**400)
    | st.floats()
    | st.complex_numbers()
    | st.text(st.characters(exclude_categories=()))
    | st.binary()
    | st.dates()
    | st.timedeltas()
    | st.decimals()
    | st.uuids()
    | st.sampled_from([Color.RED, Kind.OTHER, np.sin, object(), dfx.Tsit5(), Url])
    | st.sampled_from([Shy, Mute, Broken, Url]).map(lambda kind: kind())
    | st.builds(
        lambda dtype, n: np.full((n,) * (n % 3), n).astype(dtype), st.sampled_from("?bBqQefdFUSO"), st.integers(0, 3)
    )
    | st.builds(
        lambda text, error: Hostile({"str": text, "getattr": error}),
        st.text() | st.integers(),
        st.sampled_from([AttributeError, KeyError, RecursionError]),
    )
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner)
        | st.tuples(inner)
        | st.dictionaries(st.text() | st.integers() | st.none() | st.tuples(st.integers()), inner)
        | st.builds(Optimiser, inner, inner)
        | inner.map(_object_array)
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.text(st.characters(exclude_categories=())), VALUES, max_size=5))
def test_anything_becomes_a_line_or_is_refused(attributes: dict[str, Any]) -> None:
    """A line of bounded size that comes back as it went, and no other exception."""
    try:
        plain = plain_attributes(attributes)
    except AttributeValueError:
        return
    encoded = msgspec.json.encode(plain)
    assert msgspec.json.decode(encoded, type=dict[str, Attribute]) == plain
    assert len(encoded) < JSON_BYTES_AT_MOST + 100
