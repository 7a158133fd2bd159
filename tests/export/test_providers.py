import json
import re
import sys
import sysconfig
from pathlib import Path

import pytest

import soltrace

CONSOLE = {"OTEL_TRACES_EXPORTER": "console"}


def test_the_environment_alone_is_enough(run, lines):
    """Spans are exported, at exit at the latest, and the log's lines carry their ids."""
    done = run("with soltrace.experiment('fit'): solve()", "-W", "error", **CONSOLE, OTEL_SERVICE_NAME="fitting")
    assert (done.returncode, done.said) == (0, [])
    assert done.stdout.count('"name": "diffeqsolve forward"') == 1
    assert done.stdout.count('"name": "fit"') == 1
    assert done.stdout.count('"service.name": "fitting"') == 2
    assert all(len(line["trace_id"]) == 32 for line in lines()[1:])


@pytest.mark.parametrize("transport", ["http", "grpc"])
def test_an_endpoint_is_enough(transport, request, run):
    """All three signals arrive, of a program that never mentions OpenTelemetry."""
    backend = request.getfixturevalue("backend" if transport == "http" else "grpc_backend")
    protocol = {} if transport == "http" else {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    done = run("solve()", "-W", "error", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, **protocol)
    assert (done.returncode, done.stdout, done.said) == (0, "", [])
    assert backend.spans == ["diffeqsolve forward"]
    assert [record.event_name for _, record in backend.of("logs")] == ["log.opened", "pass.started", "pass.ended"]
    assert "soltrace.pass.duration" in {metric.name for _, metric in backend.of("metrics")}


def test_an_endpoint_may_be_given_in_the_program(backend, run):
    """It takes precedence over the environment's. Whatever else the exporters read still holds."""
    program = f"soltrace.configure(otlp_endpoint='{backend.endpoint}/'); solve()"
    done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", OTEL_EXPORTER_OTLP_HEADERS="key=secret")
    assert (done.returncode, done.said) == (0, [])
    assert backend.spans == ["diffeqsolve forward"]
    assert {(signal, headers["key"]) for signal, _, headers in backend.arrived} == {
        ("traces", "secret"),
        ("metrics", "secret"),
        ("logs", "secret"),
    }


def test_an_endpoint_holds_as_long_as_the_process(backend, run):
    """A global provider is set only once. Another endpoint is a warning, and changes nothing."""
    program = f"""
soltrace.configure(otlp_endpoint='{backend.endpoint}')
soltrace.configure(otlp_endpoint='http://127.0.0.1:1')
solve()
"""
    done = run(program)
    for signal in ("traces", "metrics", "logs"):
        assert f"{signal} go where they went: otlp_endpoint= holds as long as the process." in done.stderr
    assert backend.spans == ["diffeqsolve forward"]


def test_signals_are_switched_off_one_by_one(backend, run):
    """`configure` can do so, and so can OpenTelemetry's variables."""
    program = "soltrace.configure(logs=False); solve()"
    run(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, OTEL_METRICS_EXPORTER="none")
    assert {signal for signal, _, _ in backend.arrived} == {"traces"}


def test_a_disabled_sdk_exports_nothing(backend, run, lines):
    """With OTEL_SDK_DISABLED, only the log is written."""
    done = run("solve()", "-W", "error", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, OTEL_SDK_DISABLED="true")
    assert (done.returncode, done.said, backend.arrived) == (0, [], [])
    assert [line["event"] for line in lines()] == ["log.opened", "pass.started", "pass.ended"]


def test_the_sampler_is_the_environments(backend, run):
    """A span that is not sampled is not lost."""
    program = "for _ in range(3): solve()"
    done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, OTEL_TRACES_SAMPLER="always_off")
    assert (done.said, backend.of("traces")) == ([], [])
    assert len(backend.of("logs")) == 7


def test_a_provider_of_the_programs_own_stays(backend, run):
    """The environment does not concern that provider. The other signals are exported as it says."""
    program = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
mine = TracerProvider()
trace.set_tracer_provider(mine)
solve()
print(trace.get_tracer_provider() is mine)
"""
    done = run(program, "-W", "error", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (done.stdout, done.said) == ("True\n", [])
    assert {signal for signal, _, _ in backend.arrived} == {"metrics", "logs"}


def test_providers_that_are_given_are_used(backend, run):
    """No other one is set up, even if the environment asks for it."""
    program = """
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
spans, reader, records = InMemorySpanExporter(), InMemoryMetricReader(), InMemoryLogRecordExporter()
tracers, loggers = TracerProvider(), LoggerProvider()
tracers.add_span_processor(SimpleSpanProcessor(spans))
loggers.add_log_record_processor(SimpleLogRecordProcessor(records))
soltrace.configure(tracer_provider=tracers, meter_provider=MeterProvider([reader]), logger_provider=loggers)
solve()
soltrace.flush()
print(len(spans.get_finished_spans()), len(records.get_finished_logs()))
print("soltrace.pass.duration" in reader.get_metrics_data().to_json())
print(*[type(get()).__name__ for get in (trace.get_tracer_provider, _logs.get_logger_provider)])
"""
    done = run(program, "-W", "error", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    assert (done.stdout, done.said) == ("1 3\nTrue\nProxyTracerProvider ProxyLoggerProvider\n", [])
    assert backend.arrived == []


def test_a_provider_that_is_set_later_is_used_from_then_on(run):
    """The first solve does not decide for all the others."""
    program = """
solve()
soltrace.flush()
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor
trace.set_tracer_provider(TracerProvider())
trace.get_tracer_provider().add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter()))
solve()
soltrace.flush()
"""
    assert run(program, "-W", "error").stdout.count('"name": "diffeqsolve forward"') == 1


OWN_PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import SpanProcessor, TracerProvider
class Told(SpanProcessor):
    def on_end(self, span):
        print(span.name)
    def shutdown(self):
        print("shut down")
provider = TracerProvider()
provider.add_span_processor(Told())
trace.set_tracer_provider(provider)
"""


def test_a_provider_that_is_set_later_is_told_all_before_it_is_shut_down(run):
    """Who comes last to the interpreter's exit handlers is called first, and a provider registers itself there."""
    done = run(f"solve(); soltrace.flush()\n{OWN_PROVIDER}\nsolve()", "-W", "error")
    assert (done.said, done.stdout) == ([], "diffeqsolve forward\nshut down\n")


def test_the_span_of_an_experiment_ends_after_those_within_it(run):
    """To some processors a trace is complete then; and a program may shut its provider down once it has left it."""
    program = """
with soltrace.experiment("outer"):
    with soltrace.experiment("inner"):
        solve(); solve()
provider.shutdown()
"""
    done = run(OWN_PROVIDER + program, "-W", "error")
    passes = "diffeqsolve forward\n" * 2
    assert (done.said, done.stdout) == ([], f"{passes}inner\nouter\nshut down\n")


def test_the_resource_says_who_sends(backend, run):
    """The service's name, an instance id for each process, and what soltrace knows of the process."""
    for _ in range(2):
        run("solve()", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, OTEL_RESOURCE_ATTRIBUTES="team=tides")
    resources = [resource for resource, _ in backend.of("traces")]
    assert [(resource["service.name"], resource["team"]) for resource in resources] == [("soltrace", "tides")] * 2
    assert [resource["soltrace.version"] for resource in resources] == [soltrace.__version__] * 2
    assert len({resource["service.instance.id"] for resource in resources}) == 2
    assert all(resource in resources for signal in ("logs", "metrics") for resource, _ in backend.of(signal))


@pytest.mark.parametrize(
    "environ",
    [{"OTEL_SERVICE_NAME": "fit"}, {"OTEL_RESOURCE_ATTRIBUTES": "service.name=fit"}],
    ids=["name", "resource"],
)
def test_the_environment_names_the_service(environ, backend, run):
    """Either variable names it, and soltrace does not override that."""
    run("solve()", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, **environ)
    assert {resource["service.name"] for resource, _ in backend.of("traces")} == {"fit"}


def test_an_exporter_that_is_not_there_is_a_warning(run, lines):
    """The log is written all the same, and the other signals are exported."""
    program = "soltrace.configure(); solve()"
    done = run(program, OTEL_TRACES_EXPORTER="no_such_exporter", OTEL_LOGS_EXPORTER="console")
    said = (
        "traces are not exported: there is no exporter 'no_such_exporter' for traces: install the package that has it."
    )
    assert done.stderr.count(said) == 1
    assert done.stdout.count('"event_name": "pass.ended"') == 1
    assert [line["event"] for line in lines()] == ["log.opened", "pass.started", "pass.ended"]


@pytest.mark.parametrize(
    "environ,said",
    [
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"}, "OTEL_EXPORTER_OTLP_PROTOCOL must be grpc or http/protobuf"),
        ({"OTEL_PYTHON_ID_GENERATOR": "none", "OTEL_TRACES_EXPORTER": "otlp"}, "there is no 'none'."),
        ({"OTEL_CONFIG_FILE": "no.yaml"}, "nothing is exported: OpenTelemetry could not be set up: "),
    ],
    ids=["protocol", "ids", "file"],
)
def test_what_the_sdk_can_not_do_is_a_warning(environ, said, run):
    """It is given once, and the solve goes on."""
    done = run("soltrace.configure(); solve(); print('done')", **environ)
    assert (done.returncode, done.stdout) == (0, "done\n")
    assert done.stderr.count(said) >= 1
    assert "Traceback" not in done.stderr


@pytest.fixture
def without_otlp(tmp_path):
    """The environment of a Python that finds everything but the exporters, as without the extra."""
    packages = tmp_path / "packages"
    packages.mkdir()
    for entry in Path(sysconfig.get_path("purelib")).iterdir():
        if not entry.name.startswith("opentelemetry_exporter") and entry.suffix != ".pth":
            (packages / entry.name).symlink_to(entry)
    root = Path(soltrace.__file__).parents[1]
    return {"PYTHONPATH": f"{packages}:{root}", "PYTHONSAFEPATH": "1"}


def test_without_the_extra_an_endpoint_is_one_warning(without_otlp, run, lines):
    """The warning names the extra, and the solve goes on."""
    done = run("solve(); solve()", "-S", OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:1", **without_otlp)
    (said,) = [line for line in done.said if "Warning" in line]
    assert (
        'traces, metrics and logs are not exported: the OTLP exporters are not installed: pip install "soltrace[otlp]".'
        in said
    )
    assert (done.returncode, [line["event"] for line in lines()].count("pass.ended")) == (0, 2)


def test_without_the_extra_an_endpoint_in_the_program_is_an_error(without_otlp, run):
    """It is raised at once, where the endpoint is given."""
    done = run("soltrace.configure(otlp_endpoint='http://127.0.0.1:4318')", "-S", **without_otlp)
    assert done.returncode == 1
    assert 'the OTLP exporters are not installed: pip install "soltrace[otlp]".' in done.said[-1]


def test_without_the_environment_the_sdk_is_not_imported(run):
    """Nor are the exporters: a program that only wants a log pays for nothing else."""
    program = "solve(); soltrace.flush(); import sys; print([name for name in sys.modules if 'telemetry.sdk' in name])"
    assert run(program).stdout == "[]\n"


def test_what_is_printed_of_a_span_is_json(run):
    """The console exporter writes one object for each span, with its resource."""
    done = run("solve()", **CONSOLE)
    span = json.loads(done.stdout)
    assert re.fullmatch("[0-9a-f-]{36}", span["resource"]["attributes"].pop("service.instance.id"))
    assert span["resource"]["attributes"]["service.name"] == "soltrace"
    assert sys.version_info >= (3, 11)
