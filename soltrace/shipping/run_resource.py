"""The resource of a run, as OpenTelemetry's live one as far as the first line of a log tells."""

import os
from collections.abc import Mapping
from pathlib import PurePath
from typing import Final
from urllib.parse import unquote

from soltrace.wire.records import Attribute
from soltrace.wire.resource_attributes import ATTRIBUTE_OF_FACT

SERVICE: Final = "soltrace"
"""The name of the service, where none is given."""


def run_resource(
    run_id: str, facts: Mapping[str, Attribute], environ: Mapping[str, str] = os.environ
) -> dict[str, Attribute]:
    """Return the attributes of the resource of a run.

    Args:
        run_id: The run, which is the instance of the service.
        facts: What the first line of its log says.
        environ: Variables: `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` are taken to be the run's.
    """
    found = {ATTRIBUTE_OF_FACT[name]: value for name, value in facts.items() if name in ATTRIBUTE_OF_FACT}
    if isinstance(executable := facts.get("executable"), str):
        found["process.executable.name"] = PurePath(executable).name
    if facts.get("scheduler") == "kubernetes" and "job" in facts:
        found["k8s.job.name"] = str(facts["job"])
    found |= {"service.name": SERVICE, "service.instance.id": run_id}
    for pair in environ.get("OTEL_RESOURCE_ATTRIBUTES", "").split(","):
        name, equals, value = pair.partition("=")
        if equals and name.strip():
            found[name.strip()] = unquote(value.strip())
    if service := environ.get("OTEL_SERVICE_NAME"):
        found["service.name"] = service
    return found
