"""Which container copies run in, and the words that begin it; no runtime is started."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.runtime.container import middleware
from pilot.runtime.container.values import Bind, Container, Runtime
from pilot.settings import Settings
from pilot.settings.sections import Container as Site
from pilot.settings.sections import Copy

NODE = Site()


def chosen(kind, site=NODE, **copy):
    queue = QueueData("Q", container_type=kind, container_options="-B /data:/data:ro")
    return middleware.choose(queue, Settings(copy=Copy(**copy), container=site))


@pytest.mark.parametrize(
    "kind", ["", "apptainer:pilot", "docker:wrapper", "bash:middleware", "apptainer:pilot;bash:middleware"]
)
def test_copies_run_on_the_node_where_the_queue_says_nothing_else(kind):
    assert chosen(kind, image="/images/grid") is None


@pytest.mark.parametrize("kind", ["apptainer:pilot;container:middleware", "Apptainer:middleware"])
def test_a_queue_that_names_middleware_has_them_in_the_sites_image(kind):
    found = chosen(kind, image="/images/grid")
    assert (found.runtime, found.image) == (Runtime.APPTAINER, "/images/grid")
    assert found.binds == (Bind("/data", "/data", read_only=True),)


def test_the_settings_have_the_last_word():
    assert chosen("container:middleware", container="never") is None
    for kind in ("", "apptainer:pilot", "bash:middleware"):
        assert chosen(kind, container="always", image="/images/grid").image == "/images/grid"
    assert chosen("container:middleware", Site(runtime="singularity"), image="/i").runtime is Runtime.SINGULARITY
    assert chosen("container:middleware", Site(image_base="/images"), image="grid").image == "/images/grid"


@pytest.mark.parametrize(
    ("kind", "site", "copy", "code", "words"),
    [
        (
            *("container:middleware", Site(), {}, ErrorCode.IMAGE_NOT_FOUND),
            "container_type of queue Q has the copy tools run in a container (middleware), and copy.image names none",
        ),
        (
            *("", Site(), {"container": "always"}, ErrorCode.IMAGE_NOT_FOUND),
            "copy.container has the copy tools run in a container (middleware), and copy.image names none",
        ),
        (
            *("podman:middleware", Site(), {"image": "/i"}, ErrorCode.BAD_QUEUE_CONFIGURATION),
            "container_type of queue Q: copy tools run in containers by apptainer or singularity, not by 'podman'",
        ),
        (
            *("container:middleware", Site(runtime="podman"), {"image": "/i"}, ErrorCode.BAD_QUEUE_CONFIGURATION),
            "container.runtime: copy tools run in containers by apptainer or singularity, not by 'podman'",
        ),
        (
            *("container:middleware", Site(images=("/cvmfs",)), {"image": "/i"}, ErrorCode.IMAGE_NOT_FOUND),
            "image '/i' is not one that this site runs (container.images: /cvmfs)",
        ),
    ],
)
def test_what_cannot_be_is_said(kind, site, copy, code, words):
    with pytest.raises(JobFailed) as wrong:
        chosen(kind, site, **copy)
    assert (wrong.value.code, wrong.value.detail) == (code, words)


@pytest.fixture
def node(tmp_path):
    (tmp_path / "apptainer").write_text("#!/bin/sh\n")
    (tmp_path / "apptainer").chmod(0o755)
    for name in ("image", "cvmfs"):
        (tmp_path / name).mkdir()
    return tmp_path


def test_the_words_begin_a_container_that_shows_what_was_named(node):
    container = Container(
        Runtime.APPTAINER,
        str(node / "image"),
        program=str(node / "apptainer"),
        cvmfs=str(node / "cvmfs"),
        userns=True,
        options=("--nv",),
    )
    here = Bind(str(node), str(node))
    seen = [here, here, Bind(str(node / "no"), "/no"), Bind("", "/empty"), Bind(str(node), "/x", read_only=True)]
    assert middleware.enter(container, {}, seen) == (
        *(str(node / "apptainer"), "--silent", "exec", "--cleanenv", "--no-eval", "--pwd=/", "--pid", "--userns"),
        *(f"--bind={node}:{node}", f"--bind={node}:/x:ro", f"--bind={node}/cvmfs:/cvmfs:ro", "--nv", f"{node}/image"),
    )


def test_a_runtime_or_an_image_that_is_not_there_is_told(node):
    with pytest.raises(JobFailed) as wrong:
        middleware.enter(Container(Runtime.APPTAINER, "/no/image", program=str(node / "apptainer")), {}, [])
    assert (wrong.value.code, wrong.value.detail) == (ErrorCode.IMAGE_NOT_FOUND, "image /no/image is not on the node")
    with pytest.raises(JobFailed) as wrong:
        middleware.enter(Container(Runtime.APPTAINER, str(node / "image")), {"PATH": "/no"}, [])
    assert wrong.value.code is ErrorCode.APPTAINER_NOT_INSTALLED
