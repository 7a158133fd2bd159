import json
import os
import platform
import socket
import subprocess
import sys
from importlib import metadata

import pytest
from msgspec import UNSET

from soltrace.wire.resource import devices, process_index, resource


def without_devices(described):
    """The facts that do not depend on whether another test has used jax."""
    return {key: value for key, value in described.items() if key not in devices()}


def run(program):
    """What a program prints, in a process where jax is new."""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return json.loads(done.stdout)


def test_the_resource_says_where_a_run_lives():
    """Versions of what computes, read without importing it; no scheduler here."""
    versions = {name: metadata.version(name) for name in ("soltrace", "jax", "jaxlib", "diffrax")}
    assert without_devices(resource({})) == {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "argv0": sys.argv[0],
        "executable": sys.executable,
        "python": platform.python_version(),
        **versions,
    }


def test_the_resource_is_text(monkeypatch):
    """A program or a job whose name is not valid Unicode."""
    monkeypatch.setattr(sys, "argv", [os.fsdecode(b"r\xe9s.py")])
    described = resource({"SLURM_JOB_ID": "\udce9"})
    assert (described["argv0"], described["job"]) == (r"r\udce9s.py", r"\udce9")


@pytest.mark.parametrize(
    "environ,job",
    [
        ({"SLURM_JOB_ID": "7", "SLURM_PROCID": "0"}, {"scheduler": "slurm", "job": "7", "rank": "0"}),
        (
            {"SLURM_JOB_ID": "9", "SLURM_ARRAY_JOB_ID": "7", "SLURM_ARRAY_TASK_ID": "2"},
            {"scheduler": "slurm", "job": "7", "array_task": "2"},
        ),
        ({"SLURM_JOB_ID": "7", "SLURM_RESTART_COUNT": "2"}, {"scheduler": "slurm", "job": "7", "restart": "2"}),
        ({"LSB_JOBID": "7", "LSB_RESTART": "Y"}, {"scheduler": "lsf", "job": "7", "restart": "1"}),
        ({"LSB_JOBID": "7", "LSB_RESTART": "N"}, {"scheduler": "lsf", "job": "7"}),
        (
            {"PBS_JOBID": "7[2].a", "PBS_ARRAY_INDEX": "2"},
            {"scheduler": "pbs", "job": "7[2].a", "array_task": "2"},
        ),
        ({"PBS_JOBID": "7", "PMI_RANK": "1"}, {"scheduler": "pbs", "job": "7", "rank": "1"}),
        ({"LSB_JOBID": "7", "LSB_JOBINDEX": "0"}, {"scheduler": "lsf", "job": "7"}),
        ({"LSB_JOBID": "7", "LSB_JOBINDEX": "3"}, {"scheduler": "lsf", "job": "7", "array_task": "3"}),
        (
            {"JOB_ID": "7", "SGE_TASK_ID": "3", "RESTARTED": "1", "PMIX_RANK": "2"},
            {"scheduler": "sge", "job": "7", "array_task": "3", "rank": "2", "restart": "1"},
        ),
        ({"JOB_ID": "7", "SGE_TASK_ID": "undefined", "RESTARTED": "0"}, {"scheduler": "sge", "job": "7"}),
        ({"JOB_ID": "7", "RESTARTED": "0"}, {}),
        (
            {"SLURM_JOB_ID": "7", "SLURM_PROCID": "0", "PMI_RANK": "3"},
            {"scheduler": "slurm", "job": "7", "rank": "3"},
        ),
        (
            {"SLURM_JOB_ID": "7", "SLURM_PROCID": "1", "FLUX_JOB_ID": "ƒ2oz", "FLUX_TASK_RANK": "5", "PMI_RANK": "1"},
            {"scheduler": "flux", "job": "ƒ2oz", "rank": "5"},
        ),
        ({"FLUX_JOB_ID": "ƒ2oz", "FLUX_JOB_CC": "4"}, {"scheduler": "flux", "job": "ƒ2oz", "array_task": "4"}),
        (
            {"OAR_JOB_ID": "9", "OAR_ARRAY_ID": "7", "OAR_ARRAY_INDEX": "3"},
            {"scheduler": "oar", "job": "7", "array_task": "3"},
        ),
        (
            {
                "AWS_BATCH_JOB_ID": "0a1b:2",
                "AWS_BATCH_JOB_ARRAY_INDEX": "2",
                "AWS_BATCH_JOB_ATTEMPT": "3",
                "KUBERNETES_SERVICE_HOST": "10.0.0.1",
            },
            {"scheduler": "awsbatch", "job": "0a1b:2", "array_task": "2", "restart": "2"},
        ),
        (
            {"AWS_BATCH_JOB_ID": "0a1b#1", "AWS_BATCH_JOB_NODE_INDEX": "1", "AWS_BATCH_JOB_ATTEMPT": "1"},
            {"scheduler": "awsbatch", "job": "0a1b#1", "rank": "1"},
        ),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "fit-2-x7k", "JOB_COMPLETION_INDEX": "2"},
            {"scheduler": "kubernetes", "array_task": "2", "pod": "fit-2-x7k"},
        ),
        (
            {
                "KUBERNETES_SERVICE_HOST": "10.0.0.1",
                "JOB_NAME": "fit",
                "JOB_COMPLETION_INDEX": "0",
                "POD_NAME": "fit-0-x7k",
                "POD_NAMESPACE": "lab",
                "NODE_NAME": "node3",
                "HOSTNAME": "fit-0",
            },
            {
                "scheduler": "kubernetes",
                "job": "fit",
                "array_task": "0",
                "pod": "fit-0-x7k",
                "namespace": "lab",
                "node": "node3",
            },
        ),
        (
            {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "worker", "SLURM_JOB_ID": "7"},
            {"scheduler": "slurm", "job": "7"},
        ),
        ({"HOSTNAME": "laptop", "JOB_NAME": "nightly"}, {}),
    ],
    ids=[
        "slurm",
        "slurm array",
        "slurm again",
        "lsf again",
        "lsf for the first time",
        "pbs array",
        "pbs rank",
        "lsf",
        "lsf array",
        "grid engine array, again",
        "grid engine",
        "somebody else's job",
        "mpirun in an allocation of slurm",
        "flux in slurm",
        "flux, of several",
        "oar array",
        "aws batch array, again",
        "aws batch, several nodes",
        "kubernetes",
        "kubernetes, by its downward API",
        "slurm in kubernetes",
        "none",
    ],
)
def test_the_resource_names_the_schedulers_job(environ, job):
    """As the scheduler's users know it."""
    everywhere = resource({})
    assert {key: value for key, value in resource(environ).items() if key not in everywhere} == job


JOB_AD = """\
Args = "--note 'ClusterId = 1'"
ClusterId = 117
Environment = "A=1"
GlobalJobId = "submit.lab#117.4#1790949202"
NumJobStarts = {starts}
ProcId = 4
TotalSubmitProcs = {several}
"""


@pytest.mark.parametrize(
    "starts,several,job",
    [
        (0, 1, {"scheduler": "condor", "job": "117"}),
        (0, 8, {"scheduler": "condor", "job": "117", "array_task": "4"}),
        (2, 8, {"scheduler": "condor", "job": "117", "array_task": "4", "restart": "2"}),
        (None, None, {"scheduler": "condor"}),
    ],
    ids=["alone", "one of several", "again", "the file can't be read"],
)
def test_a_job_of_htcondor_is_known_by_its_ad(starts, several, job, tmp_path):
    """Its number is not in the environment."""
    ad = tmp_path / ".job.ad"
    if starts is not None:
        ad.write_text(JOB_AD.format(starts=starts, several=several))
    everywhere = resource({})
    described = resource({"_CONDOR_JOB_AD": str(ad), "SLURM_JOB_ID": "7"})
    assert {key: value for key, value in described.items() if key not in everywhere} == job


def test_jax_is_not_asked_before_it_runs():
    """Neither imported, nor made to start its backend when it is imported: that would take a GPU."""
    program = """
import json, sys
from soltrace.wire.resource import devices, process_index
told = [devices(), str(process_index()), "jax" in sys.modules]
import jax
told += [devices(), jax._src.xla_bridge.backends_are_initialized()]
jax.numpy.zeros(1)
print(json.dumps([*told, devices(), str(process_index())]))
"""
    known = {"backend": "cpu", "devices": 4, "device_kinds": ["cpu"], "process_count": 1}
    assert run(program) == [{}, "UNSET", False, {}, False, known, "UNSET"]


def test_the_log_says_what_it_runs_on_and_a_run_of_several_processes_says_which(tmp_path):
    """Two processes of one jax program: which one is on every line of a pass, and the devices on the first line."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = f"""
import sys, jax
jax.distributed.initialize("127.0.0.1:{port}", num_processes=2, process_id=int(sys.argv[1]))
import jax.numpy as jnp, diffrax, soltrace
soltrace.configure(directory=sys.argv[2], spans=False)
term = diffrax.ODETerm(lambda t, y, args: -y)
soltrace.diffeqsolve(term, diffrax.Heun(), 0.0, 1.0, 0.25, jnp.array(1.0))
soltrace.shutdown()
"""
    environ = os.environ | {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    started = [
        subprocess.Popen([sys.executable, "-c", program, str(index), str(tmp_path / str(index))], env=environ)
        for index in range(2)
    ]
    assert [process.wait(120) for process in started] == [0, 0]
    for index in range(2):
        (log,) = (tmp_path / str(index)).glob("*.jsonl")
        first, *others = [json.loads(line) for line in log.read_text().splitlines()]
        assert {key: first["resource"][key] for key in ("backend", "devices", "process_index", "process_count")} == {
            "backend": "cpu",
            "devices": 2,
            "process_index": index,
            "process_count": 2,
        }
        assert [line["process_index"] for line in others] == [index] * len(others)


def test_what_it_runs_on_is_told_later_where_jax_was_not_up(tmp_path):
    """With the first pass, once, beside what the first line told; and jax's backend is started by the program alone."""
    program = """
import sys, soltrace, jax
soltrace.configure(directory=sys.argv[1])
with soltrace.experiment("fit"):
    print(jax._src.xla_bridge.backends_are_initialized())
    import diffrax
    for _ in range(2):
        term = diffrax.ODETerm(lambda t, y, args: -y)
        soltrace.diffeqsolve(term, diffrax.Euler(), 0.0, 1.0, 0.5, 1.0)
"""
    command = [sys.executable, "-c", program, str(tmp_path)]
    environ = os.environ | {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    assert subprocess.run(command, env=environ, capture_output=True, check=True, timeout=120).stdout == b"False\n"
    (log,) = tmp_path.iterdir()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (first,) = [line["resource"] for line in lines if line["event"] == "log.opened"]
    (later,) = [line["resource"] for line in lines if line["event"] == "log.resource"]
    assert later == first | {"backend": "cpu", "devices": 1, "device_kinds": ["cpu"], "process_count": 1}
    assert "backend" not in first
    events = [line["event"] for line in lines]
    assert events.index("log.resource") < events.index("pass.started")


def test_alone_there_is_no_index():
    """A number that is always 0 would tell nothing."""
    assert process_index() is UNSET
