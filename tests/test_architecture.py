"""The shape of the package: one direction of imports, nothing heavy before it is needed, nothing more than is named."""

import ast
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import pytest

import soltrace

PACKAGE = Path(__file__).parents[1] / "soltrace"
FILES = sorted(PACKAGE.rglob("*.py"))

HEAVY = {"jax", "jaxlib", "diffrax", "equinox", "numpy", "structlog", "opentelemetry", "rich"}

# The rooms, from the ground up: what each imports of ours. A room is a folder, or a file at the root.
ROOMS: dict[str, set[str]] = {
    "errors": set(),
    "wire": {"errors"},
    "verdict": {"wire"},
    "callers": {"wire"},
    "sinks": {"wire", "callers"},
    "host": {"errors", "wire", "verdict", "callers", "sinks"},
    "traced": {"errors", "wire", "callers", "host"},
    "export": {"errors", "wire"},
    "reading": {"wire", "verdict"},
    "at_hand": {"wire", "host", "sinks", "reading"},
    "setup": {"errors", "wire", "callers", "host", "sinks", "export", "at_hand"},
    "experiments": {"errors", "wire", "callers", "host", "sinks"},
    "testing": {"wire", "host", "sinks"},
    "zero_code": {"wire", "host", "traced", "setup"},
    "formats": set(),
    "data": set(),
    "report": {"wire", "reading"},
    "shipping": {"wire", "sinks", "export", "reading"},
    "demo": {"wire", "reading"},
    "cli": {"wire", "zero_code", "reading", "report", "shipping", "demo"},
}

AS_USERS_DO = {"demo", "cli"}
"""Who may say `import soltrace`, as a program would."""

# The libraries of each room, beside the standard library and msgspec: each is imported in its own room only. The first
# prefix that matches decides.
LIBRARIES: dict[str, set[str]] = {
    "soltrace.traced": {"jax", "diffrax", "equinox", "numpy"},
    "soltrace.host": {"numpy"},  # and `pynvml`, by name, where it is installed
    "soltrace.wire.array_values": {"numpy"},
    "soltrace.wire.attribute_forms": {"numpy"},
    "soltrace.wire": set(),
    "soltrace.sinks.json_log": {"structlog"},
    "soltrace.sinks": {"opentelemetry"},
    "soltrace.export": {"opentelemetry"},
    "soltrace.zero_code.patch": {"diffrax"},
    "soltrace.zero_code": {"opentelemetry", "wrapt"},
    "soltrace.reading": {"rich", "compression", "backports", "_typeshed"},
    "soltrace.at_hand": {"rich"},
    "soltrace.shipping": {"opentelemetry"},
    "soltrace.report.spark_sql": {"sqlglot"},  # pyspark's session is the caller's
    "soltrace.report": {"duckdb", "jinja2", "vl_convert"},
    "soltrace.demo": {"jax", "diffrax", "equinox", "optax", "numpy"},
    "soltrace.cli": {"rich", "duckdb", "_typeshed"},
    "soltrace": set(),
}
SDK = {"soltrace.export"}
"""Who may import OpenTelemetry's SDK: the others use its API alone."""


SHARED_NAMES = {
    "add_arguments": "the protocol of a command's module: `soltrace.cli.Command`",
    "run": "the protocol of a command's module: `soltrace.cli.Command`",
}
"""The public names that several modules define, and why they must."""


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


def within(name: str, prefix: str) -> bool:
    """Whether a dotted name is another one or lies inside it."""
    return name == prefix or name.startswith(prefix + ".")


def room_of(module: str) -> str:
    """The room that a module of ours is in; empty: the root itself."""
    return module.partition(".")[2].partition(".")[0]


def test_the_root_holds_rooms_and_nothing_else():
    """The plan shows at the root: a room for each idea, and what is neither is named here."""
    entries = {path.name for path in PACKAGE.iterdir() if path.name != "__pycache__"}
    files = {"__init__.py", "__main__.py", "errors.py", "experiments.py", "testing.py", "py.typed"}
    assert entries == files | {room for room in ROOMS if f"{room}.py" not in files}


def test_rooms_are_listed_from_the_ground_up():
    """No room may import one that stands above it: there is one direction, and no circle."""
    rooms = list(ROOMS)
    assert [(room, other) for room in rooms for other in ROOMS[room] if rooms.index(other) >= rooms.index(room)] == []


def test_imports_point_one_way():
    """traced -> host -> sinks, reading apart, the wire shared by all."""
    found: dict[str, set[str]] = {room: set() for room in ROOMS}
    for file in FILES:
        if (room := room_of(module_of(file))) in ROOMS:
            others = {room_of(name) for name in imports(file) if within(name, "soltrace")}
            found[room] |= others - {room, "__version__", "" if room in AS_USERS_DO else room}
    assert found == ROOMS


def definitions(file: Path) -> Iterator[str]:
    """The public names that a file defines at its top level; what it imports is defined elsewhere."""
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names = [name]
            case ast.Assign(targets=targets):
                parts = [part for target in targets for part in getattr(target, "elts", [target])]
                names = [part.id for part in parts if isinstance(part, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                names = [name]
            case _:
                names = []
        yield from (name for name in names if not name.startswith("_"))


def test_a_public_name_is_defined_once():
    """One word, one meaning: whoever searches for a name finds one definition."""
    modules: dict[str, set[str]] = defaultdict(set)
    for file in FILES:
        for name in definitions(file):
            modules[name].add(module_of(file))
    several = {name: sorted(found) for name, found in modules.items() if len(found) > 1}
    assert {name: several[name] for name in several if name not in SHARED_NAMES} == {}
    assert SHARED_NAMES.keys() - several.keys() == set()


def test_a_file_name_stands_once():
    """Files are found by their names, in editors and tracebacks."""
    counts = Counter(file.name for file in FILES if file.name != "__init__.py")
    assert {name for name, count in counts.items() if count > 1} == set()


def test_the_host_knows_the_protocol_of_a_sink_and_no_sink():
    """What it is told of `soltrace.sinks` are its protocols."""
    found = {name for file in FILES if within(module_of(file), "soltrace.host") for name in imports(file)}
    assert {name for name in found if within(name, "soltrace.sinks")} <= {
        f"soltrace.sinks.{name}"
        for name in (
            *("Ids", "Sink", "Tracing", "ExperimentSpan", "RunSpan"),
            *("Batching", "Keeping", "Listened", "LinesLostError"),
        )
    }


def test_each_library_is_imported_in_its_own_room_only():
    """And every room named is there, so that each of these rules can fail."""
    ours = sys.stdlib_module_names | {"soltrace", "msgspec"}
    modules = {module_of(file) for file in FILES}
    assert set(LIBRARIES) - modules == set()
    broken = [
        f"{module_of(file)} imports {name}"
        for file in FILES
        for name in sorted(set(imports(file)))
        for allowed in [next(allowed for prefix, allowed in LIBRARIES.items() if within(module_of(file), prefix))]
        if name.split(".")[0] not in ours | allowed
    ]
    assert broken == []


def test_the_sdk_is_set_up_in_one_room():
    """The rest goes through OpenTelemetry's API, whose no-op costs next to nothing."""
    users = {module_of(file) for file in FILES if any(within(name, "opentelemetry.sdk") for name in imports(file))}
    assert {module for module in users if not any(within(module, room) for room in SDK)} == set()


def loaded_after(statement: str) -> set[str]:
    """Top-level and dotted names of the modules that a fresh interpreter has after a statement."""
    program = f"import sys\n{statement}\nprint('\\n'.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_soltrace_imports_nothing_heavy():
    """A script that only might trace pays nothing until it does."""
    assert loaded_after("import soltrace") & HEAVY == set()


@pytest.mark.parametrize(
    "command", ["run", "tail", "demo", "report", "explain", "query", "convert", "ship", "formats", "completion"]
)
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
    assert (
        loaded_after(f"import {modules}") & {"duckdb", "jinja2", "sqlglot", "vl_convert", "jax", "opentelemetry"}
        == set()
    )


def test_zero_code_imports_no_jax_before_the_program_does():
    """The program may have to say first on which devices, and may never need it."""
    instrument = (
        "from soltrace.zero_code.instrumentor import SoltraceInstrumentor as S; S().instrument(skip_dep_check=True)"
    )
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
        "wire/schema.json",
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
