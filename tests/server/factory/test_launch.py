"""What the factory's pilots are started with."""

from __future__ import annotations

import hashlib
import re
import subprocess

import pytest

from server.batch.base import Needs
from server.factory.launch import WRAPPER_OPTIONS, CannotLaunch, Launch, wrapper_options
from server.settings import PILOT_WRAPPER


@pytest.fixture
def launch(tmp_path) -> Launch:
    for name in ("wrapper.sh", "pilot.pyz", "LOCAL.token"):
        (tmp_path / name).write_text(f"secret of {name}")
    return Launch(
        tmp_path / "wrapper.sh",
        tmp_path / "pilot.pyz",
        "http://127.0.0.1:1",
        lambda queue: tmp_path / f"{queue}.token",
        tmp_path / "bundles",
    )


def start(launch, *options, **more):
    return launch.template("key", "LOCAL", options=options or ["--getjobrequests", "1"], grace=5.0, **more)


def test_a_pilot_is_started_by_the_wrapper_with_all_that_it_needs(launch, tmp_path):
    template = start(launch)
    assert template.argv == ("/bin/sh", "pilot-wrapper.sh", "--getjobrequests", "1")
    assert template.files == {
        "pilot-wrapper.sh": tmp_path / "wrapper.sh",
        "pilot.pyz": tmp_path / "pilot.pyz",
        "pilot.token": tmp_path / "LOCAL.token",
    }
    assert template.environment["COMPASS_BUNDLE"] == "pilot.pyz"
    assert template.environment["COMPASS_PILOT__SERVER__TOKEN_FILE"] == "pilot.token"
    assert template.environment["COMPASS_PILOT__QUEUE__NAME"] == "LOCAL"
    assert template.environment["COMPASS_PILOT__SERVER__URL"] == "http://127.0.0.1:1"


def test_nothing_that_travels_names_a_folder_of_this_machine(launch, tmp_path):
    template = start(launch)
    assert str(tmp_path) not in str((template.argv, template.environment))


def test_pilots_of_this_machine_share_an_unpacked_bundle(launch, tmp_path):
    assert start(launch, here=True).environment["COMPASS_BUNDLE_CACHE"] == str(tmp_path / "bundles")
    assert "COMPASS_BUNDLE_CACHE" not in start(launch).environment


def test_what_its_jobs_need_and_a_queue_asks_for_is_in_the_template(launch):
    template = start(launch, needs=Needs(cores=8), job_options={"partition": "long"})
    assert (template.needs.cores, template.options) == (8, {"partition": "long"})


def test_a_pass_is_never_in_clear(launch):
    assert "secret of" not in str(start(launch))


def test_the_hash_is_that_of_the_bundle_as_it_is_now(launch, tmp_path):
    for text in ("one", "another"):
        (tmp_path / "pilot.pyz").write_text(text)
        assert start(launch).environment["COMPASS_BUNDLE_SHA256"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("place", ["/cvmfs/sw.example.org/pilot.pyz", "https://sw.example.org/pilot.pyz"])
def test_a_bundle_that_nodes_find_elsewhere_does_not_travel(launch, tmp_path, place):
    template = start(launch, "--bundle", place, "--lifetime", "60")
    assert sorted(template.files) == ["pilot-wrapper.sh", "pilot.token"]
    assert template.argv[2:] == ("--bundle", place, "--lifetime", "60")
    assert (
        template.environment["COMPASS_BUNDLE_SHA256"]
        == hashlib.sha256((tmp_path / "pilot.pyz").read_bytes()).hexdigest()
    )


@pytest.mark.parametrize(
    "place", ["pilot.pyz", "", "ftp://sw.example.org/p", "file:///etc/passwd", "https:///p", "/a b"]
)
def test_a_place_where_no_node_finds_a_bundle_is_refused_by_its_name(launch, place):
    with pytest.raises(CannotLaunch, match=re.escape(f"LOCAL: pilot options: --bundle: {place!r} is neither")):
        start(launch, "--bundle", place)


def test_the_wrappers_options_end_where_the_pilots_begin():
    assert wrapper_options(["--cache", "/a", "--python", "/b", "-q", "X", "--bundle", "/c"]) == {
        "--cache": "/a",
        "--python": "/b",
    }
    with pytest.raises(CannotLaunch, match="--cache needs a value"):
        wrapper_options(["--cache"])


def test_they_are_those_that_the_wrapper_knows():
    said = subprocess.run(["/bin/sh", str(PILOT_WRAPPER), "--help"], capture_output=True, text=True, check=True).stdout
    assert set(re.findall(r"^  (--[a-z0-9-]+) [A-Z]", said, re.MULTILINE)) == WRAPPER_OPTIONS


@pytest.mark.parametrize("name", ["wrapper.sh", "pilot.pyz", "LOCAL.token"])
def test_what_is_missing_is_named(launch, tmp_path, name):
    (tmp_path / name).unlink()
    with pytest.raises(CannotLaunch, match=name):
        start(launch)


@pytest.mark.parametrize(("bundle", "url", "words"), [(False, "x", "make bundle"), (True, "", "COMPASS_SERVER_URL")])
def test_what_nobody_has_set_is_named(launch, bundle, url, words):
    bare = Launch(launch.wrapper, launch.bundle if bundle else None, url, launch.token_file)
    with pytest.raises(CannotLaunch, match=words):
        start(bare)
