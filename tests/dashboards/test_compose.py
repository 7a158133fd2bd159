"""docker-compose.yml and the configuration that it mounts. No engine runs here: these are checks of what they say."""

import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
COMPOSE = YAML(typ="safe").load(ROOT / "docker-compose.yml")
COLLECTOR = YAML(typ="safe").load(ROOT / "dashboards" / "otelcol.yaml")


def test_the_compose_file_is_valid():
    """It satisfies the schema of the compose specification."""
    command = [
        sys.executable,
        "-m",
        "check_jsonschema",
        "--builtin-schema",
        "vendor.compose-spec",
        "docker-compose.yml",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_images_are_pinned():
    """A tag names a release, so the same file starts the same servers next year."""
    assert {name: service["image"] for name, service in COMPOSE["services"].items()} == {
        "collector": "otel/opentelemetry-collector-contrib:0.155.0",
        "health": "busybox:1.37.0",
        "jaeger": "jaegertracing/jaeger:2.13.0",
    }


def test_nothing_listens_beyond_localhost():
    """A laptop in a café publishes no traces."""
    ports = {name: service.get("ports", []) for name, service in COMPOSE["services"].items()}
    assert ports == {
        "collector": ["127.0.0.1:4317:4317", "127.0.0.1:4318:4318"],
        "health": [],
        "jaeger": ["127.0.0.1:16686:16686"],
    }


def test_the_collector_listens_where_the_compose_file_looks():
    """The collector's endpoints are the ports that are published and the one that the health check asks."""
    protocols = COLLECTOR["receivers"]["otlp"]["protocols"]
    endpoints = [protocols["grpc"]["endpoint"], protocols["http"]["endpoint"]]
    assert endpoints == ["0.0.0.0:4317", "0.0.0.0:4318"]
    assert COLLECTOR["extensions"]["health_check"]["endpoint"] == "0.0.0.0:13133"
    (_, probe) = COMPOSE["services"]["health"]["healthcheck"]["test"]
    assert "http://collector:13133/" in probe


def test_every_part_of_the_pipeline_is_configured():
    """What the collector's pipeline names is defined, and what is defined is used."""
    pipeline = COLLECTOR["service"]["pipelines"]["traces"]
    assert {kind: set(COLLECTOR[kind]) for kind in ("receivers", "processors", "exporters")} == {
        kind: set(pipeline[kind]) for kind in ("receivers", "processors", "exporters")
    }
    assert COLLECTOR["service"]["extensions"] == list(COLLECTOR["extensions"])
