"""Puts questions in DuckDB's SQL into Spark's."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, cast

from soltrace.report.relations import JUDGED, TOLD

if TYPE_CHECKING:
    from sqlglot.expressions import Expr

RELATIONS: Final = frozenset({"data_set", "records", "attempted", *TOLD, "lost", *JUDGED, "chosen"})
"""What questions are asked of."""
_COMPARED_BY: Final = "COMPARED_BY"
_FUNCTIONS: Final = {
    "EPOCH_US": "unix_micros({0})",
    "ISFINITE": "abs({0}) < double('Infinity')",  # NaN is the greatest of all
    "SECONDS_BEFORE": "coalesce(timestamp_micros(try_subtract(unix_micros({0}), "
    "try_cast(rint(({1}) * 1e6) AS BIGINT))), {0})",
}
"""What sqlglot leaves as it is, in Spark's words."""


def view_name(relation: str) -> str:
    """Return what we call one of `RELATIONS` in a session, which is the caller's and has views of its own."""
    return f"soltrace_{relation}"


def translated(question: str, compared_by: str = "", parameters: Mapping[str, object] | None = None) -> str:
    """Translate a question from DuckDB's SQL to Spark's.

    Args:
        question: The question.
        compared_by: What is compared by, in Spark's words.
        parameters: Values of its `$names`.
    """
    import sqlglot
    from sqlglot import exp

    tree = sqlglot.parse_one(question, read="duckdb")
    for node in reversed(list(tree.bfs())):  # what stands within another one first
        if isinstance(node, exp.Placeholder):
            node.replace(_literal((parameters or {})[node.name]))
        elif isinstance(node, exp.Column) and node.name == _COMPARED_BY:
            node.replace(exp.Var(this=compared_by))
        elif isinstance(node, exp.Table) and node.name in RELATIONS:
            _name_as_ours(node)
        elif isinstance(node, exp.ArgMax | exp.ArgMin):
            _pass_over_null(node)
        elif (words := _in_spark(node)) is not None:
            node.replace(sqlglot.parse_one(words, read="spark"))
        elif isinstance(node, exp.TableSample):
            node.set("seed", None)
    return tree.sql("spark")


def _literal(value: object) -> "Expr":
    from sqlglot import exp

    if isinstance(value, list):
        texts = [exp.Literal.string(text) for text in cast("list[str]", value)]
        return exp.cast(exp.Array(expressions=texts), "ARRAY<TEXT>")
    return exp.convert(value)


def _name_as_ours(table: "Expr") -> None:
    from sqlglot import exp

    select = table.parent_select
    if not table.alias and not (select and select.args.get("sample")):  # which would have to stand before it
        table.set("alias", exp.TableAlias(this=exp.to_identifier(table.name)))
    table.set("this", exp.to_identifier(view_name(table.name)))


def _pass_over_null(extreme: "Expr") -> None:
    """Have Spark's `max_by` and `min_by` pass over what is NULL, as DuckDB's do."""
    from sqlglot import exp

    known = exp.Not(this=exp.Is(this=extreme.this.copy(), expression=exp.Null()))
    if isinstance(extreme.parent, exp.Filter):
        chosen = extreme.parent.expression
        chosen.set("this", exp.and_(chosen.this, known))
    else:
        extreme.replace(exp.Filter(this=extreme.copy(), expression=exp.Where(this=known)))


def _in_spark(node: "Expr") -> str | None:
    """Write an expression in Spark's words, if sqlglot does not."""
    from sqlglot import exp

    arguments = [argument.sql("spark") for argument in node.args.get("expressions") or ()]
    if isinstance(node, exp.Anonymous) and node.name.upper() in _FUNCTIONS:
        return _FUNCTIONS[node.name.upper()].format(*arguments)
    if isinstance(node, exp.PercentileCont):  # which Spark takes WITHIN GROUP only
        return f"percentile({node.this.sql('spark')}, {node.expression.sql('spark')})"
    if isinstance(node, exp.TryCast) and node.to.is_type("MAP"):
        return f"from_json({node.this.sql('spark')}, 'map<string,string>')"
    return None
