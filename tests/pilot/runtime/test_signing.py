"""Ed25519 verified by the real program, and by the library where it is installed."""

from __future__ import annotations

import importlib.util
import subprocess
import sys

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.signing import is_signed

TEXT = b"COMPASS job, version 1\n{}"
WAYS = ["openssl", "library"]

pytestmark = pytest.mark.programs("openssl")


def openssl(*words):
    subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)


def make_key(folder, name, algorithm="ed25519"):
    private, public = folder / f"{name}.pem", folder / f"{name}.pub.pem"
    openssl("genpkey", "-algorithm", algorithm, "-out", private)
    openssl("pkey", "-in", private, "-pubout", "-out", public)
    return private, str(public)


def sign(folder, private, text=TEXT):
    (folder / "said").write_bytes(text)
    openssl("pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", folder / "said", "-out", folder / "signed")
    return (folder / "signed").read_bytes()


@pytest.fixture
def keys(tmp_path):
    return make_key(tmp_path, "first")


@pytest.fixture(params=WAYS)
def way(request, monkeypatch):
    """Verify by the program, or by the library."""
    if request.param == "library":
        if importlib.util.find_spec("cryptography") is None:
            pytest.skip("not tested, missing here: the cryptography library")
    else:
        monkeypatch.setitem(sys.modules, "cryptography", None)
    return request.param


def test_a_text_is_known_by_its_signature(way, tmp_path, keys):
    private, public = keys
    signature = sign(tmp_path, private)
    assert is_signed(TEXT, signature, [public])
    assert not is_signed(TEXT + b" ", signature, [public])
    assert not is_signed(TEXT, bytes(64), [public])


def test_a_signature_by_any_of_several_keys_counts(way, tmp_path, keys):
    private, public = keys
    _, other = make_key(tmp_path, "second")
    assert is_signed(TEXT, sign(tmp_path, private), [other, public])
    assert not is_signed(TEXT, sign(tmp_path, private), [other])


def test_a_key_that_is_not_on_this_node_does_not_hide_a_good_signature_by_another(way, tmp_path, keys):
    private, public = keys
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no key")
    named = ["/nowhere/new.pem", str(garbage), public]
    assert is_signed(TEXT, sign(tmp_path, private), named)
    with pytest.raises(JobFailed, match="/nowhere/new.pem cannot be read") as caught:
        is_signed(TEXT, bytes(64), named)
    assert caught.value.code is ErrorCode.SIGNATURE_UNVERIFIABLE


def test_without_room_for_temporary_files_nobody_can_tell(monkeypatch, tmp_path, keys):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "gone"))
    with pytest.raises(JobFailed, match="temporary files, and none can be written") as caught:
        is_signed(TEXT, bytes(64), [keys[1]])
    assert caught.value.code is ErrorCode.SIGNATURE_UNVERIFIABLE


def test_a_key_that_cannot_be_used_is_no_bad_signature(way, tmp_path, keys):
    garbage = tmp_path / "garbage.pem"
    garbage.write_text("no key")
    _, other = make_key(tmp_path, "other", "x25519")
    for path, words in ((garbage, "cannot be read as a public key"), (other, "Ed25519|public key")):
        with pytest.raises(JobFailed, match=words) as caught:
            is_signed(TEXT, bytes(64), [str(path)])
        assert caught.value.code is ErrorCode.SIGNATURE_UNVERIFIABLE


@pytest.mark.parametrize(
    ("named", "words"), [([], "names no public key"), (["/nowhere/key.pem"], "key.pem cannot be read: No such file")]
)
def test_without_a_key_nobody_can_tell(named, words):
    with pytest.raises(JobFailed, match=words) as caught:
        is_signed(TEXT, bytes(64), named)
    assert caught.value.code is ErrorCode.SIGNATURE_UNVERIFIABLE


def test_without_library_and_program_nobody_can_tell(monkeypatch, keys):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(JobFailed, match="neither the cryptography library nor the /nowhere/openssl program"):
        is_signed(TEXT, bytes(64), [keys[1]], program="/nowhere/openssl")


def test_a_program_that_is_too_old_is_no_bad_signature(monkeypatch, tmp_path, keys):
    monkeypatch.setitem(sys.modules, "cryptography", None)
    old = tmp_path / "openssl"
    old.write_text('#!/bin/sh\n[ "$1" = pkey ] && echo ED25519 && exit 0\necho "Unknown option: -rawin" >&2; exit 1\n')
    old.chmod(0o755)
    with pytest.raises(JobFailed, match="OpenSSL 3 is needed: Unknown option"):
        is_signed(TEXT, bytes(64), [keys[1]], program=str(old))
