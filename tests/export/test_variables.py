"""OpenTelemetry's variables with values that nobody can use: a warning each, and nothing of it reaches the solves."""

import pytest

pytestmark = pytest.mark.slow

LEAKS = """
import os, threading, soltrace

def counts():
    soltrace.flush()
    return len(os.listdir("/proc/self/fd")), threading.active_count(), len(os.listdir("logs"))

solve()
before = counts()
for _ in range(300):
    solve()
print(counts() == before)
threads = threading.active_count()
for _ in range(3):
    soltrace.configure()
    solve()
soltrace.flush()
print(threading.active_count() == threads)
"""
ABSENT = {f"OTEL_PYTHON_{kind}_PROVIDER": "absent" for kind in ("TRACER", "METER", "LOGGER")}
CONSOLE = {"OTEL_TRACES_EXPORTER": "console"}
UNUSABLE = {
    "providers": (
        ABSENT,
        [
            "no spans: OTEL_PYTHON_TRACER_PROVIDER names 'absent', which is not installed.",
            "no metrics: OTEL_PYTHON_METER_PROVIDER names 'absent', which is not installed.",
            "no log records: OTEL_PYTHON_LOGGER_PROVIDER names 'absent', which is not installed.",
        ],
    ),
    "no provider": ({"OTEL_PYTHON_TRACER_PROVIDER": ""}, ["no spans: OTEL_PYTHON_TRACER_PROVIDER names ''"]),
    "a provider and an exporter": (
        {"OTEL_PYTHON_TRACER_PROVIDER": "absent"} | CONSOLE,
        ["traces are exported as if it were not set: OTEL_PYTHON_TRACER_PROVIDER names 'absent', which is not"],
    ),
    "a meter provider and an exporter": (
        {"OTEL_PYTHON_METER_PROVIDER": "absent", "OTEL_METRICS_EXPORTER": "console"},
        ["metrics are exported as if it were not set: OTEL_PYTHON_METER_PROVIDER names 'absent', which is not"],
    ),
    "exporters": (
        {"OTEL_TRACES_EXPORTER": "absent", "OTEL_METRICS_EXPORTER": "absent"},
        ["traces are not exported: there is no exporter 'absent'", "metrics are not exported: there is no exporter"],
    ),
    "a protocol": (
        {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"},
        ["traces, metrics and logs are not exported: OTEL_EXPORTER_OTLP_PROTOCOL must be grpc or http/protobuf"],
    ),
    "a limit of spans": (
        {"OTEL_SPAN_EVENT_COUNT_LIMIT": "-3"} | CONSOLE,
        ["traces are not exported: ValueError: OTEL_SPAN_EVENT_COUNT_LIMIT must be"],
    ),
    "a limit of attributes": (
        {"OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "many"} | CONSOLE,
        ["nothing is exported: OpenTelemetry could not be set up: ValueError: OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT"],
    ),
    "an exemplar filter": (
        {"OTEL_METRICS_EXEMPLAR_FILTER": "absent", "OTEL_METRICS_EXPORTER": "console"},
        ["metrics are not exported: ValueError: Unknown exemplar filter 'absent'."],
    ),
    "a file": ({"OTEL_CONFIG_FILE": "absent.yaml"}, ["nothing is exported: OpenTelemetry could not be set up: "]),
    "ids": (
        {"OTEL_PYTHON_ID_GENERATOR": "absent"} | CONSOLE,
        ["traces are not exported: OTEL_PYTHON_ID_GENERATOR: there is no 'absent'."],
    ),
    "a sampler": ({"OTEL_TRACES_SAMPLER": "absent"} | CONSOLE, ["Couldn't recognize sampler absent."]),
    "delays": (
        {"OTEL_BSP_SCHEDULE_DELAY": "inf", "OTEL_BSP_MAX_QUEUE_SIZE": "-1"} | CONSOLE,
        ["OTEL_BSP_MAX_QUEUE_SIZE must be from 1 to", "OTEL_BSP_SCHEDULE_DELAY must be from 1 to"],
    ),
    "off": ({"OTEL_SDK_DISABLED": "true"} | CONSOLE, []),
}


@pytest.mark.parametrize("environ,said", UNUSABLE.values(), ids=UNUSABLE)
def test_a_bad_value_is_a_warning_and_nothing_grows(environ, said, run, lines):
    """300 solves and three runs later there is no file, descriptor or thread more, and each pass is in the log."""
    done = run(LEAKS, **environ)
    assert (done.returncode, [line for line in done.stdout.splitlines() if line in {"True", "False"}]) == (
        0,
        ["True", "True"],
    )
    warned = [line for line in done.said if not line.startswith(" ")]
    assert [line for line, words in zip(warned, said, strict=True) if words not in line] == []
    assert [line["event"] for line in lines()].count("pass.ended") == 304
