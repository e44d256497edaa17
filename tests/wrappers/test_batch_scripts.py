"""Rendered scripts in the real batch systems: pilots start by them, and what speaks against a node holds a job."""

from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from server.factory.scripts import MB, PilotJob, render
from tests.kits.wrapper import WRAPPER, Place
from tests.services import htcondor, slurm

pytestmark = pytest.mark.one_python

PYTHON = ("--python", f"{sys.base_prefix}/bin/python3")
SAID = "True True True\nsecret\n"


@pytest.fixture
def job(tmp_path):
    """Two pilots that say what they find around them."""
    place = Place(tmp_path, ("/bin/sh",))
    place.bundle.rename(tmp_path / "pilot.pyz")
    (tmp_path / "token").write_text("secret")
    return PilotJob(
        queue="Q",
        url="http://127.0.0.1:1",
        sha256=place.sha256,
        wrapper=str(WRAPPER),
        token=str(tmp_path / "token"),
        bundle=str(tmp_path / "pilot.pyz"),
        memory=100 * MB,
        disk=10 * MB,
        count=2,
        scratch=str(place.scratch),
        options=(*PYTHON, "around"),
    )


def outputs(folder, pattern):
    return [path.read_text() for path in sorted(folder.glob(pattern))]


def test_slurm_starts_pilots_by_its_script(job, tmp_path):
    (tmp_path / "job.sh").write_text(render("slurm", job))
    with slurm.running() as cluster:
        cluster.run("sbatch", f"--chdir={tmp_path}", str(tmp_path / "job.sh"))
        cluster.until(lambda: not cluster.run("squeue", "-h").strip(), "the pilots do not end")
    assert outputs(tmp_path, "pilot-*.err") == ["", ""]
    assert outputs(tmp_path, "pilot-*.out") == [SAID, SAID]
    assert list((tmp_path / "scratch").iterdir()) == []


def test_htcondor_starts_pilots_by_its_script_and_holds_those_that_blame_the_node(job, tmp_path):
    bad = replace(job, count=1, options=(*PYTHON, "status", "76"))
    here = f"initialdir = {tmp_path}\nuniverse"  # the tests' own folder is another one
    for name, each in (("good", job), ("bad", bad)):
        (tmp_path / name).write_text(render("htcondor", each).replace("universe", here, 1))
    with htcondor.running() as pool:
        good, held = (
            pool.run("condor_submit", "-terse", str(tmp_path / name)).split(".")[0] for name in ("good", "bad")
        )
        ids = (f"{good}.0", f"{good}.1")
        pool.wait(lambda: {pool.attribute(one, "JobStatus") for one in ids} == {"4"}, "the pilots do not end")
        pool.wait(lambda: pool.attribute(f"{held}.0", "JobStatus") == "5", "the job is not held")
        assert "the pilot says that the node is at fault" in pool.attribute(f"{held}.0", "HoldReason")
    assert outputs(tmp_path, f"pilot.{good}.*.out") == [SAID, SAID]
