from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec, Program
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.runtime.container.choice import choose, image_base, image_of, runtime_of
from pilot.runtime.container.values import Bind, Runtime
from pilot.settings.sections import Container

READY = QueueData("Q", container_type="apptainer:pilot;docker:wrapper")
PLAIN = QueueData("Q")


def job(image=""):
    return JobSpec(id=7, attempt=1, transformation="true", container=image)


def refused(spec, queue, site):
    with pytest.raises(JobFailed) as caught:
        choose(spec, queue, site)
    return caught.value.code, caught.value.detail


def test_a_job_without_an_image_runs_on_the_node():
    assert choose(job(), PLAIN, Container()) is None
    assert choose(job(), READY, Container()) is None


def test_a_job_with_an_image_runs_in_it():
    chosen = choose(job("/cvmfs/images/el9"), READY, Container())
    assert (chosen.runtime, chosen.image, chosen.isolation) == (Runtime.APPTAINER, "/cvmfs/images/el9", "all")


def test_a_site_may_name_an_image_for_jobs_that_name_none():
    site = Container(image="/images/default")
    assert choose(job(), READY, site).image == "/images/default"
    assert choose(job("/images/own"), READY, site).image == "/images/own"
    assert choose(job(), PLAIN, site) is None


@pytest.mark.parametrize("kind", ["", "docker:wrapper", "container:middleware", " ; "])
def test_a_job_that_asks_for_a_container_on_a_queue_without_them_is_refused(kind):
    code, words = refused(job("/images/el9"), QueueData("Q", container_type=kind), Container())
    assert code is ErrorCode.QUEUE_WITHOUT_CONTAINERS
    assert "'/images/el9'" in words
    assert "container_type of queue Q" in words


def test_a_site_may_refuse_to_run_anything_without_a_container():
    site = Container(required=True)
    assert refused(job(), PLAIN, site)[0] is ErrorCode.QUEUE_WITHOUT_CONTAINERS
    code, words = refused(job(), READY, site)
    assert code is ErrorCode.BAD_JOB_DEFINITION
    assert "container_name" in words
    assert choose(job(), READY, Container(required=True, image="/i")).image == "/i"


@pytest.mark.parametrize("site", [Container(required=True), Container(image="/images/default")])
def test_where_nothing_of_a_job_runs_on_the_node_neither_does_what_goes_with_a_line_for_its_container(site):
    lined = replace(job("/i"), container_script="run.sh")
    assert choose(lined, READY, site).image == "/i"
    before = replace(lined, preprocess=Program("/bin/sh", ("-c", "cat token")))
    assert choose(before, READY, Container()).image == "/i"
    code, words = refused(before, READY, site)
    assert code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert words.startswith("preprocess: beside containerOptions.containerExec they would run on the node itself")
    assert choose(replace(before, container_script=""), READY, site).image == "/i"  # all of it in the container


def test_what_site_and_queue_say_is_put_together():
    queue = QueueData("Q", container_type="singularity:pilot", container_options="--nv -B /scratch:/s")
    site = Container(
        binds=("/a:/b:ro",), options=("--bind=/c", "--no-privs"), userns=True, gpu="nvidia", also_at="/srv"
    )
    chosen = choose(job("/i"), queue, site)
    assert chosen.runtime is Runtime.SINGULARITY
    assert chosen.binds == (Bind("/a", "/b", read_only=True), Bind("/c", "/c"), Bind("/scratch", "/s"))
    assert chosen.options == ("--no-privs", "--nv")
    assert (chosen.userns, chosen.gpu, chosen.also_at, chosen.cvmfs) == (True, "nvidia", "/srv", "/cvmfs")


def test_the_site_has_the_last_word_on_the_program():
    assert runtime_of(READY, Container(runtime="podman")) is Runtime.PODMAN
    assert runtime_of(PLAIN, Container(runtime="podman")) is None


@pytest.mark.parametrize("kind", ["docker:pilot", "apptainer", "apptainer:"])
def test_a_container_type_that_cannot_be_meant_is_refused_by_name(kind):
    code, words = refused(job("/i"), QueueData("Q", container_type=kind), Container())
    assert code is ErrorCode.BAD_QUEUE_CONFIGURATION
    assert kind.partition(":")[0] in words


@pytest.mark.parametrize(
    ("name", "queue", "site", "image"),
    [
        ("/a/../b//c", READY, Container(), "/b/c"),
        ("el9:latest", READY, Container(image_base="/cvmfs/images"), "/cvmfs/images/el9:latest"),
        ("el9", QueueData("Q", catchall="x,IMAGE_BASE=/q y=1"), Container(image_base="/s"), "/q/el9"),
        ("docker://host/p/el9", READY, Container(images=("docker://host/p",)), "docker://host/p/el9"),
        ("docker://host/p", READY, Container(images=("docker://host/p/", "docker://host/p")), "docker://host/p"),
    ],
)
def test_an_image_is_a_path_an_address_or_lies_in_the_folder_of_images(name, queue, site, image):
    assert image_of(name, queue, site, Runtime.APPTAINER) == image


@pytest.mark.parametrize(
    ("name", "site", "runtime", "words"),
    [
        ("el9", Container(), Runtime.APPTAINER, "container.image_base is not set"),
        ("docker://host/x", Container(), Runtime.APPTAINER, "container.images: /"),
        ("docker://host/../x", Container(images=("docker://host",)), Runtime.APPTAINER, "not one that this site runs"),
        (
            "/tmp/own.sif",
            Container(images=("/cvmfs",)),
            Runtime.APPTAINER,
            "'/tmp/own.sif' is not one that this site runs",
        ),
        ("/cvmfs/../tmp/own", Container(images=("/cvmfs/",)), Runtime.APPTAINER, "'/tmp/own'"),
        ("../own", Container(image_base="/cvmfs/i", images=("/cvmfs/i",)), Runtime.APPTAINER, "'/cvmfs/own'"),
        ("/cvmfs2/x", Container(images=("/cvmfs",)), Runtime.APPTAINER, "'/cvmfs2/x'"),
        ("ftp://x/y", Container(images=("ftp://x",)), Runtime.APPTAINER, "docker, oras, library only"),
        ("oras://x/y", Container(images=("oras://x",)), Runtime.PODMAN, "podman gets images from docker only"),
    ],
)
def test_an_image_that_may_not_be_run_is_named_with_the_reason(name, site, runtime, words):
    with pytest.raises(JobFailed) as caught:
        image_of(name, READY, site, runtime)
    assert caught.value.code is ErrorCode.IMAGE_NOT_FOUND
    assert words in caught.value.detail


def test_a_queue_without_a_folder_of_images_has_none():
    assert image_base(QueueData("Q", catchall="allow_wan")) == ""


@pytest.mark.parametrize("name", ["apptainer_options", "singularity_options"])
def test_options_may_stand_in_the_catchall_where_the_queue_has_none_of_its_own(name):
    queue = replace(READY, catchall=f"setdebugmode,{name}='--nv -B /a,/b:/c'")
    chosen = choose(job("/i"), queue, Container())
    assert (chosen.options, chosen.binds) == (("--nv",), (Bind("/a", "/a"), Bind("/b", "/c")))
    assert choose(job("/i"), replace(queue, container_options="--no-privs"), Container()).options == ("--no-privs",)
    podman = choose(job("/i"), replace(queue, container_type="podman:pilot"), Container())
    assert (podman.options, podman.binds) == ((), ())
    code, words = refused(job("/i"), replace(queue, catchall=f"{name}=--privileged"), Container())
    assert code is ErrorCode.BAD_QUEUE_CONFIGURATION
    assert f"{name} in catchall of queue Q: --privileged" in words


def test_what_a_job_asks_for_comes_after_what_site_and_queue_say():
    queue = replace(READY, container_options="--nv -B /queue")
    spec = replace(job("/i"), container_options=("--userns", "-c", "-B", "/cvmfs/x:/x", "--env", "A=b"))
    chosen = choose(spec, queue, Container(options=("--no-privs",), binds=("/site",)))
    assert chosen.options == ("--no-privs", "--nv", "--contain")
    assert chosen.binds[:2] == (Bind("/site", "/site"), Bind("/queue", "/queue"))
    assert chosen.binds[2] == Bind("/cvmfs/x", "/x", read_only=True, within="/cvmfs")
    assert (chosen.userns, chosen.environment) == (True, (("A", "b"),))


def test_a_job_that_asks_for_too_much_gets_no_container():
    code, words = refused(replace(job("/i"), container_options=("-B", "/:/host")), READY, Container())
    assert code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert "/ is not below what jobs may bind here" in words


@pytest.mark.parametrize("asked", ["--network=private", "--memory=64g", "--pids-limit=0", "--ipc=private"])
def test_what_site_and_queue_have_said_is_not_undone_by_a_job(asked):
    site = Container(options=("--network=none", "--pids-limit=100"))
    queue = QueueData("Q", container_type="podman:pilot", container_options="--memory=2g --ipc=none --cap-drop=NET_RAW")
    code, words = refused(replace(job("/i"), container_options=(asked,)), queue, site)
    assert code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert f"{asked} is not for jobs here: queue or site say --" in words


def test_a_job_may_say_the_same_as_its_queue_and_add_to_it():
    queue = QueueData("Q", container_type="podman:pilot", container_options="--network=none --cap-drop=NET_RAW")
    words = ("--network=none", "--cap-drop=SETUID", "--memory=1g")
    spec = JobSpec(id=7, attempt=1, transformation="true", container="/i", container_options=words)
    assert choose(spec, queue, Container()).options == ("--network=none", "--cap-drop=NET_RAW", *words)
