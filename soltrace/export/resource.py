"""Who sends: the resource of all three signals.

Host side. The SDK reads OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME and OTEL_EXPERIMENTAL_RESOURCE_DETECTORS, and gives
each process a `service.instance.id`, another one after a fork.
"""

import os
from importlib import import_module
from importlib.util import find_spec
from typing import Final

from opentelemetry.sdk.resources import PROCESS_PARENT_PID, PROCESS_PID, SERVICE_NAME, Resource
from opentelemetry.util.types import AnyValue

from soltrace.export.environment import names_the_service

SERVICE: Final = "soltrace"


class ProcessResource(Resource):
    """A resource that is true after a fork too: the SDK merges what has changed into it, and this adds the process."""

    def __init__(self, resource: Resource) -> None:
        """Take over its attributes."""
        super().__init__(resource.attributes, resource.schema_url)
        self._pid = os.getpid()

    def merge(self, other: Resource) -> Resource:
        """Merge; in the child of a fork, with the child's own process ids."""
        merged = super().merge(other)
        if self._pid != os.getpid():
            ids: dict[str, AnyValue] = {PROCESS_PID: os.getpid(), PROCESS_PARENT_PID: os.getppid()}
            known = {name: value for name, value in ids.items() if name in self.attributes}
            merged = merged.merge(Resource(known))
        return ProcessResource(merged)


def describe() -> Resource:
    """Make the resource of this process. Detectors first: what the environment says wins."""
    own = _detected()
    if not names_the_service():
        own = own.merge(Resource({SERVICE_NAME: SERVICE}))
    said = Resource.create()
    unnamed = {name: value for name, value in said.attributes.items() if name != SERVICE_NAME or names_the_service()}
    return ProcessResource(own.merge(Resource(unnamed, said.schema_url)))


def _detected() -> Resource:
    """What soltrace knows of a process: versions, devices, the scheduler's job."""
    if find_spec("soltrace.export.detector") is None:
        return Resource.get_empty()
    return import_module("soltrace.export.detector").SoltraceResourceDetector().detect()
