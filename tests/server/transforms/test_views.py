"""Transformations are fetched by anybody, whole, and once by who keeps them."""

from __future__ import annotations

import hashlib

import pytest

from server.transforms import compass_job
from server.transforms.served import transform


@pytest.mark.parametrize("path", ["/trf/compass-job", "/trf/user/compass-job"])
def test_the_program_for_stock_pilots_is_fetched_without_an_identity(client, path):
    answer = client.get(path)
    assert answer.status_code == 200
    assert answer.content.startswith(b"#!/usr/bin/env python3\n")
    assert compass_job.__doc__.encode() in answer.content
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert answer.headers["Cache-Control"] == "public, max-age=300"


def test_who_has_it_already_is_told_that_it_is_unchanged(client):
    tag = client.get("/trf/compass-job").headers["ETag"]
    again = client.get("/trf/compass-job", headers={"If-None-Match": tag})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get("/trf/compass-job", headers={"If-None-Match": '"other"'}).status_code == 200


def test_a_version_is_kept_for_ever_under_its_hash_and_another_is_not_there(client):
    found = transform("compass-job")
    answer = client.get(f"/trf/{found.sha256}/compass-job")
    assert hashlib.sha256(answer.content).hexdigest() == found.sha256
    assert "immutable" in answer.headers["Cache-Control"]
    gone = client.get(f"/trf/{'0' * 64}/compass-job")
    assert (gone.status_code, b"not this version" in gone.content) == (404, True)


def test_the_bundle_is_served_where_the_server_has_one_and_read_anew_when_it_changes(client, settings, tmp_path):
    settings.PILOT_BUNDLE = None
    assert client.get("/trf/pilot.pyz").status_code == 404
    settings.PILOT_BUNDLE = tmp_path / "any-name.pyz"
    assert client.get("/trf/pilot.pyz").status_code == 404
    settings.PILOT_BUNDLE.write_bytes(b"one")
    assert client.get("/trf/pilot.pyz").content == b"one"
    settings.PILOT_BUNDLE.write_bytes(b"another")
    assert client.get("/trf/pilot.pyz").content == b"another"


@pytest.mark.parametrize(("name", "status"), [("other", 404), ("..%2Fsettings", 404), ("served.py", 404), ("%00", 400)])
def test_there_is_nothing_else(client, name, status):
    assert client.get(f"/trf/{name}").status_code == status


def test_transformations_are_only_read(client):
    assert client.post("/trf/compass-job").status_code == 405
