import pytest

from soltrace import ConfigurationError
from soltrace.export.batch import Limits
from soltrace.export.environment import OTEL_SIGNALS, exporters, interval_s, limits, names_the_service, protocol


@pytest.mark.parametrize(
    "environ,asked",
    [
        ({}, [(), (), ()]),
        ({"OTEL_SERVICE_NAME": "a"}, [(), (), ()]),
        ({"OTEL_TRACES_EXPORTER": "none"}, [(), (), ()]),
        ({"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, [(), ("otlp",), ("otlp",)]),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, [("otlp",), (), ()]),
        ({"OTEL_TRACES_EXPORTER": "console, otlp,"}, [("console", "otlp"), (), ()]),
        ({"OTEL_METRICS_EXPORTER": "console"}, [(), ("console",), ()]),
        ({"OTEL_LOGS_EXPORTER": "console"}, [(), (), ("console",)]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a"}, [("otlp",), ("otlp",), ("otlp",)]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, [(), (), ()]),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a"}, [("otlp",), (), ()]),
        ({"OTEL_EXPORTER_OTLP_HEADERS": "a=b"}, [("otlp",), ("otlp",), ("otlp",)]),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a", "OTEL_SDK_DISABLED": "true"}, [(), (), ()]),
    ],
    ids=str,
)
def test_what_the_environment_asks_for(environ, asked):
    """For traces, metrics and logs: exporters by name, or OTLP where only its address is given."""
    assert [exporters(signal, None, environ) for signal in OTEL_SIGNALS] == asked


@pytest.mark.parametrize(
    "named,asked", [("", ("otlp",)), ("none", ()), ("console", ("otlp", "console")), ("otlp", ("otlp",))]
)
def test_an_endpoint_in_the_program_asks_for_all_signals(named, asked):
    """In addition to what the environment names, unless it switches a signal off by `none`."""
    assert exporters("metrics", "http://a", {"OTEL_METRICS_EXPORTER": named}) == asked


@pytest.mark.parametrize(
    "environ,endpoint,expected",
    [
        ({}, None, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4318"}, None, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317"}, None, "grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "a:4317"}, None, "grpc"),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:4317"}, "http://b:4318", "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://a:4317"}, None, "http/protobuf"),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://a:4317"}, None, "grpc"),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, "http://a:4318", "grpc"),
        (
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf"},
            None,
            "http/protobuf",
        ),
        ({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://a:b"}, None, "http/protobuf"),
    ],
    ids=str,
)
def test_how_spans_are_sent(environ, endpoint, expected):
    """As the environment says, or else as the port suggests, or else by HTTP."""
    assert protocol("traces", endpoint, environ) == expected


def test_a_protocol_that_there_is_not_is_refused():
    """The message lists those that exist."""
    with pytest.raises(ConfigurationError, match="must be grpc or http/protobuf, got 'http/json'"):
        protocol("traces", None, {"OTEL_EXPORTER_OTLP_PROTOCOL": "http/json"})


@pytest.mark.parametrize(
    "environ,named",
    [
        ({}, False),
        ({"OTEL_SERVICE_NAME": "a"}, True),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=b, service.name=c"}, True),
        ({"OTEL_RESOURCE_ATTRIBUTES": "a=service.name"}, False),
    ],
    ids=str,
)
def test_who_names_the_service(environ, named):
    """Either variable can do so."""
    assert names_the_service(environ) is named


def test_how_much_gathers_is_as_specified():
    """OTEL_BSP_* and OTEL_BLRP_* are read, and a batch is never larger than the queue."""
    assert limits("OTEL_BSP_", 5000, {}) == Limits(5.0, 2048, 512)
    environ = {
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_BSP_MAX_QUEUE_SIZE": "20",
        "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "30",
        "OTEL_METRIC_EXPORT_INTERVAL": "500",
    }
    assert limits("OTEL_BSP_", 5000, environ) == Limits(0.1, 20, 20)
    assert limits("OTEL_BLRP_", 1000, environ) == Limits(1.0, 2048, 512)
    assert (interval_s({}), interval_s(environ)) == (60.0, 0.5)


@pytest.mark.parametrize("text", ["0", "-1", "many", "nan", "inf", "1e13"])
def test_a_limit_that_is_none_is_ignored(text, caplog):
    """As OpenTelemetry specifies, with a warning."""
    assert limits("OTEL_BSP_", 5000, {"OTEL_BSP_MAX_QUEUE_SIZE": text}) == Limits(5.0, 2048, 512)
    expected = f"OTEL_BSP_MAX_QUEUE_SIZE must be from 1 to 1e+12, got {text!r}: it is taken to be 2048"
    assert [record.getMessage() for record in caplog.records] == [expected]
