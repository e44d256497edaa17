"""The whole pilot with jobs in a real Apptainer: outputs, environment, what goes wrong, kills and sudden death."""

from __future__ import annotations

import json
import os
import subprocess

import psutil
import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import Program
from tests.pilot.dispatcher import queue_data
from tests.pilot.runtime.container.conftest import mounts, strays
from tests.pilot.test_end_to_end import Stage, log_member, shell
from tests.pilot.test_end_to_end import stage as stage  # noqa: PLC0414  # a fixture

pytestmark = pytest.mark.one_python


@pytest.fixture
def site(stage: Stage, apptainer, tmp_path):
    """A site whose queue runs jobs in Apptainer, with a folder of images and a folder that stands for CVMFS."""
    (tmp_path / "cvmfs" / "compass.cern.ch").mkdir(parents=True)
    (tmp_path / "cvmfs" / "compass.cern.ch" / "release").write_text("r-2016\n")
    stage.dispatcher.queue = queue_data(container_type="apptainer:pilot;docker:wrapper", environ="SITE_VARIABLE='a b'")
    stage.environment |= {
        "COMPASS_PILOT__CONTAINER__PROGRAM": str(apptainer.program),
        "COMPASS_PILOT__CONTAINER__IMAGE_BASE": str(apptainer.image.parent),
        "COMPASS_PILOT__CONTAINER__CVMFS": str(tmp_path / "cvmfs"),
        "COMPASS_PILOT__CONTAINER__ALSO_AT": "/srv",
        "SOMETHING_PRIVATE": "leak-1",
    }
    before = mounts(tmp_path)
    yield stage
    assert strays(tmp_path) == []
    assert mounts(tmp_path) == before


@pytest.mark.parametrize("image", ["image", "image.sif"])
def test_a_job_runs_in_its_image_and_its_output_is_stored(site, image):
    (site.storage / "in.txt").write_text("hello")
    script = "cat in.txt /cvmfs/compass.cern.ch/release /etc/image-name > /srv/out.txt; env"
    site.dispatcher.jobs = [shell(script, inputs=["in.txt"], outputs=["out.txt"], container=image)]
    status, said = site.run()
    assert (status, said) == (0, "pilot: 1 job finished (exit status 0)\n")
    assert (site.storage / "out.txt").read_text() == "hellor-2016\nbusybox\n"
    environment = log_member(site, "payload.stdout")
    assert "SITE_VARIABLE=a b\n" in environment
    assert "PANDAID=7\n" in environment
    assert "leak-1" not in environment
    assert "tok-secret-1" not in environment
    assert list(site.base.iterdir()) == []


def test_a_payload_that_fails_in_its_container_is_reported_with_its_status(site):
    site.dispatcher.jobs = [shell("echo no beam >&2; exit 3", container="image")]
    assert site.run()[0] == 90
    final = site.final()
    assert (final["trans_exit_code"], final["pilot_error_code"]) == (3, ErrorCode.PAYLOAD_FAILED)
    assert "no beam" in final["pilot_error_diag"]


@pytest.mark.parametrize(
    ("image", "settings", "queue", "code", "words"),
    [
        ("missing.sif", {}, {}, ErrorCode.IMAGE_NOT_FOUND, "missing.sif is not on the node"),
        ("image", {"container__program": "/no/apptainer"}, {}, ErrorCode.APPTAINER_NOT_INSTALLED, "/no/apptainer"),
        ("image", {"container__images": "[/cvmfs]"}, {}, ErrorCode.IMAGE_NOT_FOUND, "container.images"),
        ("image", {}, {"container_options": "--bind /no/such"}, ErrorCode.APPTAINER_BIND, "/no/such"),
        ("image", {}, {"container_options": "--contian"}, ErrorCode.BAD_QUEUE_CONFIGURATION, "--contain"),
        ("image", {}, {"container_type": "docker:wrapper"}, ErrorCode.QUEUE_WITHOUT_CONTAINERS, "container_type"),
        ("", {"container__required": "true"}, {}, ErrorCode.BAD_JOB_DEFINITION, "container_name"),
    ],
)
def test_a_container_that_cannot_be_is_reported_with_its_code_and_the_payload_never_runs(
    site, image, settings, queue, code, words
):
    site.dispatcher.queue |= queue
    site.dispatcher.jobs = [shell(f"touch {site.folder}/ran", container=image)]
    assert site.run(container__isolation="none", **settings)[0] not in (0, 1)
    final = site.final()
    assert (final["pilot_error_code"], words in final["pilot_error_diag"]) == (code, True), final["pilot_error_diag"]
    assert not (site.folder / "ran").exists()


def test_an_image_that_cannot_be_mounted_is_not_the_payloads_failure(site, apptainer):
    broken = site.folder / "broken.sif"
    broken.write_bytes(apptainer.file.read_bytes()[:200_000])
    site.dispatcher.jobs = [shell("true", container=str(broken))]
    site.run()
    assert site.final()["pilot_error_code"] == ErrorCode.APPTAINER_MOUNT


def test_a_program_that_the_image_does_not_have_is_named(site):
    from tests.pilot.test_end_to_end import job

    site.dispatcher.jobs = [job("reconstruct", container="image")]
    site.run()
    final = site.final()
    assert final["pilot_error_code"] == ErrorCode.PAYLOAD_NOT_STARTED
    assert '"reconstruct": executable file not found' in final["pilot_error_diag"]


ENDLESS = "setsid sleep 600 & echo > up; exec sleep 600"


def test_a_command_to_kill_ends_the_container(site):
    site.dispatcher.jobs = [shell(ENDLESS, container="image.sif")]
    site.dispatcher.commands[7] = "tobekilled"
    status, _ = site.run(monitor__heartbeat=0.5, container__userns="true")
    assert (status, site.final()["pilot_error_code"]) == (91, ErrorCode.KILLED_BY_SERVER)
    assert set(json.loads(site.final()["job_output_report"])) == {"job.log.tgz"}


def test_a_payload_that_runs_too_long_is_ended_with_its_container(site):
    site.dispatcher.jobs = [shell(ENDLESS, container="image", max_walltime=1)]
    assert site.run()[0] == 81
    assert site.final()["pilot_error_code"] == ErrorCode.REACHED_MAX_TIME


def test_a_pilot_that_is_killed_takes_its_container_with_it(site):
    script = "setsid sleep 600 & echo > $REACHED; exec sleep 600"
    site.dispatcher.queue["container_options"] = f"--bind {site.folder}"
    site.dispatcher.jobs = [shell(script, container="image.sif")]
    pilot = site.start(payload__environment="[REACHED]", container__userns="true")
    site.reached()
    family = psutil.Process(pilot.pid).children(recursive=True)
    assert any("squashfuse" in one.name() for one in family)
    pilot.kill()
    pilot.wait(10)
    psutil.wait_procs(family, 10)
    assert [one for one in family if one.is_running() and one.status() != psutil.STATUS_ZOMBIE] == []
    assert site.run()[0] == 82
    assert site.final()["pilot_error_code"] == ErrorCode.PILOT_LOST


def test_a_job_in_podman_is_run_and_when_it_is_killed_podman_knows_of_no_container(site, podman):
    site.dispatcher.queue["container_type"] = "podman:pilot"
    site.environment |= {"COMPASS_PILOT__CONTAINER__PROGRAM": str(podman.program), **podman.environment}
    site.dispatcher.jobs = [
        shell("cat /etc/image-name /cvmfs/compass.cern.ch/release > out.txt", outputs=["out.txt"], container="image"),
        shell(ENDLESS, id=8, log=None, container="image"),
    ]
    site.dispatcher.commands[8] = "tobekilled"
    assert site.run(monitor__heartbeat=0.5, payload__grace=0.5, job__time_floor=600)[0] == 91
    finals = {update["job_id"]: update["pilot_error_code"] for update in site.dispatcher.finals()}
    assert finals.get(8) == ErrorCode.KILLED_BY_SERVER
    assert not finals.get(7)
    assert (site.storage / "out.txt").read_text() == "busybox\nr-2016\n"
    argv = [str(podman.program), "ps", "--all", "--format", "{{.Labels}}"]
    said = subprocess.run(argv, env={**os.environ, **podman.environment}, capture_output=True, text=True, check=True)
    assert str(site.base) not in said.stdout


def test_podman_knows_of_no_container_either_when_what_runs_before_a_payload_is_ended(site, podman):
    site.dispatcher.queue["container_type"] = "podman:pilot"
    site.environment |= {"COMPASS_PILOT__CONTAINER__PROGRAM": str(podman.program), **podman.environment}
    site.dispatcher.jobs = [shell("true", preprocess=Program("sleep", ("600",)), container="image")]
    assert site.run(payload__utility_time=1, payload__grace=0.1)[0] not in (0, 1)
    assert site.final()["pilot_error_code"] == ErrorCode.PREPROCESS_FAILED
    argv = [str(podman.program), "ps", "--all", "--format", "{{.Labels}}"]
    said = subprocess.run(argv, env={**os.environ, **podman.environment}, capture_output=True, text=True, check=True)
    assert str(site.base) not in said.stdout


def test_a_job_with_a_line_for_its_container_is_prepared_on_the_node_and_run_in_the_container(site, apptainer):
    writes = "echo 'cat /etc/image-name' > line.sh; ls /.singularity.d >/dev/null 2>&1 || echo node > before"
    site.dispatcher.jobs = [
        shell(
            "exit 9",
            outputs=["out.txt"],
            container="image",
            container_script="/bin/sh line.sh > out.txt; cat before; echo $WISH",
            container_options=("--env", "WISH=granted", "--no-privs"),
            preprocess=Program("/bin/sh", ("-c", writes)),
        )
    ]
    assert site.run()[0] == 0
    assert (site.storage / "out.txt").read_text() == "busybox\n"
    assert log_member(site, "payload.stdout") == "node\ngranted\n"


def test_a_job_that_wants_more_of_the_node_than_it_may_is_refused_before_it_begins(site):
    site.dispatcher.jobs = [shell("true", container="image", container_options=("--bind", "/etc:/x"))]
    assert site.run()[0] not in (0, 1)
    final = site.final()
    assert final["pilot_error_code"] == ErrorCode.CONTAINER_NOT_PERMITTED
    assert "/etc is not below what jobs may bind here (/cvmfs)" in final["pilot_error_diag"]


def test_no_job_binds_the_pilots_own_folder(site):
    site.base.mkdir()
    site.dispatcher.jobs = [shell("true", container="image", container_options=("--bind", str(site.base)))]
    assert site.run(container__job_binds=f"[{site.folder}]")[0] not in (0, 1)
    final = site.final()
    assert final["pilot_error_code"] == ErrorCode.CONTAINER_NOT_PERMITTED
    assert "files of the pilot's own lie there" in final["pilot_error_diag"]


def test_a_search_runs_each_of_its_programs_in_the_container(site):
    enough = "cat /etc/image-name > where; test $PILOT_EXEC_ITERATION_COUNT -lt 2 || exit 161"
    script = "cat /etc/image-name > loss.txt_$PILOT_EXEC_ITERATION_COUNT"
    preprocess = Program("/bin/sh", ("-c", enough))
    site.dispatcher.jobs = [
        shell(script, outputs=["loss.txt"], container="image", iterative=True, preprocess=preprocess)
    ]
    assert site.run()[0] == 0
    assert [(site.storage / f"loss.txt_{number}").read_text() for number in (0, 1)] == ["busybox\n", "busybox\n"]
    assert "hpoIterations=2" in site.final()["job_metrics"]


def test_no_output_is_a_link_by_which_a_payload_has_the_pilot_store_what_it_cannot_see_itself(site, tmp_path):
    (tmp_path / "token").write_text("not for jobs\n")
    script = f"test ! -e {tmp_path}/token && echo mine > real && ln -s {tmp_path}/token out.txt"
    site.dispatcher.jobs = [shell(script, outputs=["out.txt"], container="image")]
    site.run()
    final = site.final()
    assert final["pilot_error_code"] == ErrorCode.CONTAINER_NOT_PERMITTED, final
    assert f"out.txt: it is a link to {tmp_path}/token" in final["pilot_error_diag"]
    assert not (site.storage / "out.txt").exists()


def test_an_output_that_is_a_link_to_another_file_of_its_job_is_stored(site):
    site.dispatcher.jobs = [shell("echo mine > real; ln -s real out.txt", outputs=["out.txt"], container="image")]
    assert site.run()[0] == 0
    assert (site.storage / "out.txt").read_text() == "mine\n"
