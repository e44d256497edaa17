"""Which rank a process is, by what each launcher leaves to those that it starts."""

from __future__ import annotations

import pytest

from pilot.hpc import place
from pilot.hpc.place import Place

SLURM = {"SLURM_PROCID": "3", "SLURM_STEP_NUM_TASKS": "8", "SLURM_STEP_TASKS_PER_NODE": "3(x2),2", "SLURM_NODEID": "2"}


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        (SLURM, Place(3, 8, "Slurm", 2)),
        ({**SLURM, "SLURM_NODEID": "1"}, Place(3, 8, "Slurm", 3)),
        ({**SLURM, "SLURM_NODEID": "3"}, Place(3, 8, "Slurm", None)),
        ({**SLURM, "SLURM_STEP_TASKS_PER_NODE": "x"}, Place(3, 8, "Slurm", None)),
        ({"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "2"}, Place(0, 2, "Open MPI")),
        ({"PMI_RANK": "7", "PMI_SIZE": "9", "MPI_LOCALNRANKS": "4"}, Place(7, 9, "PMI", 4)),
        ({"PALS_RANKID": "1", "PALS_LOCAL_SIZE": "2"}, Place(1, None, "PALS", 2)),
        ({"ALPS_APP_PE": "31"}, Place(31, None, "ALPS")),
        ({"JSM_NAMESPACE_RANK": "2", "JSM_NAMESPACE_SIZE": "6"}, Place(2, 6, "jsrun")),
        ({"FLUX_TASK_RANK": "2", "FLUX_JOB_SIZE": "6"}, Place(2, 6, "Flux")),
        ({"PMIX_RANK": "2"}, Place(2, None, "PMIx")),
        ({"COMPASS_RANK": "1", "COMPASS_RANKS": "4"}, Place(1, 4, "local", 4)),
        ({"COMPASS_RANK": "one"}, None),
        ({}, None),
    ],
)
def test_a_rank_knows_its_number_from_its_launcher(environment, found):
    assert place.of(environment) == found


def test_what_mpiexec_starts_in_a_batch_script_of_slurm_is_mpiexecs():
    assert place.of({**SLURM, "SLURM_PROCID": "0", "PMI_RANK": "5", "PMI_SIZE": "6"}) == Place(5, 6, "PMI")
