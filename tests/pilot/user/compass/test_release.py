"""Where a job's software lies."""

from __future__ import annotations

from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.user.compass import release


def of(home_package, soft="v1", appdir=""):
    spec = JobSpec(1, 1, "coral.exe", home_package=home_package, release=soft)
    return release.release_of(spec, QueueData("Q", appdir=appdir))


@pytest.mark.parametrize(
    ("home_package", "appdir", "place"),
    [
        ("/cvmfs/compass.cern.ch/generalprod/testcoral/", "", "/cvmfs/compass.cern.ch/generalprod/testcoral/v1"),
        ("/cvmfs/compass.cern.ch/", "/sw", "/cvmfs/compass.cern.ch/v1"),
        ("generalprod/testcoral/", "/scratch/compass", "/scratch/compass/generalprod/testcoral/v1"),
        ("generalprod/", "/scratch/compass/", "/scratch/compass/generalprod/v1"),
        ("generalprod/", "/sw|nightlies^/sw/nightlies", "/sw/generalprod/v1"),
        (".", "/scratch/compass", "/scratch/compass/v1"),
    ],
)
def test_home_path_and_soft_are_put_together(home_package, appdir, place):
    assert of(home_package, appdir=appdir) == Path(place)


def test_a_job_without_home_package_needs_no_release():
    assert of("", appdir="/sw") is None


@pytest.mark.parametrize(
    ("home_package", "soft", "appdir", "code", "words"),
    [
        ("/cvmfs/x", "v1", "", ErrorCode.BAD_JOB_DEFINITION, "home: '/cvmfs/x' must start and end with a slash"),
        ("a", "v1", "/sw", ErrorCode.BAD_JOB_DEFINITION, "path: 'a' must not start"),
        ("/cvmfs/", "", "", ErrorCode.BAD_JOB_DEFINITION, "soft: ''"),
        ("/cvmfs/", "a/b", "", ErrorCode.BAD_JOB_DEFINITION, "soft: 'a/b'"),
        ("a/", "v1", "", ErrorCode.BAD_QUEUE_CONFIGURATION, "queue Q has none"),
        ("a/", "v1", "sw", ErrorCode.BAD_JOB_DEFINITION, "home: 'sw/'"),
    ],
)
def test_parts_that_make_no_path_are_named(home_package, soft, appdir, code, words):
    with pytest.raises(JobFailed) as caught:
        of(home_package, soft, appdir)
    assert caught.value.code is code
    assert words in caught.value.detail


def test_a_release_that_is_there_is_fine(tree):
    release.check(tree.release)


def test_the_first_folder_that_is_missing_is_named(tree):
    with pytest.raises(JobFailed, match="the release is not there") as caught:
        release.check(tree.release.with_name("v2"))
    assert caught.value.code is ErrorCode.NO_SOFTWARE_DIR
    with pytest.raises(JobFailed, match=r"/cvmfs/other is not there; is CVMFS mounted\?"):
        release.check(tree.home.with_name("other") / "a" / "b")


def test_a_declared_environment_goes_before_scripts(tree):
    assert release.setup_of(tree.release, "") == tree.release / "coral" / "setup.sh"
    (tree.release / "environment").write_text("")
    assert release.setup_of(tree.release, "") == tree.release / "environment"
    assert release.setup_of(tree.release, "template.opt") == tree.release / "template.opt"


def test_releases_may_share_an_environment_above_them(tree):
    (tree.release / "coral" / "setup.sh").unlink()
    shared = tree.home / "sw" / "environment.sh"
    shared.parent.mkdir()
    shared.write_text("")
    assert release.setup_of(tree.release, "") == shared


def test_a_site_may_name_a_file_elsewhere(tree, tmp_path):
    (tmp_path / "site.sh").write_text("")
    assert release.setup_of(tree.release, str(tmp_path / "site.sh")) == tmp_path / "site.sh"


@pytest.mark.parametrize(
    ("named", "words"),
    [("", "no environment nor coral/setup.sh nor .*, nor sw/environment.sh above it"), ("x.sh", "no x.sh to")],
)
def test_a_release_that_cannot_be_set_up_says_what_was_looked_for(tmp_path, named, words):
    with pytest.raises(JobFailed, match=words) as caught:
        release.setup_of(tmp_path, named)
    assert caught.value.code is ErrorCode.SETUP_FAILURE


def test_a_program_is_taken_from_its_place_in_the_release_before_the_path(tree):
    bin_folder = tree.release / "coral" / "bin"
    (bin_folder / "phast").write_text("#!/bin/sh\n")
    (bin_folder / "phast").chmod(0o755)
    assert release.program("phast", tree.release, str(bin_folder)) == str(tree.release / "phast" / "phast")
    assert release.program("phast", None, str(bin_folder)) == str(bin_folder / "phast")
    assert release.program("hadd", tree.release, str(bin_folder)) == str(bin_folder / "hadd")


def test_a_program_that_is_nowhere_is_told_with_the_places(tree):
    (tree.release / "phast" / "phast").chmod(0o644)
    with pytest.raises(JobFailed, match=r"phast: .*/phast/phast, the payload's PATH \(/nowhere\)") as caught:
        release.program("phast", tree.release, "/nowhere")
    assert caught.value.code is ErrorCode.PAYLOAD_NOT_STARTED


def test_in_an_image_a_program_is_the_releases_or_the_images(tree):
    place = str(tree.release / "phast" / "phast")
    assert release.program("phast", tree.release, "/bin", image="x.sif") == place
    assert release.program("cat", tree.release, "/bin", image="x.sif") == "cat"
