import pytest

from soltrace.wire.job_trace import job_trace_id
from soltrace.wire.resource import resource

SLURM = {"SLURM_JOB_ID": "18", "SLURM_ARRAY_JOB_ID": "17", "SLURM_ARRAY_TASK_ID": "1", "SLURM_CLUSTER_NAME": "big"}
PBS = {"PBS_JOBID": "17[1].server", "PBS_ARRAY_INDEX": "1"}
TORQUE = {"PBS_JOBID": "17-1.server", "PBS_ARRAYID": "1"}
LSF = {"LSB_JOBID": "17", "LSB_JOBINDEX": "1", "LSB_SUB_HOST": "login"}
SGE = {"JOB_ID": "17", "SGE_TASK_ID": "1", "SGE_CLUSTER_NAME": "big"}
FLUX = {"FLUX_JOB_ID": "ƒ2oz", "FLUX_TASK_RANK": "0", "FLUX_URI": "local:///run/flux/local"}
OAR = {"OAR_JOB_ID": "18", "OAR_ARRAY_ID": "17", "OAR_ARRAY_INDEX": "1", "OAR_USER": "me", "OAR_O_WORKDIR": "/home/me"}
AWS_BATCH = {"AWS_BATCH_JOB_ID": "0a1b:1", "AWS_BATCH_JOB_ARRAY_INDEX": "1", "AWS_BATCH_JOB_ATTEMPT": "1"}
KUBERNETES = {
    "KUBERNETES_SERVICE_HOST": "10.0.0.1",
    "JOB_NAME": "fit",
    "JOB_UID": "1b4e",
    "JOB_COMPLETION_INDEX": "1",
    "POD_NAMESPACE": "us",
}
OPEN_MPI = {"PMIX_NAMESPACE": "prterun-node1-4711@1", "PMIX_RANK": "0"}
OPEN_MPI_4 = {
    "PMIX_NAMESPACE": "3236233217",
    "PMIX_RANK": "0",
    "OMPI_MCA_orte_hnp_uri": "3236233216.0;tcp://172.20.102.82:33559",
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
        (SGE, {"SGE_TASK_ID": "2", "RESTARTED": "1"}),
        (FLUX, {"FLUX_TASK_RANK": "1"}),
        (OAR, {"OAR_JOB_ID": "19", "OAR_ARRAY_INDEX": "2"}),
        (AWS_BATCH, {"AWS_BATCH_JOB_ID": "0a1b:2", "AWS_BATCH_JOB_ARRAY_INDEX": "2", "AWS_BATCH_JOB_ATTEMPT": "2"}),
        (AWS_BATCH, {"AWS_BATCH_JOB_ID": "0a1b#1", "AWS_BATCH_JOB_NODE_INDEX": "1"}),
        (KUBERNETES, {"JOB_COMPLETION_INDEX": "2", "POD_NAME": "fit-2-x"}),
        (OPEN_MPI, {"PMIX_RANK": "1", "OMPI_COMM_WORLD_RANK": "1"}),
        (OPEN_MPI_4, {"PMIX_RANK": "1", "OMPI_MCA_orte_local_daemon_uri": "3236233216.1;tcp://172.20.102.83:1"}),
    ],
    ids=[
        "task",
        "rank and attempt",
        "PBS task",
        "Torque task",
        "PBS rank",
        "LSF task",
        "Grid Engine task",
        "Flux rank",
        "OAR task",
        "AWS Batch task",
        "AWS Batch node",
        "pod",
        "MPI rank",
        "MPI 4 rank",
    ],
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
        (SGE, {"JOB_ID": "18"}),
        (SGE, {"SGE_CLUSTER_NAME": "small"}),
        (FLUX, {"FLUX_JOB_ID": "ƒ2oA"}),
        (FLUX, {"FLUX_URI": "local:///tmp/flux-a1/local-0"}),
        (OAR, {"OAR_ARRAY_ID": "16"}),
        (OAR, {"OAR_O_WORKDIR": "/home/me/other"}),
        (AWS_BATCH, {"AWS_BATCH_JOB_ID": "0a1c:1"}),
        (KUBERNETES, {"JOB_UID": "2c5f"}),
        (KUBERNETES, {"POD_NAMESPACE": "them"}),
        (OPEN_MPI, {"PMIX_NAMESPACE": "prterun-node1-4712@1"}),
        (OPEN_MPI_4, {"OMPI_MCA_orte_hnp_uri": "3236233216.0;tcp://172.20.102.82:40001"}),
    ],
)
def test_those_of_another_job_have_another(environ, changed):
    """Also where its number is the same, on another cluster."""
    assert trace(environ) != trace(environ, **changed)


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1"},
        {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "JOB_NAME": "builds"},
        {"PMIX_NAMESPACE": "3236233217"},
        {"PMI_RANK": "0", "PMI_SIZE": "2"},
    ],
    ids=["none", "a pod", "of Jenkins", "a number that comes again", "MPICH's mpiexec"],
)
def test_without_a_job_there_is_none(environ):
    """A pod may be a server that runs for weeks, a name that of something else; some name no job at all."""
    assert trace(environ) is None


def test_the_processes_of_a_job_of_htcondor_have_one_trace(tmp_path):
    """Its numbers are those of the host that it was submitted from."""

    def trace_of(cluster, process, submitted_from):
        ad = tmp_path / ".job.ad"
        ad.write_text(
            f'ClusterId = {cluster}\nProcId = {process}\nGlobalJobId = "{submitted_from}#{cluster}.{process}#1790"\n'
        )
        return trace({"_CONDOR_JOB_AD": str(ad)})

    assert trace_of(17, 0, "a") == trace_of(17, 1, "a") != None  # noqa: E711 - all three at once
    assert len({trace_of(17, 0, "a"), trace_of(18, 0, "a"), trace_of(17, 0, "b")}) == 3
