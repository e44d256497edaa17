"""Each batch system, known by what it leaves to its jobs."""

from __future__ import annotations

import pytest

from pilot.site.batch import Batch, read

JOB_AD = 'GlobalJobId = "ce01#77.3#1700"\nClusterId = 77\nProcId = 3\nMaxRuntime = 7200\nAcctGroup = "compass"\n'
MACHINE_AD = 'Name = "slot1_2@node7"\nCpus = 8\nMemory = 16000\n'


def condor(variables, job=JOB_AD, machine=MACHINE_AD):
    files = {"/job": job, "/machine": machine, "": ""}
    return read({"_CONDOR_JOB_AD": "/job", "_CONDOR_MACHINE_AD": "/machine", **variables}, file=files.__getitem__)


def test_htcondor_tells_job_slot_time_cores_and_memory():
    assert condor({"_CONDOR_SLOT": "slot1_2"}) == Batch(
        "htcondor", "ce01#77.3#1700", "slot1_2", "compass", 7200.0, None, 8, 16000 * 2**20
    )


def test_htcondor_may_tell_little():
    found = condor({}, job="ClusterId = 5\nProcId = 0\nMaxWallTimeMins = 10\nnonsense\n", machine="")
    assert (found.job_id, found.slot, found.wall_time, found.cores, found.memory) == ("5.0", "", 600.0, None, None)


def test_htcondor_inside_of_slurm_is_htcondor():
    assert condor({"SLURM_JOB_ID": "9"}).system == "htcondor"


def test_a_file_that_htcondor_names_is_read(tmp_path):
    (tmp_path / "ad").write_text("ClusterId = 5\n")
    assert read({"_CONDOR_JOB_AD": str(tmp_path / "ad"), "_CONDOR_MACHINE_AD": "/no/such"}).job_id == "5.0"


@pytest.mark.parametrize(
    ("variables", "found"),
    [
        ({}, Batch()),
        (
            {
                "SLURM_JOB_ID": "12",
                "SLURM_PROCID": "3",
                "SLURM_JOB_PARTITION": "long",
                "SLURM_CPUS_ON_NODE": "4",
                "SLURM_JOB_START_TIME": "1000",
                "SLURM_JOB_END_TIME": "4600",
            },
            Batch("slurm", "12", "3", "long", 3600.0, 4600.0, 4),
        ),
        ({"SLURM_JOB_ID": "12"}, Batch("slurm", "12")),
        ({"SLURM_JOB_ID": "12", "SLURM_MEM_PER_NODE": "512"}, Batch("slurm", "12", memory=512 * 2**20)),
        (
            {"SLURM_JOB_ID": "12", "SLURM_MEM_PER_CPU": "100", "SLURM_CPUS_ON_NODE": "4"},
            Batch("slurm", "12", cores=4, memory=400 * 2**20),
        ),
        (
            {"PBS_JOBID": "7.head", "PBS_QUEUE": "batch", "NCPUS": "2", "PBS_WALLTIME": "60", "JOB_ID": "x"},
            Batch("pbs", "7.head", "", "batch", 60.0, None, 2),
        ),
        ({"LSB_JOBID": "5", "LSB_QUEUE": "q", "LSB_DJOB_NUMPROC": "many"}, Batch("lsf", "5", "", "q")),
        (
            {"JOB_ID": "8", "SGE_TASK_ID": "undefined", "QUEUE": "all.q", "NSLOTS": "1"},
            Batch("sge", "8", "undefined", "all.q", cores=1),
        ),
        (
            {"COBALT_JOBID": "4", "COBALT_STARTTIME": "10", "COBALT_ENDTIME": "70"},
            Batch("cobalt", "4", "", "", 60.0, 70.0),
        ),
        ({"OAR_JOB_ID": "6", "OAR_JOB_WALLTIME_SECONDS": "120"}, Batch("oar", "6", wall_time=120.0)),
        ({"FLUX_JOB_ID": "f2"}, Batch("flux", "f2")),
        ({"KUBERNETES_SERVICE_HOST": "10.0.0.1", "HOSTNAME": "pod-1"}, Batch("kubernetes", "pod-1")),
        ({"COMPASS_BATCH_ID": "99"}, Batch("local", "99")),
    ],
)
def test_a_system_is_known_by_its_variables(variables, found):
    assert read(variables) == found
