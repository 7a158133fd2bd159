"""The OpenTelemetry resource of this process, which all three signals carry.

Host side. The SDK itself reads OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME and OTEL_EXPERIMENTAL_RESOURCE_DETECTORS,
and gives each process its `service.instance.id`, with a fresh one after a fork.
"""

import os
from typing import Final

from opentelemetry.sdk.resources import PROCESS_PARENT_PID, PROCESS_PID, SERVICE_NAME, Resource
from opentelemetry.util.types import AnyValue

from soltrace.export.detector import SoltraceResourceDetector
from soltrace.export.environment import names_the_service

DEFAULT_SERVICE: Final = "soltrace"
"""The name of the service, where the environment gives none."""


class ProcessResource(Resource):
    """A resource that stays true after a fork: the SDK merges what has changed into it, and this adds the process."""

    def __init__(self, resource: Resource) -> None:
        """Copy the attributes of a resource of this process."""
        super().__init__(resource.attributes, resource.schema_url)
        self._pid = os.getpid()
        self._hash: int | None = None

    def __hash__(self) -> int:
        """Hash it once: it is asked for with each span and log record, and the SDK makes JSON of it all every time."""
        if self._hash is None:
            self._hash = super().__hash__()
        return self._hash

    def merge(self, other: Resource) -> Resource:
        """Merge another resource into this one. In the child of a fork, the process ids become the child's."""
        merged = super().merge(other)
        if self._pid != os.getpid():
            ids: dict[str, AnyValue] = {PROCESS_PID: os.getpid(), PROCESS_PARENT_PID: os.getppid()}
            known = {name: value for name, value in ids.items() if name in self.attributes}
            merged = merged.merge(Resource(known))
        return ProcessResource(merged)


def process_resource() -> Resource:
    """Make the resource of this process: what soltrace knows of it, overridden by what the environment says."""
    own = SoltraceResourceDetector().detect()
    if not names_the_service():
        own = own.merge(Resource({SERVICE_NAME: DEFAULT_SERVICE}))
    said = Resource.create()
    # The SDK makes up a name where none is given, and that one must not win over ours.
    given = {name: value for name, value in said.attributes.items() if name != SERVICE_NAME or names_the_service()}
    return ProcessResource(own.merge(Resource(given, said.schema_url)))
