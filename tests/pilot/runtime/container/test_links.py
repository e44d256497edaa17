from __future__ import annotations

from dataclasses import replace

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.container import links
from pilot.runtime.container.values import Bind, Container, Runtime

INSIDE = Container(Runtime.APPTAINER, "/images/el9")


@pytest.fixture
def folder(tmp_path):
    """A job's directory with a file, beside one that is not the job's."""
    (tmp_path / "job").mkdir()
    (tmp_path / "job" / "real").write_text("mine")
    (tmp_path / "token").write_text("secret")
    return tmp_path / "job"


@pytest.mark.parametrize("end", ["real", "./real", "missing"])
def test_links_within_a_jobs_directory_are_followed(folder, end):
    (folder / "out").symlink_to(end)
    links.check(INSIDE, folder, ["out"])


@pytest.mark.parametrize("end", ["../token", "{0}/token", "{0}", "/etc/passwd", "/", "by/token", "/proc/self/environ"])
def test_a_link_that_leads_out_is_refused_by_name(folder, end):
    (folder / "by").symlink_to("..")
    (folder / "out").symlink_to(end.format(folder.parent))
    with pytest.raises(JobFailed, match="out: it is a link to /.* which is not what the payload's container") as caught:
        links.check(INSIDE, folder, ["out"])
    assert caught.value.code is ErrorCode.CONTAINER_NOT_PERMITTED


def test_a_link_may_lead_to_what_the_container_shows_at_the_same_path(folder):
    shared = str(folder.parent / "shared")
    (folder / "out").symlink_to(f"{shared}/big")
    links.check(replace(INSIDE, binds=(Bind(shared, shared),)), folder, ["out"])
    with pytest.raises(JobFailed):
        links.check(replace(INSIDE, binds=(Bind(shared, "/elsewhere"),)), folder, ["out"])
    (folder / "release").symlink_to("/cvmfs/x/y")
    links.check(replace(INSIDE, cvmfs="/cvmfs"), folder, ["release"])
    with pytest.raises(JobFailed):
        links.check(replace(INSIDE, cvmfs="/other/cvmfs"), folder, ["release"])
    (folder / "temporary").symlink_to("/var/tmp/x")
    links.check(replace(INSIDE, isolation="none"), folder, ["temporary"])
    with pytest.raises(JobFailed):
        links.check(INSIDE, folder, ["temporary"])
