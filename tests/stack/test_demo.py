"""`soltrace demo --otlp`: what it shows is in the real servers too, and it says where to look."""

import os
import subprocess
import sys
import uuid
from collections import Counter


def test_the_demonstration_is_exported(stack, tmp_path):
    """Its passes as spans, as metrics and as log records; the last lines say where their pages are."""
    service = f"demo-{uuid.uuid4()}"
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "SOLTRACE_"))}
    done = subprocess.run(
        [sys.executable, "-m", "soltrace", "demo", "--steps", "2", "--otlp", stack.otlp_http],
        cwd=tmp_path,
        env=inherited | {"OTEL_SERVICE_NAME": service, "PYTHONWARNINGS": "error"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-3:] == [
        f"Exported to {stack.otlp_http}",
        f"  Jaeger   http://127.0.0.1:16686/search?service={service}",
        "  Grafana  http://127.0.0.1:3000/d/soltrace-experiments",
    ]
    spans = stack.jaeger.spans(service, 10)
    assert Counter(span["operationName"] for span in spans) == {
        "lynx-hare": 2,
        "diffeqsolve forward": 4,
        "diffeqsolve backward": 4,
    }
    lanes = f'sum by (soltrace_phase) (soltrace_lanes_total{{job="{service}"}})'
    assert sorted((labels["soltrace_phase"], value) for labels, value in stack.prometheus.query(lanes, 2)) == [
        ("backward", 32.0),
        ("forward", 32.0),
    ]
    ended = stack.logs.query(f'"service.name":="{service}" AND event_name:="pass.ended"', 8)
    assert Counter(line["soltrace.phase"] for line in ended) == {"forward": 4, "backward": 4}
