"""Launchers as argument lists."""

from __future__ import annotations

import pytest

from pilot.hpc.launchers import LAUNCHERS, command
from pilot.hpc.values import Shape
from pilot.settings.hpc import Hpc

SHAPE = Shape(nodes=2, ranks=33, ranks_per_node=17, cores_per_node=32, cores_per_rank=1, wall_time=3600.0, lines=33)


@pytest.mark.parametrize(
    ("name", "begins", "holds"),
    [
        ("local", ["python", "--x", "--ranks", "33"], []),
        ("srun", ["srun", "--nodes=2", "--ntasks=33", "--ntasks-per-node=17"], ["--kill-on-bad-exit=0", "--no-kill"]),
        ("mpiexec", ["mpiexec", "-n", "33", "-ppn", "17"], []),
        ("mpirun", ["mpirun", "-np", "33"], ["ppr:17:node"]),
        ("aprun", ["aprun", "-n", "33", "-N", "17", "-d", "1"], []),
        ("jsrun", ["jsrun", "--nrs", "33", "--rs_per_host", "17"], ["--cpu_per_rs"]),
    ],
)
def test_each_launcher_is_told_the_shape_and_ends_with_the_ranks_program(name, begins, holds):
    argv = command(name, SHAPE, ("--x",), ("rank", "list"), ("python",))
    assert list(argv[: len(begins)]) == begins
    assert argv[-2:] == ("rank", "list")
    assert "--x" in argv
    assert set(holds) <= set(argv)


def test_what_the_settings_offer_is_what_there_is():
    assert set(Hpc.__dataclass_fields__["launcher"].metadata["words"]) == set(LAUNCHERS)
