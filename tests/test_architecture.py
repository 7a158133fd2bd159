"""The shape of the package: one direction of imports, nothing heavy before it is needed, nothing more than is named."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

import soltrace

PACKAGE = Path(__file__).parents[1] / "soltrace"
FILES = sorted(PACKAGE.rglob("*.py"))

NUMERICAL = {"jax", "jaxlib", "diffrax", "equinox", "lineax", "optimistix", "jaxtyping", "optax"}
TELEMETRY = {"structlog", "opentelemetry"}

# What a file of each room must not import: libraries by their top-level name, our own rooms by their dotted one. The
# first prefix that matches a file's module decides.
FORBIDDEN: dict[str, set[str]] = {
    "soltrace.traced": TELEMETRY
    | {
        "rich",
        "optax",
        "soltrace.sinks",
        "soltrace.reading",
        "soltrace.cli",
        "soltrace.config",
        "soltrace.experiments",
    },
    "soltrace.host": NUMERICAL
    | TELEMETRY
    | {"rich", "soltrace.traced", "soltrace.reading", "soltrace.cli", "soltrace.config", "soltrace.experiments"}
    # the protocol of a sink is all that it knows of them
    | {"soltrace.sinks.json_log", "soltrace.sinks.spans", "soltrace.sinks.metrics", "soltrace.sinks.logs"},
    "soltrace.sinks.json_log": NUMERICAL
    | {"opentelemetry", "numpy", "rich", "soltrace.traced", "soltrace.host", "soltrace.reading", "soltrace.cli"}
    | {"soltrace.sinks.spans"},
    "soltrace.sinks.spans": NUMERICAL
    | {"structlog", "rich", "soltrace.traced", "soltrace.host", "soltrace.reading", "soltrace.cli"}
    | {"soltrace.sinks.json_log", "soltrace.sinks.metrics", "soltrace.sinks.logs"},
    "soltrace.sinks.metrics": NUMERICAL
    | {"structlog", "opentelemetry.sdk", "numpy", "rich"}
    | {"soltrace.traced", "soltrace.host", "soltrace.reading", "soltrace.cli"}
    | {"soltrace.sinks.json_log", "soltrace.sinks.spans", "soltrace.sinks.logs"},
    "soltrace.sinks.gauges": NUMERICAL
    | {"structlog", "opentelemetry.sdk", "numpy", "rich"}
    | {"soltrace.traced", "soltrace.host", "soltrace.reading", "soltrace.cli"}
    | {"soltrace.sinks.json_log", "soltrace.sinks.spans", "soltrace.sinks.logs", "soltrace.sinks.metrics"},
    "soltrace.sinks.counts": NUMERICAL
    | {"structlog", "opentelemetry.sdk", "numpy", "rich"}
    | {"soltrace.traced", "soltrace.host", "soltrace.reading", "soltrace.cli"}
    | {"soltrace.sinks.json_log", "soltrace.sinks.spans", "soltrace.sinks.logs", "soltrace.sinks.metrics"},
    "soltrace.sinks.logs": NUMERICAL
    | {"structlog", "opentelemetry.sdk", "numpy", "rich"}
    | {"soltrace.traced", "soltrace.host", "soltrace.reading", "soltrace.cli"}
    | {"soltrace.sinks.json_log", "soltrace.sinks.spans", "soltrace.sinks.metrics", "soltrace.sinks.gauges"},
    "soltrace.sinks.otel": NUMERICAL
    | {"structlog", "opentelemetry.sdk", "numpy", "rich"}
    | {"soltrace.traced", "soltrace.host", "soltrace.reading", "soltrace.cli"}
    | {"soltrace.sinks.json_log", "soltrace.sinks.spans", "soltrace.sinks.metrics", "soltrace.sinks.logs"},
    "soltrace.sinks": NUMERICAL
    | TELEMETRY
    | {"rich", "soltrace.traced", "soltrace.host", "soltrace.reading", "soltrace.cli"},
    "soltrace.reading": NUMERICAL
    | TELEMETRY
    | {"numpy", "soltrace.traced", "soltrace.host", "soltrace.sinks", "soltrace.cli", "soltrace.config"},
    "soltrace.report": NUMERICAL
    | TELEMETRY
    | {"numpy", "rich", "soltrace.traced", "soltrace.host", "soltrace.sinks", "soltrace.cli", "soltrace.config"},
    "soltrace.cli.run": NUMERICAL | TELEMETRY | {"numpy", "soltrace.traced", "soltrace.host", "soltrace.sinks"},
    "soltrace.cli.demo": NUMERICAL | TELEMETRY | {"soltrace.traced", "soltrace.host", "soltrace.sinks"},
    "soltrace.cli": NUMERICAL
    | TELEMETRY
    | {"numpy", "soltrace.traced", "soltrace.host", "soltrace.sinks", "soltrace.config", "soltrace.experiments"},
    "soltrace.demo": TELEMETRY | {"soltrace.traced", "soltrace.host", "soltrace.sinks", "soltrace.cli"},
    "soltrace.records": NUMERICAL | TELEMETRY | {"numpy", "rich", "soltrace"},
    "soltrace.errors": NUMERICAL | TELEMETRY | {"numpy", "rich", "soltrace"},
    "soltrace.attributes": NUMERICAL
    | TELEMETRY
    | {"rich", "soltrace.traced", "soltrace.sinks", "soltrace.reading", "soltrace.cli", "soltrace.config"},
    "soltrace.instrumentor": NUMERICAL | {"opentelemetry.sdk", "structlog", "numpy", "rich", "soltrace.traced"},
    "soltrace.detector": NUMERICAL
    | {"structlog", "numpy", "rich", "soltrace.traced", "soltrace.host", "soltrace.sinks", "soltrace.config"},
    "soltrace.resource": NUMERICAL
    | TELEMETRY
    | {"numpy", "rich", "soltrace.traced", "soltrace.host", "soltrace.sinks"},
    # sets up OpenTelemetry's SDK where nobody else has; knows neither who records nor what
    "soltrace.export": NUMERICAL
    | {"structlog", "numpy", "rich", "soltrace.traced", "soltrace.host", "soltrace.sinks", "soltrace.reading"}
    | {"soltrace.cli", "soltrace.config", "soltrace.experiments"},
    "soltrace": NUMERICAL | TELEMETRY | {"rich"},  # config, experiments, testing, ...: these wire the rooms together
}


def module_of(file: Path) -> str:
    """The dotted name under which a file is imported."""
    parts = file.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(file: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it, as absolute dotted names."""
    package = module_of(file) if file.name == "__init__.py" else module_of(file).rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{base}.{alias.name}" for alias in node.names)  # `from soltrace import host` names a room too


def rules(module: str) -> set[str]:
    """What this module must not import."""
    return next(rule for prefix, rule in FORBIDDEN.items() if within(module, prefix))


def within(name: str, prefix: str) -> bool:
    """Whether a dotted name is another one or lies inside it."""
    return name == prefix or name.startswith(prefix + ".")


def test_rules_name_what_there_is():
    """A rule about a module that does not exist can't fail."""
    modules = {module_of(file) for file in FILES}
    ours = {name for rule in FORBIDDEN.values() for name in rule if name.startswith("soltrace")}
    assert (ours | set(FORBIDDEN)) - modules == set()


def test_imports_point_one_way():
    """traced -> host -> sinks, reading apart, records shared by all; each library is imported in its own room only."""
    broken = [
        f"{module_of(file)} imports {name}"
        for file in FILES
        for name in sorted(set(imports(file)))
        for rule in rules(module_of(file))
        if within(name, rule)
    ]
    assert broken == []


def test_traced_imports_the_port_and_nothing_else_of_ours():
    """The traced room needs jax, diffrax, equinox, numpy, the standard library, the host's port and the records."""
    allowed = {"jax", "jaxlib", "diffrax", "equinox", "jaxtyping", "numpy"} | sys.stdlib_module_names
    ours = ("soltrace.traced", "soltrace.host", "soltrace.records", "soltrace.errors", "soltrace.attributes")
    others = {
        f"{module_of(file)} imports {name}"
        for file in FILES
        if within(module_of(file), "soltrace.traced")
        for name in imports(file)
        if name.split(".")[0] not in allowed and not any(within(name, room) for room in ours)
    }
    assert others == set()


def loaded_after(statement: str) -> set[str]:
    """Top-level and dotted names of the modules that a fresh interpreter has after a statement."""
    program = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_soltrace_imports_nothing_heavy():
    """A script that only might trace pays nothing until it does."""
    heavy = {"jax", "jaxlib", "diffrax", "equinox", "numpy", "structlog", "opentelemetry", "opentelemetry.sdk", "rich"}
    assert loaded_after("import soltrace") & heavy == set()


@pytest.mark.parametrize("command", ["run", "tail", "demo", "report", "convert", "formats", "completion"])
def test_the_command_line_imports_neither_jax_nor_opentelemetry(command):
    """`soltrace tail` on a login node starts at once, and so does the help of every command."""
    # Quietly: a help may name a library too.
    program = (
        "import io; from contextlib import redirect_stdout, suppress; from soltrace.cli import main\n"
        f"with suppress(SystemExit), redirect_stdout(io.StringIO()): main(['{command}', '--help'])"
    )
    heavy = {"jax", "jaxlib", "diffrax", "opentelemetry", "structlog", "numpy", "duckdb", "jinja2", "vl_convert"}
    assert loaded_after(program) & heavy == set()


def test_what_the_extra_report_installs_is_imported_only_by_who_asks_for_a_report():
    """Its modules can be imported where it is not installed."""
    modules = ", ".join(module_of(file) for file in FILES if within(module_of(file), "soltrace.report"))
    assert loaded_after(f"import {modules}") & {"duckdb", "jinja2", "vl_convert", "jax", "opentelemetry"} == set()


def test_zero_code_imports_no_jax_before_the_program_does():
    """The program may have to say first on which devices, and may never need it."""
    instrument = "from soltrace.instrumentor import SoltraceInstrumentor as S; S().instrument(skip_dep_check=True)"
    assert loaded_after(instrument) & {"jax", "jaxlib", "diffrax", "equinox"} == set()


def test_public_names_are_sorted_and_exist():
    """`__all__` is the list of what users may rely on, and each name leads to something."""
    assert soltrace.__all__ == sorted(soltrace.__all__)
    assert [name for name in soltrace.__all__ if not hasattr(soltrace, name)] == []


def test_nothing_else_leaks():
    """In a fresh interpreter, `dir(soltrace)` shows the public names, and no helper of ours."""
    program = "import soltrace; print('\\n'.join(name for name in dir(soltrace) if not name.startswith('_')))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [name for name in soltrace.__all__ if not name.startswith("_")]


def test_no_file_is_too_long():
    """One concept a file: over 400 lines it is two."""
    lengths = {module_of(file): len(file.read_text(encoding="utf-8").splitlines()) for file in FILES}
    assert {module: lines for module, lines in lengths.items() if lines > 400} == {}


@pytest.mark.parametrize(
    "name",
    [
        "py.typed",
        "schema.json",
        "data/lynx_hare.csv",
        "formats/lnav.json",
        "formats/hl.toml",
        "report/page/page.html.j2",
        "report/sql/load.sql",
    ],
)
def test_what_is_not_code_is_shipped(name):
    """Types, the log's schema, the demonstration's data, formats and the report's parts are in the package."""
    assert resources.files("soltrace").joinpath(name).is_file()
