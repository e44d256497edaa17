"""The whole pilot as a process, with a job that wants outputs stored in one archive, and pilots that die over it."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import replace

import pytest

from pilot.contract.job import Archive
from tests.pilot.dispatcher import serving
from tests.pilot.test_end_to_end import shell
from tests.pilot.test_kills import Deathbed

SCRIPT = "cat in.txt > a.txt; cat in.txt in.txt > b.txt; echo alone > c.txt"
MEMBERS = {"a.txt": b"hello", "b.txt": b"hellohello"}


@pytest.fixture
def deathbed(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        stage = Deathbed(tmp_path, dispatcher)
        job = shell(SCRIPT, inputs=["in.txt"], outputs=["one.zip", *MEMBERS, "c.txt"])
        dispatcher.jobs = [replace(job, archives=(Archive("one.zip", tuple(MEMBERS)),))]
        yield stage


def delivered(stage):
    """Look at the job's one end, and at what lies on the storage."""
    (final,) = {json.dumps(final, sort_keys=True) for final in stage.dispatcher.finals()}
    final = json.loads(final)
    assert final["job_status"] == "finished"
    assert sorted(path.name for path in stage.storage.iterdir()) == ["c.txt", "in.txt", "job.log.tgz", "one.zip"]
    with zipfile.ZipFile(stage.storage / "one.zip") as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == MEMBERS
    return json.loads(final["job_output_report"])


def test_outputs_that_belong_together_are_stored_as_one_file_and_told_one_by_one(deathbed):
    assert deathbed.run() == (0, "pilot: 1 job finished (exit status 0)\n")
    report = delivered(deathbed)
    assert set(report) == {"one.zip", *MEMBERS, "c.txt", "job.log.tgz"}
    stored = (deathbed.storage / "one.zip").read_bytes()
    assert (report["one.zip"]["fsize"], report["one.zip"]["adler32"]) == (len(stored), f"{zlib.adler32(stored):08x}")
    for name, content in MEMBERS.items():
        assert (report[name]["fsize"], report[name]["adler32"]) == (len(content), f"{zlib.adler32(content):08x}")
        assert report[name]["surl"] == report["one.zip"]["surl"]
        assert "endpoint" not in report[name]
    assert list(deathbed.base.glob("*/PanDA_Pilot-*")) == []


@pytest.mark.parametrize(
    "at",
    [
        pytest.param("open:one.zip.7-1.part:1", id="between the archive and its storing"),
        pytest.param("os.remove:one.zip.7-1.part:1", id="when it has its name on the storage, and nobody was told"),
    ],
)
def test_a_pilot_that_takes_over_delivers_the_same_archive(deathbed, at):
    assert deathbed.die(at)
    deathbed.run()
    assert set(delivered(deathbed)) == {"one.zip", *MEMBERS, "c.txt", "job.log.tgz"}
