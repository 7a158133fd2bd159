"""`SoltraceResourceDetector`: where a run lives, as attributes of OpenTelemetry's resource.

Host side, any thread. `OTEL_EXPERIMENTAL_RESOURCE_DETECTORS=soltrace` finds it by its entry point. The facts are those
of the log's first line (`soltrace.wire.resource`), named by OpenTelemetry's semantic conventions where possible.
"""

import sys
from pathlib import PurePath

from opentelemetry.sdk.resources import Resource, ResourceDetector
from opentelemetry.util.types import AttributeValue

from soltrace.wire.resource import resource
from soltrace.wire.resource_attributes import ATTRIBUTE_OF_FACT


class SoltraceResourceDetector(ResourceDetector):
    """Detects the host, the process, versions, the scheduler's job, and the devices if jax has started them already.

    The arguments of the command are left out, as they may hold secrets.

    Example:
        A program with its own OpenTelemetry set-up adds these attributes to its resource:

            resource = Resource.create().merge(SoltraceResourceDetector().detect())
    """

    def detect(self) -> Resource:
        """Return what is known of this process, as a resource to merge into another one."""
        attributes: dict[str, AttributeValue] = {
            "process.executable.name": PurePath(sys.executable).name,
            "process.runtime.name": sys.implementation.name,
        }
        facts = resource()
        for key, value in facts.items():
            attributes[ATTRIBUTE_OF_FACT[key]] = value  # pyright: ignore[reportArgumentType] - a list of one type
        if facts.get("scheduler") == "kubernetes" and "job" in facts:
            attributes["k8s.job.name"] = str(facts["job"])
        return Resource(attributes)
