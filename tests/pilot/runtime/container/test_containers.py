from __future__ import annotations

import os

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.job import PayloadOutcome
from pilot.runtime.container.containers import Containers
from pilot.runtime.container.values import Container, Runtime
from pilot.settings import sections

QUEUE = QueueData("Q", container_type="apptainer:pilot")
CHOSEN = Container(Runtime.APPTAINER, "/images/el9")


def job(image):
    return JobSpec(id=7, attempt=1, transformation="true", container=image)


def outcome(folder, status, stderr=""):
    (folder / "payload.stderr").write_text(stderr)
    return PayloadOutcome(status, None, folder, folder / "payload.stdout", folder / "payload.stderr")


@pytest.mark.parametrize(
    ("image", "queue", "code"),
    [
        ("/no/such/image", QueueData("Q"), ErrorCode.QUEUE_WITHOUT_CONTAINERS),
        ("/no/such/image", QUEUE, ErrorCode.APPTAINER_NOT_INSTALLED),
        ("relative", QUEUE, ErrorCode.IMAGE_NOT_FOUND),
        (
            "/i",
            QueueData("Q", container_type="apptainer:pilot", container_options="--x"),
            ErrorCode.BAD_QUEUE_CONFIGURATION,
        ),
    ],
)
def test_what_a_job_lacks_is_known_before_it_begins(image, queue, code):
    containers = Containers(sections.Container(), {"PATH": "/no/such/folder"})
    assert containers.check(job(image), queue).code is code


def test_a_job_without_a_container_lacks_nothing():
    assert Containers(sections.Container(), {}).check(job(""), QUEUE) is None


def test_a_job_whose_container_is_there_lacks_nothing(tmp_path):
    program = tmp_path / "apptainer"
    program.touch(0o755)
    assert Containers(sections.Container(program=str(program)), {}).check(job(str(tmp_path)), QUEUE) is None


def test_a_queues_runtime_is_found_before_there_is_a_job(tmp_path):
    (tmp_path / "apptainer").touch(0o755)
    own = {"PATH": str(tmp_path)}
    assert Containers(sections.Container(), own).runtime(QUEUE) == str(tmp_path / "apptainer")
    assert Containers(sections.Container(), own).runtime(QueueData("Q")) == ""


@pytest.mark.parametrize(
    ("site", "options", "code"),
    [
        (sections.Container(program="/no/apptainer"), "", ErrorCode.APPTAINER_NOT_INSTALLED),
        (sections.Container(image="/no/image"), "", ErrorCode.IMAGE_NOT_FOUND),
        (sections.Container(), "--bind /no/such", ErrorCode.APPTAINER_BIND),
        (sections.Container(), "--bid /no/such", ErrorCode.BAD_QUEUE_CONFIGURATION),
    ],
)
def test_what_every_job_of_a_queue_would_lack_is_told_before_there_is_one(tmp_path, site, options, code):
    (tmp_path / "apptainer").touch(0o755)
    queue = QueueData("Q", container_type="apptainer:pilot", container_options=options)
    with pytest.raises(JobFailed) as caught:
        Containers(site, {"PATH": str(tmp_path)}).runtime(queue)
    assert caught.value.code is code


def test_what_the_site_lets_jobs_choose_is_looked_at_before_a_job_comes(tmp_path):
    site = sections.Container(job_options=("--overlay",))
    with pytest.raises(JobFailed, match="container.job_options: --overlay is not for jobs") as caught:
        Containers(site, {"PATH": str(tmp_path)}).runtime(QueueData("Q", container_type="apptainer:pilot"))
    assert caught.value.code is ErrorCode.BAD_CONFIGURATION


def test_a_runtime_that_failed_is_told_from_a_payload_that_did(tmp_path):
    containers = Containers(sections.Container(), {})
    said = "FATAL:   stat /no/such: no such file or directory\n"
    assert containers.explain(CHOSEN, outcome(tmp_path, 255, said)).code is ErrorCode.PAYLOAD_NOT_STARTED
    assert containers.explain(CHOSEN, outcome(tmp_path, 3, said)) is None
    assert containers.explain(CHOSEN, outcome(tmp_path, 0, said)) is None
    assert containers.explain(None, outcome(tmp_path, 255, said)) is None


def test_a_pipe_that_a_payload_puts_in_the_place_of_its_errors_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "payload.stderr")
    ended = PayloadOutcome(255, None, tmp_path, tmp_path / "payload.stdout", tmp_path / "payload.stderr")
    assert Containers(sections.Container(), {}).explain(CHOSEN, ended) is None


def test_only_the_end_of_a_long_output_is_read(tmp_path):
    said = "FATAL:   stat /no/such: no such file or directory\n" + "x" * 20000
    assert Containers(sections.Container(), {}).explain(CHOSEN, outcome(tmp_path, 255, said)) is None


def test_an_output_that_is_gone_explains_nothing(tmp_path):
    gone = outcome(tmp_path, 255)
    gone.stderr.unlink()
    assert Containers(sections.Container(), {}).explain(CHOSEN, gone) is None


def test_a_job_that_names_the_node_itself_as_its_image_is_refused(tmp_path):
    (tmp_path / "apptainer").touch(0o755)
    containers = Containers(sections.Container(), {"PATH": str(tmp_path)}, lambda: [str(tmp_path / "token")])
    assert containers.check(job("/"), QUEUE).code is ErrorCode.CONTAINER_NOT_PERMITTED
