"""Puts questions in DuckDB's SQL into Spark's, and values of answers into the words in which DuckDB has them."""

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, cast

import msgspec

from soltrace.report.ask import ATTRIBUTES, QueryRow, harmless
from soltrace.report.compare import Wording
from soltrace.report.sql_columns import quoted

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

_NAMES: Final = {
    # sqlglot leaves these as they are. Spark takes the first one's second form only with WITHIN GROUP.
    "PERCENTILE_CONT(": "PERCENTILE(",
    "EPOCH_US(": "UNIX_MICROS(",
}
_COMPARED_BY: Final = "COMPARED_BY"
_TOLERANCES: Final = frozenset({"rtol", "atol"})
_LEAST, _LARGEST = 1e-6, 1e21
"""DuckDB writes the numbers of JSON that are between these without an exponent, as JavaScript does."""


def translated(question: str, compared_by: str, parameters: Mapping[str, object]) -> str:
    """Translate a question from DuckDB's SQL to Spark's.

    Args:
        question: The question.
        compared_by: What is compared by, in Spark's words.
        parameters: Values of its `$names`.
    """
    import sqlglot

    for name, value in parameters.items():
        question = question.replace(f"${name}", _literal(value))
    text = sqlglot.parse_one(question, read="duckdb").transform(_as_spark).sql("spark")
    for ours, sparks in _NAMES.items():
        text = text.replace(ours, sparks)
    return text.replace(_COMPARED_BY, compared_by)


def _literal(value: object) -> str:
    if isinstance(value, list):
        texts = cast("list[str]", value)
        return f"CAST([{', '.join(map(quoted, texts))}] AS VARCHAR[])"
    return str(value).lower()


def _as_spark(node: "Expr") -> "Expr":
    """Have Spark's `max_by` and `min_by` pass over what is NULL, as DuckDB's do, and samples go without a seed."""
    from sqlglot import exp

    if isinstance(node, exp.TableSample):
        node.set("seed", None)
    if not isinstance(node, exp.ArgMax | exp.ArgMin):
        return node
    known = exp.Not(this=exp.Is(this=node.this.copy(), expression=exp.Null()))
    return exp.Filter(this=node.copy(), expression=exp.Where(this=known))


def _attribute(name: str) -> str:
    """Write the expression of an attribute's value: by its name as it is, which a path in JSON can't have."""
    text = name.replace("\\", "\\\\").replace("'", "\\'")
    return f"from_json({ATTRIBUTES}, 'map<string,string>')['{text}']"


def _attribute_value(name: str, row: QueryRow) -> str | None:
    """Return an attribute's value as it stands in the row of one of its group: Spark writes 0.00001 as 1.0E-5."""
    if row["value"] is None:
        return None
    value = msgspec.json.decode(row[ATTRIBUTES], type=dict[str, Any])[name]
    return harmless(value if isinstance(value, str) else _json(value))


def _column_value(name: str, row: QueryRow) -> str | None:
    value: str | None = row["value"]
    return value if value is None or name not in _TOLERANCES else repr(float(value))


def _json(value: Any) -> str:
    if isinstance(value, float):
        return _number(value)
    if isinstance(value, list):
        return f"[{','.join(map(_json, cast('list[Any]', value)))}]"
    return msgspec.json.encode(value).decode()


def _number(value: float) -> str:
    """Write a number as DuckDB does within JSON."""
    text = repr(value)
    if _LEAST <= abs(value) < _LARGEST:
        plain = f"{Decimal(text):f}"
        return plain if "." in plain else f"{plain}.0"
    mantissa, _, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if exponent else text


WORDING: Final = Wording(_attribute, lambda name: f"CAST({name} AS STRING)", _attribute_value, _column_value)
"""How Spark is told what is compared by."""
