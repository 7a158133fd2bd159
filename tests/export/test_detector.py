import json
import os
import platform
import socket
import subprocess
import sys
from importlib.metadata import entry_points, version
from pathlib import Path

from opentelemetry.sdk.resources import Resource

from soltrace.export.detector import ATTRIBUTE_OF_FACT, SoltraceResourceDetector
from soltrace.wire.resource import devices, resource
from soltrace.wire.schedulers import SCHEDULERS


def test_the_facts_of_the_log_under_opentelemetrys_names(monkeypatch):
    """The whole resource, in one task of an array job."""
    for name, value in {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("SLURM_PROCID", "1")
    found = dict(SoltraceResourceDetector().detect().attributes)
    for key in devices():  # another test may have used jax
        del found[ATTRIBUTE_OF_FACT[key]]
    assert found == {
        "host.name": socket.gethostname(),
        "process.pid": os.getpid(),
        "process.command": sys.argv[0],
        "process.executable.name": Path(sys.executable).name,
        "process.executable.path": sys.executable,
        "process.runtime.name": "cpython",
        "process.runtime.version": platform.python_version(),
        "soltrace.version": version("soltrace"),
        "soltrace.jax.version": version("jax"),
        "soltrace.jaxlib.version": version("jaxlib"),
        "soltrace.diffrax.version": version("diffrax"),
        "soltrace.scheduler.name": "slurm",
        "soltrace.scheduler.job": "7",
        "soltrace.scheduler.array_task": "2",
        "soltrace.scheduler.rank": "1",
    }


def test_a_program_may_add_them_to_a_resource_of_its_own():
    """As the docstring's example does."""
    own = Resource({"service.name": "mine"})
    merged = own.merge(SoltraceResourceDetector().detect()).attributes
    assert (merged["service.name"], merged["soltrace.version"]) == ("mine", version("soltrace"))


def test_kubernetes_has_names_of_its_own(monkeypatch):
    """OpenTelemetry has semantic conventions for these."""
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_NAME": "fit", "JOB_COMPLETION_INDEX": "2"}
    for name, value in (environ | {"POD_NAME": "fit-2-x7k", "POD_NAMESPACE": "lab", "NODE_NAME": "n3"}).items():
        monkeypatch.setenv(name, value)
    found = SoltraceResourceDetector().detect().attributes
    assert {name: value for name, value in found.items() if name.startswith(("k8s.", "soltrace.scheduler."))} == {
        "k8s.job.name": "fit",
        "k8s.pod.name": "fit-2-x7k",
        "k8s.namespace.name": "lab",
        "k8s.node.name": "n3",
        "soltrace.scheduler.name": "kubernetes",
        "soltrace.scheduler.job": "fit",
        "soltrace.scheduler.array_task": "2",
    }


def test_every_fact_has_a_name_of_its_own():
    """No name is also the namespace of another."""
    facts = {*resource({}), *(key for scheduler in SCHEDULERS.values() for key in scheduler.variables)}
    facts |= {"scheduler", "backend", "devices", "device_kinds", "process_index", "process_count"}
    assert set(ATTRIBUTE_OF_FACT) == facts
    names = {*ATTRIBUTE_OF_FACT.values(), "k8s.job.name", "process.executable.name", "process.runtime.name"}
    assert [(one, other) for one in names for other in names if other.startswith(f"{one}.")] == []


def test_the_sdk_finds_it_and_jax_is_left_alone():
    """OpenTelemetry's variable is enough. Devices are included once jax has started, and it is not started for them."""
    program = """
import json, sys
from opentelemetry.sdk.resources import Resource
before = Resource.create().attributes
imported = "jax" in sys.modules
import jax
jax.numpy.zeros(1)
after = Resource.create().attributes
new = {name: after[name] for name in set(after) - set(before)}
print(json.dumps([before["soltrace.jax.version"], imported, new]))
"""
    environ = os.environ | {"OTEL_EXPERIMENTAL_RESOURCE_DETECTORS": "soltrace"}
    done = subprocess.run([sys.executable, "-c", program], env=environ, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        version("jax"),
        False,
        {
            "soltrace.jax.backend": "cpu",
            "soltrace.jax.devices": 4,
            "soltrace.jax.device_kinds": ["cpu"],
            "soltrace.jax.process_count": 1,
        },
    ]
    (entry,) = entry_points(group="opentelemetry_resource_detector", name="soltrace")
    assert entry.load() is SoltraceResourceDetector
