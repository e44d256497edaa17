from __future__ import annotations

import hashlib

import pytest

from server.factory.launch import CannotLaunch, Launch


@pytest.fixture
def launch(tmp_path) -> Launch:
    for name in ("wrapper.sh", "pilot.pyz", "pilot.token"):
        (tmp_path / name).write_text(f"secret of {name}")
    return Launch(
        tmp_path / "wrapper.sh", tmp_path / "pilot.pyz", "http://127.0.0.1:1", lambda queue: tmp_path / "pilot.token"
    )


def start(launch):
    return launch.template("key", "LOCAL", options=["--getjobrequests", "1"], grace=5.0)


def test_a_pilot_is_started_by_the_wrapper_with_all_that_it_needs(launch, tmp_path):
    template = start(launch)
    assert template.argv == ("/bin/sh", str(tmp_path / "wrapper.sh"), "--getjobrequests", "1")
    assert template.environment["COMPASS_BUNDLE"] == str(tmp_path / "pilot.pyz")
    assert template.environment["COMPASS_PILOT__QUEUE__NAME"] == "LOCAL"
    assert template.environment["COMPASS_PILOT__SERVER__URL"] == "http://127.0.0.1:1"


def test_a_token_goes_by_the_name_of_its_file_and_never_in_clear(launch, tmp_path):
    template = start(launch)
    assert template.environment["COMPASS_PILOT__SERVER__TOKEN_FILE"] == str(tmp_path / "pilot.token")
    assert "secret of pilot.token" not in str(template)


def test_the_hash_is_that_of_the_bundle_as_it_is_now(launch, tmp_path):
    for text in ("one", "another"):
        (tmp_path / "pilot.pyz").write_text(text)
        assert start(launch).environment["COMPASS_BUNDLE_SHA256"] == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize("name", ["wrapper.sh", "pilot.pyz", "pilot.token"])
def test_what_is_missing_is_named(launch, tmp_path, name):
    (tmp_path / name).unlink()
    with pytest.raises(CannotLaunch, match=name):
        start(launch)


@pytest.mark.parametrize(("bundle", "url", "words"), [(False, "x", "make bundle"), (True, "", "COMPASS_SERVER_URL")])
def test_what_nobody_has_set_is_named(launch, bundle, url, words):
    bare = Launch(launch.wrapper, launch.bundle if bundle else None, url, launch.token_file)
    with pytest.raises(CannotLaunch, match=words):
        start(bare)
