"""Each recipe of docs/how-to/trackers.md, as it stands there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.docs.pages import ROOT, fences
from tests.docs.rules import Bash, File, rules

pytestmark = [pytest.mark.slow, pytest.mark.once]

RULES = rules(fences(ROOT / "docs" / "how-to" / "trackers.md"))


@pytest.fixture
def follow(tmp_path):
    """Do what the page says for a tracker, with another address."""

    def follow(address, own):
        (command,) = [rule.text for rule in RULES if isinstance(rule, Bash) and address in rule.text]
        (fit,) = [rule for rule in RULES if isinstance(rule, File)]
        (tmp_path / fit.name).write_text(fit.text)
        environ = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
            "PYTHONPATH": str(ROOT),
            "PYTHONWARNINGS": "error,ignore::ResourceWarning",
            "JAX_PLATFORMS": "cpu",
        }
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command.replace(address, own)],
            cwd=tmp_path,
            env=environ,
            capture_output=True,
            text=True,
            check=False,
        )
        said = [line for line in done.stderr.splitlines() if "logging to" not in line]
        assert (done.returncode, done.stdout, said) == (0, "", [])

    return follow


@pytest.mark.servers
def test_mlflow_has_the_trace(mlflow, follow):
    """Its own answers: one trace, in the experiment that the header names, with what a span has."""
    assert mlflow.ask("2.0/mlflow/experiments/create", name="decay") == {"experiment_id": "1"}
    follow("http://localhost:5000", mlflow.url)
    here = [{"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": "1"}}]
    (found,) = mlflow.ask("3.0/mlflow/traces/search", locations=here)["traces"]
    assert (found["state"], found["tags"]["service.name"]) == ("OK", "soltrace")
    spans = mlflow.get(f"3.0/mlflow/traces/get?trace_id={found['trace_id']}")["trace"]["spans"]
    names = {span["span_id"]: span["name"] for span in spans}
    assert [(span["name"], names.get(span.get("parent_span_id"))) for span in spans] == [
        ("decay", None),
        ("diffeqsolve forward", "decay"),
        ("diffeqsolve backward", "decay"),
    ]
    assert all(span["end_time_unix_nano"] > span["start_time_unix_nano"] for span in spans)
    assert [names[link["span_id"]] for link in spans[2]["links"]] == ["diffeqsolve forward"]
    wanted = ("soltrace.experiment.attributes.seed", "soltrace.phase", "soltrace.status", "soltrace.steps.recomputed")
    assert [[as_values(span).get(name) for name in wanted] for span in spans] == [
        [3, None, None, None],
        [3, "forward", "ok", None],
        [3, "backward", "ok", 10],
    ]


def as_values(span):
    """The attributes of a span as MLflow tells them, each of one of OTLP's kinds."""
    return {item["key"]: next(iter(item["value"].values())) for item in span["attributes"]}


def texts(items):
    """OTLP's list of attributes as a dictionary, those that are text."""
    return {item.key: item.value.string_value for item in items}


def test_logfire_is_sent_all_signals_with_its_token(receiver, follow):
    """As its documentation asks: the three paths, Protobuf, and the token as it is."""
    follow("https://logfire-us.pydantic.dev", receiver.url)
    assert {path for path, _, _ in receiver.requests} == {"/v1/traces", "/v1/metrics", "/v1/logs"}
    for _, headers, _ in receiver.requests:
        assert headers["Authorization"] == "your-write-token"
        assert headers["Content-Type"] == "application/x-protobuf"


def test_weave_is_sent_traces_with_team_and_project(receiver, follow):
    """As its documentation asks: the path, Protobuf, the key as a header, and the resource."""
    follow("https://trace.wandb.ai", receiver.url)
    assert {path for path, _, _ in receiver.requests} == {"/otel/v1/traces"}
    names = []
    for _, headers, body in receiver.requests:
        assert headers["wandb-api-key"] == "your-api-key"
        assert headers["Content-Type"] == "application/x-protobuf"
        for sent in ExportTraceServiceRequest.FromString(body).resource_spans:
            resource = texts(sent.resource.attributes)
            assert (resource["wandb.entity"], resource["wandb.project"]) == ("your-team", "your-project")
            names += [span.name for scope in sent.scope_spans for span in scope.spans]
    assert sorted(names) == ["decay", "diffeqsolve backward", "diffeqsolve forward"]
