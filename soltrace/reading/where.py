"""Conditions on a line: `phase == "backward" and steps.rejected > 10`. A part of Python's grammar, without `eval`.

Fields are those of the line, dotted into what is nested: `steps.rejected`, `attributes.seed`, `attributes["lr.max"]`.
What is not there, or is of another type than what it is compared with, is unknown; and what is unknown matches nothing,
not even after `not`. This is the logic of SQL's null.
"""

import ast
import math
import warnings
from collections.abc import Callable, Iterator, Sequence
from operator import eq, ge, gt, le, lt, ne
from typing import Any, Final, TypeAlias, cast

import msgspec

from soltrace.wire.records import AnyRecord

_Value: TypeAlias = Any
_Known: TypeAlias = bool | None
_Term: TypeAlias = Callable[[Any], _Value]
_Test: TypeAlias = Callable[[Any], _Known]

_LONGEST: Final = 4000
_MISSING: Final = object()
_NAMES: Final = {"true": True, "false": False, "null": None}
_ORDERS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {ast.Lt: lt, ast.LtE: le, ast.Gt: gt, ast.GtE: ge}
_SAMENESS: Final[dict[type[ast.cmpop], Callable[[Any, Any], Any]]] = {ast.Eq: eq, ast.NotEq: ne}
_decode: Final = msgspec.json.Decoder().decode
EXAMPLE: Final = 'phase == "backward" and steps.rejected > 10'


class BadExpressionError(ValueError):
    """An expression is not a condition. The message says what is wrong with it, and where."""


class Where:
    """A condition on lines of a log. A text is no number to it, whatever it spells.

    ```python
    slow = Where('phase == "backward" and attributes.lr < 0.01')
    slow(b'{"phase":"backward","attributes":{"lr":0.001}}')  # True
    slow(b'{"phase":"backward","attributes":{"lr":"0.001"}}')  # False
    ```

    Args:
        text: The expression: fields, literals and lists of them, `== != < <= > >= in not in`, `and or not`, brackets.

    Raises:
        BadExpressionError: The text is not such an expression.
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.fields: tuple[str, ...] = ()
        """The first names of the fields that the condition is about."""
        if len(text) > _LONGEST:
            raise BadExpressionError(f"longer than {_LONGEST} characters")
        try:
            # What Python only warns of, an unknown escape for one, is not what was meant.
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                tree = ast.parse(text.strip(), mode="eval")
            self._test = _test(tree.body)
            self.fields = tuple(sorted({n.id for n in ast.walk(tree) if isinstance(n, ast.Name)} - set(_NAMES)))
        except BadExpressionError:
            raise
        except SyntaxError as error:
            at = f" at character {error.offset}" if error.offset else ""
            raise BadExpressionError(f"{error.msg}{at}") from None
        except (ValueError, RecursionError, MemoryError) as error:
            raise BadExpressionError(str(error) or "nested too deeply") from None

    def unknown(self) -> tuple[str, ...]:
        """Return the fields that no record has: other programs may write them, but most likely they are misspelt."""
        known = {"event", *(name for kind in AnyRecord.__args__ for name in kind.__struct_fields__)}
        return tuple(name for name in self.fields if name not in known)

    def __call__(self, line: bytes) -> bool:
        """Return whether a line of a log fulfils the condition. A line that is not JSON does not."""
        try:
            return self._test(_decode(line)) is True
        except (msgspec.MsgspecError, ValueError, RecursionError):
            return False


def _test(node: ast.expr) -> _Test:
    match node:
        case ast.BoolOp(ast.And(), values):
            return _and([_test(value) for value in values])
        case ast.BoolOp(ast.Or(), values):
            return _or([_test(value) for value in values])
        case ast.UnaryOp(ast.Not(), operand):
            test = _test(operand)
            return lambda line: None if (known := test(line)) is None else not known
        case ast.Compare(left, operators, others):
            terms = [_term(term) for term in (left, *others)]
            pairs = zip(operators, terms, terms[1:], strict=False)
            return _and([_comparison(operator, one, other) for operator, one, other in pairs])
        case ast.Constant(bool() as value):
            return lambda _: value
        case ast.Name() | ast.Attribute() | ast.Subscript():
            field = _term(node)
            # A flag by itself: `stalled`. A number or a text is none.
            return lambda line: value if isinstance(value := field(line), bool) else None
        case _:
            raise _refused(node)


def _and(tests: Sequence[_Test]) -> _Test:
    def both(line: Any) -> _Known:
        known: _Known = True
        for test in tests:
            match test(line):
                case False:
                    return False
                case None:
                    known = None
                case _:
                    pass
        return known

    return tests[0] if len(tests) == 1 else both


def _or(tests: Sequence[_Test]) -> _Test:
    def either(line: Any) -> _Known:
        known: _Known = False
        for test in tests:
            match test(line):
                case True:
                    return True
                case None:
                    known = None
                case _:
                    pass
        return known

    return either


def _comparison(operator: ast.cmpop, one: _Term, other: _Term) -> _Test:
    if isinstance(operator, ast.In):
        return lambda line: _in(one(line), other(line))
    if isinstance(operator, ast.NotIn):
        return lambda line: None if (known := _in(one(line), other(line))) is None else not known
    if (same := _SAMENESS.get(type(operator))) is not None:
        return lambda line: same(_told_apart(a), _told_apart(b)) if _alike(a := one(line), b := other(line)) else None
    if (order := _ORDERS.get(type(operator))) is not None:
        return lambda line: bool(order(a, b)) if _alike(a := one(line), b := other(line), ordered=True) else None
    raise BadExpressionError("`is` is not known here: write ==")


def _alike(a: _Value, b: _Value, *, ordered: bool = False) -> bool:
    """Return whether two values can be compared: two numbers or two texts, and for equality two of any other kind."""
    if a is _MISSING or b is _MISSING:
        return False
    kind = _kind(a)
    return kind == _kind(b) and (not ordered or kind in {"number", "text"})


def _told_apart(value: _Value) -> _Value:
    """Rewrite a value so that flags equal no numbers, not within lists and objects either."""
    if isinstance(value, list):
        return [_told_apart(item) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        return {key: _told_apart(item) for key, item in cast("dict[str, Any]", value).items()}
    return ("flag", value) if isinstance(value, bool) else value


def _kind(value: _Value) -> str:
    # A bool is an int to Python, and no number to the reader of a log.
    if isinstance(value, bool):
        return "flag"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    return "null" if value is None else "list" if isinstance(value, list) else "object"


def _in(value: _Value, items: _Value) -> _Known:
    if value is _MISSING or items is _MISSING:
        return None
    if isinstance(items, str):
        return value in items if isinstance(value, str) else None
    if isinstance(items, list):
        return any(_told_apart(value) == _told_apart(item) for item in cast("list[Any]", items))
    if isinstance(items, dict):
        return value in items if isinstance(value, str) else None
    return None


def _term(node: ast.expr) -> _Term:
    match node:
        case ast.Constant(float() as value) if math.isinf(value):
            raise BadExpressionError("a number must be finite: one here is larger than any float")
        case ast.Constant(value) if value is None or isinstance(value, str | int | float):
            return lambda _: value
        case ast.UnaryOp(ast.USub(), ast.Constant(int() | float() as value) as operand) if not isinstance(value, bool):
            _term(operand)  # for what it refuses
            return lambda _: -value
        case ast.Name(name) if name in _NAMES:
            constant = _NAMES[name]
            return lambda _: constant
        case ast.List(items) | ast.Tuple(items):
            terms = [_term(item) for item in items]
            return lambda line: [term(line) for term in terms]
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return _field(list(_path(node)))
        case _:
            raise _refused(node)


def _path(node: ast.expr) -> Iterator[str | int]:
    match node:
        case ast.Name(name):
            yield name
        case ast.Attribute(inner, name):
            yield from _path(inner)
            yield name
        case ast.Subscript(inner, ast.Constant(str() | int() as key)) if not isinstance(key, bool):
            yield from _path(inner)
            yield key
        case _:
            raise _refused(node)


def _field(path: Sequence[str | int]) -> _Term:
    def look_up(value: Any) -> _Value:
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                return _MISSING
        return value

    return look_up


def _refused(node: ast.expr) -> BadExpressionError:
    return BadExpressionError(f"{ast.unparse(node)!r} is not a condition; one is like {EXAMPLE}")
