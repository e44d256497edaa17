from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container import node
from pilot.runtime.container.values import Bind, Container, Runtime
from pilot.runtime.workdir import FOLDER


@pytest.fixture
def place(tmp_path):
    """A node with a program of each name, a folder that is an image and a file that is one."""
    for name in ("apptainer", "podman"):
        (tmp_path / name).write_text("#!/bin/sh\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "image").mkdir()
    (tmp_path / "image.sif").touch()
    return tmp_path


def container(place, **changes):
    return replace(Container(Runtime.APPTAINER, str(place / "image")), **changes)


def look(place, chosen, **own):
    return node.look(chosen, {"PATH": str(place), **own})


def code_of(place, chosen, **own):
    with pytest.raises(JobFailed) as caught:
        look(place, chosen, **own)
    return caught.value.code, caught.value.detail


def test_the_program_is_found_on_the_pilots_path(place):
    found = look(place, container(place))
    assert (found.program, found.image_is_folder) == (str(place / "apptainer"), True)
    assert not look(place, container(place, image=str(place / "image.sif"))).image_is_folder


@pytest.mark.parametrize("runtime", [Runtime.APPTAINER, Runtime.SINGULARITY])
def test_apptainer_and_singularity_stand_in_for_each_other(place, runtime):
    assert look(place, container(place, runtime=runtime)).program == str(place / "apptainer")


def test_the_program_may_be_named(place):
    (place / "other").mkdir()
    (place / "apptainer").rename(place / "other" / "apptainer")
    named = str(place / "other" / "apptainer")
    assert look(place, container(place, program=named)).program == named


@pytest.mark.parametrize("program", ["", "/no/such/apptainer"])
def test_a_runtime_that_is_not_there_is_named(place, program):
    (place / "apptainer").unlink()
    code, words = code_of(place, container(place, program=program))
    assert code is ErrorCode.APPTAINER_NOT_INSTALLED
    assert (program or "apptainer or singularity on PATH") in words


def test_an_image_that_is_not_there_is_named(place):
    code, words = code_of(place, container(place, image="/no/such/image"))
    assert (code, "/no/such/image" in words) == (ErrorCode.IMAGE_NOT_FOUND, True)


def test_an_image_that_is_fetched_is_not_looked_for(place):
    assert not look(place, container(place, image="docker://host/x")).image_is_folder


def test_podman_does_not_run_image_files(place):
    chosen = container(place, runtime=Runtime.PODMAN, image=str(place / "image.sif"))
    assert code_of(place, chosen)[0] is ErrorCode.IMAGE_NOT_FOUND
    assert look(place, replace(chosen, image=str(place / "image"))).program == str(place / "podman")


def test_what_is_bound_must_be_there(place):
    code, words = code_of(place, container(place, binds=(Bind("/no/such/folder", "/data"),)))
    assert code is ErrorCode.APPTAINER_BIND
    assert "/no/such/folder" in words


def test_cvmfs_need_not_be_there(place):
    assert not look(place, container(place, cvmfs="/no/such/cvmfs")).cvmfs
    assert look(place, container(place, cvmfs=str(place))).cvmfs


def test_a_node_without_user_namespaces_is_told_before_anything_is_run(place, monkeypatch):
    limit = place / "max_user_namespaces"
    limit.write_text("0\n")
    monkeypatch.setattr(node, "_NAMESPACE_LIMITS", ("/no/such/limit", str(limit)))
    code, words = code_of(place, container(place, userns=True))
    assert (code, str(limit) in words) == (ErrorCode.NO_USER_NAMESPACES, True)
    assert look(place, container(place)).program
    limit.write_text("15000\n")
    assert look(place, container(place, userns=True)).program


def test_the_runtime_gets_what_it_needs_itself_and_nothing_else(place):
    found = look(place, container(place), HOME="/home/pilot", https_proxy="http://p:1", COMPASS_PILOT_TOKEN="secret")
    assert dict(found.environment) == {"PATH": str(place), "HOME": "/home/pilot", "https_proxy": "http://p:1"}


def test_a_pilot_without_a_path_looks_in_the_usual_places(place):
    named = container(place, program=str(place / "apptainer"))
    assert Path("/usr/bin").as_posix() in node.look(named, {}).environment["PATH"]


@pytest.fixture
def lent(place):
    """A folder below which jobs may bind, with a link that leads out of it, and one that does not."""
    (place / "lent" / "inside").mkdir(parents=True)
    (place / "lent" / "out").symlink_to(place)
    (place / "lent" / "in").symlink_to("inside")
    return place / "lent"


@pytest.mark.parametrize("name", ["", "inside", "in"])
def test_what_a_job_binds_may_be_a_link_that_stays_where_jobs_may_bind(place, lent, name):
    bind = Bind(str(lent / name), "/x", read_only=True, within=str(lent))
    assert look(place, container(place, binds=(bind,))).program


def test_a_link_that_leads_out_of_what_jobs_may_bind_is_not_followed(place, lent):
    bind = Bind(str(lent / "out"), "/x", read_only=True, within=str(lent))
    code, words = code_of(place, container(place, binds=(bind,)))
    assert code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert f"it leads to {place}, out of what jobs may bind here" in words
    assert look(place, container(place, binds=(replace(bind, within=""),))).program  # an admin may


@pytest.mark.parametrize("hidden", ["inside/token", "inside", "", "in/token"])
def test_no_job_binds_what_holds_the_pilots_own_files_or_lies_among_them(place, lent, hidden):
    (lent / "inside" / "token").write_text("secret")
    bind = Bind(str(lent / "inside"), "/x", read_only=True, within=str(lent))
    with pytest.raises(JobFailed, match="files of the pilot's own lie there") as caught:
        node.look(container(place, binds=(bind,)), {"PATH": str(place)}, [str(lent / hidden)])
    assert caught.value.code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert node.look(container(place, binds=(bind,)), {"PATH": str(place)}, ["", str(place / "other")]).program


@pytest.mark.parametrize("hidden", ["image/token", "image", ""])
def test_no_image_shows_the_pilots_own_files(place, hidden):
    with pytest.raises(JobFailed, match="image .*: files of the pilot's own lie there") as caught:
        node.look(container(place), {"PATH": str(place)}, [str(place / hidden)])
    assert caught.value.code is ErrorCode.CONTAINER_NOT_PERMITTED
    assert node.look(container(place), {"PATH": str(place)}, [str(place / "token")]).program
    (place / "root").symlink_to("/")
    with pytest.raises(JobFailed, match="files of the pilot's own lie there"):
        node.look(container(place, image=str(place / "root")), {"PATH": str(place)}, [str(place / "token")])


def test_neither_image_nor_bind_shows_another_pilots_folder(place):
    other = place / f"{FOLDER}77-abc" / "PanDA_Pilot-7-1"
    other.mkdir(parents=True)
    bound = container(place, binds=(Bind(str(other), "/x", read_only=True, within=str(place)),))
    for chosen in (container(place, image=str(other)), bound):
        with pytest.raises(JobFailed, match="the folder of another pilot"):
            node.look(chosen, {"PATH": str(place)}, [str(place / "own")])
    (place / f"{FOLDER}images").mkdir()
    assert node.look(container(place, image=str(place / f"{FOLDER}images")), {"PATH": str(place)}, ["/own"]).program
