"""OpenTelemetry's instrumentor, in processes of its own: who imports what, and when, decides whether it works."""

import json
import os
import subprocess
import sys
from importlib.metadata import entry_points, requires

import pytest
from packaging.requirements import Requirement

from soltrace.zero_code.instrumentor import SoltraceInstrumentor
from tests.traced.rarely import some

SOLVE = """
def solve(diffeqsolve):
    import diffrax, jax.numpy as jnp
    return diffeqsolve(diffrax.ODETerm(lambda t, y, args: -y), diffrax.Heun(), 0.0, 1.0, 0.25, jnp.array(1.0)).ys
"""
INSTRUMENT = "from soltrace.zero_code.instrumentor import SoltraceInstrumentor; SoltraceInstrumentor().instrument()\n"
AGAIN = "SoltraceInstrumentor().uninstrument(); SoltraceInstrumentor().instrument()\n"
WRAPPING = "(lambda f: lambda *args: (f or __import__('soltrace').diffeqsolve)(*args))("
PASS = ["pass.started", "pass.ended"]


def run(program, directory, **environ):
    """Run a program. Returns what it printed, and the events of passes in its log."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SOLTRACE_"))}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", SOLVE + program],
        cwd=directory,
        env=inherited | {"SOLTRACE_DIR": "logs"} | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    lines = [
        json.loads(line) for log in sorted(directory.glob("logs/*.jsonl")) for line in log.read_text().splitlines()
    ]
    return done.stdout.split(), [line["event"] for line in lines if line["event"] in PASS]


ORDERS = {
    "module": f"{INSTRUMENT}import diffrax; solve(diffrax.diffeqsolve)",
    "name": f"{INSTRUMENT}from diffrax import diffeqsolve; solve(diffeqsolve)",
    "name before": f"from diffrax import diffeqsolve\n{INSTRUMENT}solve(diffeqsolve)",
    "ours before": f"import soltrace; soltrace.diffeqsolve; import diffrax\n{INSTRUMENT}solve(diffrax.diffeqsolve)",
    "ours after": f"{INSTRUMENT}import soltrace; solve(soltrace.diffeqsolve)",
    "our room first": f"{INSTRUMENT}import soltrace.traced.solve; import diffrax; solve(diffrax.diffeqsolve)",
    "again": f"{INSTRUMENT}{AGAIN}import diffrax; solve(diffrax.diffeqsolve)",
    "wrapped before": (
        f"import diffrax; diffrax.diffeqsolve = {WRAPPING}diffrax.diffeqsolve)\n{INSTRUMENT}solve(diffrax.diffeqsolve)"
    ),
    "ours in its place": (
        "import diffrax, soltrace; diffrax.diffeqsolve = soltrace.diffeqsolve; solve(diffrax.diffeqsolve)"
    ),
    "what calls ours in its place": (
        f"import diffrax; diffrax.diffeqsolve = {WRAPPING}None); solve(diffrax.diffeqsolve)"
    ),
}


@pytest.mark.parametrize("order", some(ORDERS, "module", "name before", "wrapped before"))
def test_whoever_imports_what_first(order, tmp_path):
    """The solve is told once, by whatever name it is called and whenever that was imported."""
    assert run(ORDERS[order], tmp_path) == ([], PASS)


def test_uninstrumented_before_and_after_diffrax_is_there(tmp_path):
    """Taken back, it does nothing: before diffrax is imported, and after it has traced a solve."""
    program = f"""
{INSTRUMENT}
SoltraceInstrumentor().uninstrument()
import diffrax
solve(diffrax.diffeqsolve)
bare = dict(vars(diffrax.diffeqsolve))
SoltraceInstrumentor().instrument()
solve(diffrax.diffeqsolve)
SoltraceInstrumentor().uninstrument()
solve(diffrax.diffeqsolve)
print(all(vars(diffrax.diffeqsolve)[name] is value for name, value in bare.items()))
"""
    assert run(program, tmp_path) == (["True"], PASS)


def test_the_program_still_says_how_jax_is_to_be(tmp_path):
    """Nothing imports jax before the program has set its variables."""
    program = f"""
{INSTRUMENT}
import os
os.environ["JAX_ENABLE_X64"] = "1"
import diffrax
print(solve(diffrax.diffeqsolve).dtype)
"""
    assert run(program, tmp_path) == (["float64"], PASS)


def test_a_program_without_diffrax_stays_one(tmp_path):
    """And nothing is written."""
    program = f"{INSTRUMENT}import sys; print('jax' in sys.modules, 'diffrax' in sys.modules)"
    assert run(program, tmp_path) == (["False", "False"], [])
    assert list(tmp_path.iterdir()) == []


def test_disabled(tmp_path):
    """As everywhere."""
    assert run(f"{INSTRUMENT}import diffrax; solve(diffrax.diffeqsolve)", tmp_path, SOLTRACE_DISABLED="1") == ([], [])


def test_a_diffrax_that_it_does_not_fit_still_works(tmp_path):
    """What can't be traced is solved all the same, and said."""
    program = f"""
import sys, warnings
sys.modules["soltrace.traced"] = None
{INSTRUMENT}
del sys.modules["soltrace.traced"]
sys.modules["soltrace.zero_code.patch"] = None
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    import diffrax
print(said[0].category.__name__, "traced:" in str(said[0].message))
solve(diffrax.diffeqsolve)
"""
    assert run(program, tmp_path) == (["SoltraceWarning", "True"], [])


def test_providers_go_to_the_configuration(tmp_path):
    """As those who write their own set-up give them."""
    program = """
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from soltrace.zero_code.instrumentor import SoltraceInstrumentor
import soltrace
exporter, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
SoltraceInstrumentor().instrument(tracer_provider=provider, meter_provider=None)
import diffrax
solve(diffrax.diffeqsolve)
soltrace.flush()
print(*[span.name.replace(" ", "-") for span in exporter.get_finished_spans()])
"""
    assert run(program, tmp_path) == (["diffeqsolve-forward"], PASS)


def test_it_names_the_diffrax_that_it_fits():
    """The versions that the package requires."""
    (needed,) = SoltraceInstrumentor().instrumentation_dependencies()
    (required,) = [name for name in requires("soltrace") if name.startswith("diffrax")]
    assert Requirement(needed) == Requirement(required)


def test_opentelemetry_finds_it():
    """By its entry point, named after what it instruments."""
    (entry,) = entry_points(group="opentelemetry_instrumentor", name="diffrax")
    assert entry.load() is SoltraceInstrumentor
