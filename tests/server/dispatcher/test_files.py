"""Files that users send along with their jobs, in both dialects."""

from __future__ import annotations

import gzip
import struct
from dataclasses import replace

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile

from server.accounts.identity import Identity
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.dispatcher.files import owner_of
from server.uploads.models import Upload
from tests.server.dispatcher.conftest import Peer

NAME = "sources.8a4c2f1e-0000-4000-8000-123456789abc.tar.gz"
BODY = gzip.compress(b"print(1)")
UPLOAD, FIND = "/api/v1/file_server/upload_cache_file", "/api/v1/file_server/validate_cache_file"
PUT = "/server/panda/putFile"


@pytest.fixture(autouse=True)
def home(tmp_path, settings, db):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, home=str(tmp_path), upload_limit=2**20)
    return tmp_path


def send(peer, path, name=NAME, body=BODY, field="file"):
    form = {field: SimpleUploadedFile(name, body)}
    return peer.client.post(path, form, headers={"Authorization": f"Bearer {peer.token}"})


def checksum(body):
    return struct.unpack("II", body[-8:])[0]


def test_a_file_is_sent_found_again_and_fetched(client, manager):
    assert not manager.v1(FIND, {"file_size": len(BODY), "checksum": checksum(BODY)})["success"]
    told = send(manager, UPLOAD).json()
    assert (told["success"], told["data"]["name"], told["data"]["size"]) == (True, NAME, len(BODY))
    answer = manager.v1(FIND, {"file_size": len(BODY), "checksum": checksum(BODY)})
    assert answer == {"success": True, "message": f"FOUND:testserver:{NAME}", "data": None}
    assert b"".join(client.get(f"/cache/{NAME}").streaming_content) == BODY


def test_an_older_client_reads_text(manager):
    assert send(manager, PUT).content == b"True"
    assert send(manager, PUT).content == b"True", "the same again is no mistake"
    assert send(manager, PUT, body=gzip.compress(b"other")).content.startswith(b"ERROR : sources.")


@pytest.mark.parametrize("path", [UPLOAD, PUT])
@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"name": "a.tar.gz"}, "have a random UUID in it"),
        ({"field": "other"}, "file: missing"),
        ({"body": bytes(2**20 + 1)}, "more than 1048576 bytes"),
        ({"body": b"print(1)"}, "it is called as gzip files are, and is none"),
    ],
)
def test_what_is_not_taken_is_refused_with_the_reason(manager, path, wrong, words):
    answer = send(manager, path, **wrong)
    assert answer.status_code == 200
    assert words in answer.content.decode()
    assert b"rror" in answer.content or b"ERROR" in answer.content or b"missing" in answer.content


@pytest.mark.parametrize("path", [UPLOAD, PUT])
def test_a_body_beyond_all_limits_is_not_even_read(manager, path):
    assert send(manager, path, body=bytes(2**20 + 2**17)).status_code == 413


def test_a_broken_form_is_refused(manager):
    answer = manager.post(UPLOAD, b"--x", "multipart/form-data")
    assert answer.status_code == 400
    assert "multipart" in answer.json()["message"]


def test_a_pilot_sends_no_files(pilot, home):
    assert send(pilot, UPLOAD).status_code == 403
    assert not (home / "cache").exists()


def test_a_users_files_are_found_by_all_of_its_tokens_and_by_nobody_else(client, manager):
    for token in ("laptop", "desk"):
        peer = Peer(client, create_token(token, Role.USER, person="alice"))
        if token == "laptop":
            assert send(peer, UPLOAD).json()["success"]
        assert peer.v1(FIND, {"file_size": len(BODY), "checksum": checksum(BODY)})["success"]
    assert not manager.v1(FIND, {"file_size": len(BODY), "checksum": checksum(BODY)})["success"]


def test_the_subject_of_a_certificate_owns_files_however_long_it_is(home):
    subjects = [f"/DC=org/CN={'a' * 200}{number}" for number in (1, 2)]
    owners = [owner_of(Identity(subject[-80:], Role.USER, subject)) for subject in subjects]
    assert len(set(owners)) == 2
    assert max(map(len, owners)) <= Upload._meta.get_field("owner").max_length
