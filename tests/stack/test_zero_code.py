"""Unmodified programs under `opentelemetry-instrument` and `soltrace run`: passes arrive, what is printed stays."""

import os
import subprocess
import sys
import uuid
from collections import Counter
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parents[1] / "programs"
INSTRUMENT = [Path(sys.executable).parent / "opentelemetry-instrument", sys.executable]
RUN = [sys.executable, "-m", "soltrace", "run"]
FORWARD, BACKWARD = "diffeqsolve forward", "diffeqsolve backward"


@pytest.fixture
def service():
    """A name that no other test sends."""
    return f"zero-code-{uuid.uuid4()}"


def printed(command, directory, **environ):
    """Run a program, and return what it printed."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SOLTRACE_"))}
    done = subprocess.run(
        [str(part) for part in command],
        cwd=directory,
        env=inherited | {"XLA_FLAGS": ""} | environ,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def relatives(spans):
    """The name of each span and of its parent, counted."""
    names = {span["spanID"]: span["operationName"] for span in spans}

    def parent(span):
        above = [
            r["spanID"] for r in span["references"] if r["refType"] == "CHILD_OF" and r["traceID"] == span["traceID"]
        ]
        return names[above[0]] if above else None

    return Counter((span["operationName"], parent(span)) for span in spans)


@pytest.mark.parametrize("how", [INSTRUMENT, RUN], ids=["opentelemetry-instrument", "soltrace run"])
def test_a_neural_ode_in_training(how, stack, service, tmp_path):
    """Three steps of optax: a forward and a backward pass each, over the curves of the batch."""
    program = PROGRAMS / "neural_ode.py"
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http, "OTEL_SERVICE_NAME": service}
    assert printed([*how, program], tmp_path, **environ) == printed([sys.executable, program], tmp_path)
    spans = stack.jaeger.spans(service, 6)
    assert relatives(spans) == {(FORWARD, None): 3, (BACKWARD, None): 3}
    assert {span["tags"]["soltrace.batch_shape"] for span in spans} == {"[4]"}
    assert {span["tags"]["soltrace.status"] for span in spans} == {"ok"}


def test_a_sweep_under_vmap(stack, service, tmp_path):
    """One pass for all lanes; by `soltrace run` with an experiment and with the endpoint on the command line."""
    sweep = [PROGRAMS / "sweep.py", 5]
    ours = ["--otlp", stack.otlp_grpc, "--experiment", "sweep", "--attributes", "night=3"]
    alone = printed([sys.executable, *sweep], tmp_path)
    environ = {"OTEL_SERVICE_NAME": service, "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert printed([*RUN, *ours, *sweep], tmp_path, **environ) == alone
    spans = stack.jaeger.spans(service, 2)
    assert relatives(spans) == {("sweep", None): 1, (FORWARD, "sweep"): 1}
    (forward,) = [span for span in spans if span["operationName"] == FORWARD]
    told = {
        key: forward["tags"][f"soltrace.{key}"]
        for key in ("lanes.total", "experiment.name", "experiment.attributes.night")
    }
    assert told == {"lanes.total": 5, "experiment.name": "sweep", "experiment.attributes.night": 3}

    other = f"{service}-instrumented"
    environ = {"OTEL_SERVICE_NAME": other, "OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http}
    assert printed([*INSTRUMENT, *sweep], tmp_path, **environ) == alone
    assert relatives(stack.jaeger.spans(other, 1)) == {(FORWARD, None): 1}


@pytest.mark.parametrize("how", [INSTRUMENT, RUN], ids=["opentelemetry-instrument", "soltrace run"])
def test_a_script_with_a_provider_of_its_own(how, stack, service, tmp_path):
    """Its provider is used as it is, and the passes are children of its spans: nothing is sent twice."""
    program = PROGRAMS / "own_provider.py"
    own = {"CALIBRATION_SERVICE": service, "CALIBRATION_TRACES": f"{stack.otlp_http}/v1/traces"}
    alone = printed([sys.executable, program], tmp_path, **own | {"CALIBRATION_SERVICE": f"{service}-alone"})
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http, "OTEL_SERVICE_NAME": f"{service}-other"}
    assert printed([*how, program], tmp_path, **own, **environ) == alone
    spans = stack.jaeger.spans(service, 6)
    assert relatives(spans) == {("calibrate", None): 2, (FORWARD, "calibrate"): 2, (BACKWARD, "calibrate"): 2}
    assert Counter(s["tags"]["soltrace.adjoint"] for s in spans if s["operationName"] == BACKWARD) == {
        "DirectAdjoint": 1,
        "BacksolveAdjoint": 1,
    }
    assert relatives(stack.jaeger.spans(f"{service}-alone", 2)) == {("calibrate", None): 2}
    assert stack.jaeger.spans(f"{service}-other", 0) == []


def test_what_is_sent_says_where_it_ran(stack, service, tmp_path):
    """The resource of the spans has the facts of our detector."""
    environ = {"OTEL_EXPORTER_OTLP_ENDPOINT": stack.otlp_http, "OTEL_SERVICE_NAME": service, "SLURM_JOB_ID": "42"}
    printed([*RUN, PROGRAMS / "sweep.py", 2], tmp_path, **environ)
    (trace,) = stack.jaeger.traces(service)
    (process,) = trace["processes"].values()
    tags = {tag["key"]: tag["value"] for tag in process["tags"]}
    names = ("process.command", "soltrace.scheduler.name", "soltrace.scheduler.job", "soltrace.jax.backend")
    assert [tags.get(name) for name in names] == [str(PROGRAMS / "sweep.py"), "slurm", "42", "cpu"]
