"""What the source says that a running program doesn't know: docstrings of fields and constants."""

import ast
from pathlib import Path
from types import ModuleType


def documented(statements: list[ast.stmt]) -> dict[str, str]:
    """The names assigned in a module or a class, and the docstring below each; empty where there is none."""
    found: dict[str, str] = {}
    for statement, following in zip(statements, [*statements[1:], ast.Pass()], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            is_docstring = isinstance(following, ast.Expr) and isinstance(following.value, ast.Constant)
            found[statement.target.id] = _cleaned(following.value.value) if is_docstring else ""
    return found


def fields(module: ModuleType) -> dict[str, dict[str, str]]:
    """The fields of each class of a module, and their docstrings."""
    tree = _tree(module)
    return {node.name: documented(node.body) for node in tree.body if isinstance(node, ast.ClassDef)}


def constants(module: ModuleType) -> dict[str, str]:
    """The constants of a module, and their docstrings."""
    return documented(_tree(module).body)


def docstring(function: object) -> str | None:
    """The docstring that stands in the source of a function: `functools.wraps` puts the wrapped one's in its place."""
    code = getattr(function, "__code__", None)
    if code is None:
        return None
    tree = ast.parse(Path(code.co_filename).read_text(encoding="utf-8"))
    name = code.co_name
    found = next((node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name), None)
    return None if found is None else ast.get_docstring(found)


def _text(module: ModuleType) -> str:
    if module.__file__ is None:
        raise ValueError(f"{module.__name__} has no source")
    return Path(module.__file__).read_text(encoding="utf-8")


def _tree(module: ModuleType) -> ast.Module:
    return ast.parse(_text(module))


def _cleaned(text: object) -> str:
    return " ".join(str(text).split())
