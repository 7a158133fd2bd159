from collections import Counter

import grpc
import pytest

pytestmark = pytest.mark.slow

MANY = "\nfor _ in range(10): solve()"
ITEMS = {"span": 10, "log record": 21}
"""What ten solves make: a span each, and two lines of the log each, after its first line."""


def dropped(lines):
    """How many items were lost in exporting, of which kind and why, according to the log."""
    lost = Counter()
    for line in lines:
        if line["event"] == "telemetry.dropped":
            lost[line["what"], line["reason"]] += line["dropped"]
    return lost


@pytest.fixture
def outage(backend, grpc_backend):
    """The environment of a program whose backend is out of order in a given way."""

    def outage(transport, way):
        chosen = grpc_backend if transport == "grpc" else backend
        if way != "down":
            chosen.answer = way
        endpoint = "http://127.0.0.1:1" if way == "down" else chosen.endpoint
        protocol = "grpc" if transport == "grpc" else "http/protobuf"
        return {"OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}

    return outage


@pytest.mark.parametrize(
    "transport,way",
    [
        ("http", "down"),
        ("http", "hang"),
        ("http", 429),
        ("http", 503),
        ("grpc", "down"),
        ("grpc", "hang"),
        ("grpc", grpc.StatusCode.UNAVAILABLE),
    ],
    ids=str,
)
def test_a_backend_that_may_come_back_is_tried_until_the_bound(transport, way, outage, run, lines):
    """The process ends in the time configured. Everything is counted, and reported once a signal; no traceback."""
    done = run("soltrace.configure(exit_timeout_s=1.5)" + MANY, **outage(transport, way))
    assert done.returncode == 0
    assert done.took_s < 1.5 + 4  # starting Python and importing
    lost = dropped(lines())
    assert {what: lost[what, "not exported in time"] for what in ITEMS} == ITEMS
    assert {what for what, _ in lost} == {"span", "log record", "metric point"}
    for what in ("span", "log record", "metric point"):
        assert len([line for line in done.said if f"{what} not exported within 1.5 s: " in line]) == 1
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "transport,way",
    [("http", 400), ("http", 404), ("http", 500), ("grpc", grpc.StatusCode.INVALID_ARGUMENT)],
    ids=str,
)
def test_a_backend_that_refuses_is_not_tried_again(transport, way, outage, run, lines):
    """The process ends at once. Everything is counted and reported."""
    done = run(MANY, **outage(transport, way))
    assert done.returncode == 0
    assert done.took_s < 4.5
    lost = dropped(lines())
    assert {what: lost[what, "export failed"] for what in ITEMS} == ITEMS
    for what in ("span", "log record", "metric point"):
        assert len([line for line in done.said if f"{what}s are not exported: Failed to export" in line]) == 1
    assert "Traceback" not in done.stderr


def test_a_solve_does_not_wait_for_the_backend(outage, run, lines):
    """A thousand passes meet a backend that hangs, and those that find no room are counted."""
    program = """
import time
soltrace.configure(exit_timeout_s=3.0)
solve()
slowest = 0.0
for _ in range(1000):
    began = time.perf_counter()
    solve()
    slowest = max(slowest, time.perf_counter() - began)
print(slowest)
"""
    environ = {"OTEL_BSP_MAX_QUEUE_SIZE": "100", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "50"}
    done = run(program, **outage("http", "hang"), **environ, OTEL_TRACES_SAMPLER="always_on")
    assert float(done.stdout) < 0.5
    lost = dropped(lines())
    assert lost["span", "export queue full"] + lost["span", "not exported in time"] == 1001
    assert lost["span", "export queue full"] >= 851
    assert "Traceback" not in done.stderr


def test_what_was_lost_in_an_outage_is_what_was_counted(backend, run, lines):
    """A backend refuses some batches in the middle of a thousand passes: each pass arrives once or is counted."""
    seen = []

    def take(signal, body, headers):
        seen.append(signal)
        backend.answer = 500 if 3 <= seen.count("traces") < 6 and signal == "traces" else "ok"
        return type(backend).take(backend, signal, body, headers)

    backend.take = take
    program = """
for _ in range(1000): solve()
soltrace.flush()
"""
    done = run(program, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, OTEL_BSP_MAX_EXPORT_BATCH_SIZE="100")
    arrived = Counter(span.span_id for _, span in backend.of("traces"))
    lost = dropped(lines())
    assert set(arrived.values()) == {1}
    assert lost["span", "export failed"] >= 201
    assert len(arrived) + sum(lost.values()) == 1000
    assert len([line for line in done.said if "spans are not exported: " in line]) == 1


def test_the_metric_of_failures_counts_them(backend, run):
    """Signal by signal, for whoever watches a dashboard instead of the log."""

    def take(signal, body, headers):
        backend.answer = 400 if signal == "traces" else "ok"
        return type(backend).take(backend, signal, body, headers)

    backend.take = take
    run("solve()\nsoltrace.flush()\nsolve()\nsoltrace.shutdown()", OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint)
    points = [
        (point.attributes[0].value.string_value, point.as_int)
        for _, metric in backend.of("metrics")
        if metric.name == "soltrace.export.failures"
        for point in metric.sum.data_points
    ]
    assert points[-1] == ("traces", 2)


def test_what_is_taken_without_an_answer_is_counted(backend, run, lines):
    """Nobody knows that it arrived. More may be counted than was lost, but never less."""
    backend.answer = "hang"
    environ = {"OTEL_EXPORTER_OTLP_TIMEOUT": "0.3", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    run(MANY, OTEL_EXPORTER_OTLP_ENDPOINT=backend.endpoint, **environ)
    assert len({span.span_id for _, span in backend.of("traces")}) == 10
    assert dropped(lines()) == {("span", "export failed"): 10}
