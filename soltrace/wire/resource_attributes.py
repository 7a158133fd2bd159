"""The facts of where a run lives, as attributes of OpenTelemetry's resource.

Any side. The facts are those of the log's first line (`soltrace.wire.resource`), and are named by OpenTelemetry's
semantic conventions where possible.
"""

from typing import Final

from soltrace.wire.names import ATTR_BACKEND

ATTRIBUTE_OF_FACT: Final = {
    "host": "host.name",
    "pid": "process.pid",
    "argv0": "process.command",
    "executable": "process.executable.path",
    "python": "process.runtime.version",
    "pod": "k8s.pod.name",
    "namespace": "k8s.namespace.name",
    "node": "k8s.node.name",
    "soltrace": "soltrace.version",
    "jax": "soltrace.jax.version",
    "jaxlib": "soltrace.jaxlib.version",
    "diffrax": "soltrace.diffrax.version",
    "backend": ATTR_BACKEND,
    "devices": "soltrace.jax.devices",
    "device_kinds": "soltrace.jax.device_kinds",
    "process_index": "soltrace.jax.process_index",
    "process_count": "soltrace.jax.process_count",
    "scheduler": "soltrace.scheduler.name",
    "job": "soltrace.scheduler.job",
    "rank": "soltrace.scheduler.rank",
    "array_task": "soltrace.scheduler.array_task",
    "restart": "soltrace.scheduler.restart",
}
"""The resource attribute for each fact, by the fact's key in the log."""
