"""How Spark is told what passes are compared by, and how its answers are put into the words of DuckDB's."""

from decimal import Decimal
from typing import Any, Final, cast

import msgspec

from soltrace.report.ask import ATTRIBUTES, QueryRow, harmless
from soltrace.report.compare import Wording

_TOLERANCES: Final = frozenset({"rtol", "atol"})
_LEAST, _LARGEST = 1e-6, 1e21
"""DuckDB writes the numbers of JSON that are between these without an exponent, as JavaScript does."""


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
