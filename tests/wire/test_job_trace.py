import pytest

from soltrace.wire.job_trace import job_trace_id
from soltrace.wire.resource import resource

SLURM = {"SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "1", "SLURM_CLUSTER_NAME": "big"}
PBS = {"PBS_JOBID": "17[1].server", "PBS_ARRAY_INDEX": "1"}
TORQUE = {"PBS_JOBID": "17-1.server", "PBS_ARRAYID": "1"}
LSF = {"LSB_JOBID": "17", "LSB_JOBINDEX": "1", "LSB_SUB_HOST": "login"}
KUBERNETES = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "JOB_NAME": "fit",
    "JOB_UID": "1b4e",
    "JOB_COMPLETION_INDEX": "1",
    "POD_NAMESPACE": "us",
}


def trace(environ, **changed):
    """The trace of a process that sees these variables."""
    seen = environ | changed
    return job_trace_id(resource(seen), seen)


@pytest.mark.parametrize(
    "environ,changed",
    [
        (SLURM, {"SLURM_JOB_ID": "19", "SLURM_ARRAY_TASK_ID": "2"}),
        (SLURM, {"SLURM_PROCID": "3", "SLURM_RESTART_COUNT": "1"}),
        (PBS, {"PBS_JOBID": "17[12].server", "PBS_ARRAY_INDEX": "12"}),
        (TORQUE, {"PBS_JOBID": "17-12.server", "PBS_ARRAYID": "12"}),
        (PBS, {"PMIX_RANK": "2"}),
        (LSF, {"LSB_JOBINDEX": "2", "LSB_RESTART": "Y"}),
        (KUBERNETES, {"JOB_COMPLETION_INDEX": "2", "POD_NAME": "fit-2-x"}),
    ],
    ids=["task", "rank and attempt", "PBS task", "Torque task", "PBS rank", "LSF task", "pod"],
)
def test_the_processes_of_a_job_have_one_trace(environ, changed):
    """Tasks, ranks, and what is run again."""
    assert trace(environ) == trace(environ, **changed) != None  # noqa: E711 - all three at once


@pytest.mark.parametrize(
    "environ,changed",
    [
        (SLURM, {"SLURM_ARRAY_JOB_ID": "16"}),
        (SLURM, {"SLURM_CLUSTER_NAME": "small"}),
        (PBS, {"PBS_JOBID": "18[1].server"}),
        (PBS, {"PBS_JOBID": "17[1].other"}),
        (LSF, {"LSB_JOBID": "18"}),
        (LSF, {"LSB_SUB_HOST": "other"}),
        (KUBERNETES, {"JOB_UID": "2c5f"}),
        (KUBERNETES, {"POD_NAMESPACE": "them"}),
    ],
)
def test_those_of_another_job_have_another(environ, changed):
    """Also where its number is the same, on another cluster."""
    assert trace(environ) != trace(environ, **changed)


@pytest.mark.parametrize(
    "environ",
    [{}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1"}, {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_NAME": "builds"}],
    ids=["none", "a pod", "of Jenkins"],
)
def test_without_a_job_there_is_none(environ):
    """A pod may be a server that runs for weeks, and a name that of something else."""
    assert trace(environ) is None
