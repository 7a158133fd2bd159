"""The collectors of a cluster: what ranks send goes through an agent and the gateway, and nothing is lost."""

import json
import os
import subprocess
import sys
import uuid
from datetime import UTC, datetime

import pytest

from benchmarks.ranks import PASS_S, one_rank
from soltrace.wire.json_line import json_line
from tests.stack.servers import DASHBOARDS, chained, free_ports, program

RANKS = 50
STARTED = datetime.now(UTC)
pytestmark = [pytest.mark.slow, pytest.mark.once]


def places(count):
    """Where so many collectors listen."""
    ports = iter(free_ports(3 * count))
    return [{name: f"127.0.0.1:{next(ports)}" for name in ("grpc", "http", "health")} for _ in range(count)]


@pytest.fixture
def chain(stack, tmp_path):
    """An agent, and the gateway that it knows, which is not up yet."""
    at_agent, at_gateway = places(2)
    agent = chained("agent", at_agent, tmp_path, OTELCOL_GATEWAY=at_gateway["grpc"])
    gateway = chained(
        "gateway",
        at_gateway,
        tmp_path,
        OTELCOL_TO_JAEGER=stack.servers["jaeger"].environment["JAEGER_OTLP"],
        OTELCOL_TO_PROMETHEUS=stack.prometheus.url,
        OTELCOL_TO_VICTORIALOGS=stack.logs.url,
    )
    yield agent, gateway, f"http://{at_agent['http']}"
    agent.kill()
    gateway.kill()


@pytest.mark.parametrize("name", ["agent", "files", "gateway"])
def test_the_collector_takes_its_configuration(name):
    """Every part that is named is in it, and every setting is known."""
    config = DASHBOARDS / f"otelcol-{name}.yaml"
    command = [program("otelcol"), "validate", f"--config={config}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_nothing_is_lost_while_the_gateway_is_down(chain, stack, tmp_path):
    """Nor when the agent is killed meanwhile: it has taken all, and delivers each thing once when the gateway is up."""
    agent, gateway, endpoint = chain
    service = f"agents-{uuid.uuid4()}"
    runs = tmp_path / "runs"
    runs.mkdir()
    for rank in range(RANKS):
        lines = b"".join(
            json_line(record) + b"\n" for record in one_rank(f"{service}-{rank:03}", rank, PASS_S, STARTED)
        )
        (runs / f"{rank:03}.jsonl").write_bytes(lines)
    told = [json.loads(line) for file in runs.iterdir() for line in file.read_text(encoding="utf-8").splitlines()]

    agent.start()
    command = [sys.executable, "-m", "soltrace", "ship", str(runs), "--endpoint", endpoint, "--jobs", "1"]
    environ = os.environ | {"OTEL_SERVICE_NAME": service}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    spans_told = [line for line in told if line["event"] in {"pass.ended", "experiment.ended"}]
    sent = f"{len(told):,} log records and {len(spans_told)} spans of {RANKS} logs"
    assert done.stderr.startswith(f"soltrace: sent {sent} in ")
    agent.kill()
    gateway.start()
    agent.start()

    spans = stack.jaeger.spans(service, at_least=len(spans_told))
    assert sorted(span["tags"].get("soltrace.pass_id", "") for span in spans) == sorted(
        line.get("pass_id", "") for line in spans_told
    )
    found = stack.logs.query(f'service.name:="{service}"', at_least=len(told))
    assert sorted((line["soltrace.run_id"], line["event_name"]) for line in found) == sorted(
        (line["run_id"], line["event"]) for line in told
    )
    assert len({line["log.record.uid"] for line in found}) == len(told)
    count = f'sum(traces_span_metrics_calls_total{{service_name="{service}"}}) == {len(spans_told)}'
    assert stack.prometheus.wait(count)
