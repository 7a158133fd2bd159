"""The reference of the views that `soltrace query` is asked of: every column, from their description."""

from soltrace.report.views import LOG_VIEWS, LogView


def page() -> str:
    """All views."""
    return "\n".join(_view(name, view) for name, view in LOG_VIEWS.items())


def _view(name: str, view: LogView) -> str:
    rows = [f"| `{column.name}` | {column.type} | {column.unit} | {column.means} |" for column in view.columns]
    return "\n".join(
        [f"## `{name}`", "", view.rows, "", "| column | type | unit | |", "| --- | --- | --- | --- |", *rows, ""]
    )
