"""Signing by the real program, and by the library where it is installed; the pilot's own verification judges."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys

import pytest

from pilot.runtime.signing import is_signed
from server.lib import ed25519
from server.lib.ed25519 import SigningFailed, make_keys, sign, turn_keys

pytestmark = pytest.mark.programs("openssl")


@pytest.fixture(params=["openssl", "library"])
def way(request, monkeypatch):
    if request.param == "library" and importlib.util.find_spec("cryptography") is None:
        pytest.skip("not tested, missing here: the cryptography library")
    if request.param == "openssl":
        monkeypatch.setitem(sys.modules, "cryptography", None)
    ed25519._load.cache_clear()
    yield request.param
    ed25519._load.cache_clear()


@pytest.fixture
def keys(tmp_path):
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    make_keys(private, public)
    return private, public


def test_what_is_signed_here_is_verified_by_a_pilot(way, keys):
    private, public = keys
    assert is_signed(b"text", sign(b"text", private), [str(public)])
    assert not is_signed(b"other", sign(b"text", private), [str(public)])


def test_the_private_key_is_its_owners_alone(keys):
    private, public = keys
    assert (private.stat().st_mode & 0o777, public.stat().st_mode & 0o777) == (0o600, 0o644)
    assert "PRIVATE" not in public.read_text()


def test_no_key_is_overwritten(keys):
    before = keys[0].read_text()
    with pytest.raises(SigningFailed, match="exists"):
        make_keys(*keys)
    assert keys[0].read_text() == before


def test_a_key_that_cannot_be_used_is_named(way, tmp_path):
    with pytest.raises(SigningFailed, match=r"nowhere\.pem: No such file"):
        sign(b"text", tmp_path / "nowhere.pem")
    (tmp_path / "bad.pem").write_text("no key")
    with pytest.raises(SigningFailed):
        sign(b"text", tmp_path / "bad.pem")


def test_a_key_with_a_passphrase_is_refused_and_nobody_is_asked_for_it(way, tmp_path):
    locked = str(tmp_path / "locked.pem")
    words = ("genpkey", "-algorithm", "ed25519", "-aes256", "-pass", "pass:secret", "-out", locked)
    subprocess.run(["openssl", *words], check=True, capture_output=True)
    terminal, ours = os.openpty()
    program = (
        "import sys, fcntl, termios; from pathlib import Path; fcntl.ioctl(0, termios.TIOCSCTTY, 0)\n"
        f"if {way == 'openssl'}: sys.modules['cryptography'] = None\n"
        f"from server.lib.ed25519 import sign; sign(b'text', Path({locked!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        stdin=ours,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        start_new_session=True,
        timeout=20,
        check=False,
    )
    os.close(ours)
    os.close(terminal)
    assert b"SigningFailed" in done.stderr


def test_a_key_that_was_replaced_is_read_anew(way, keys, tmp_path):
    private = keys[0]
    sign(b"text", private)
    private.unlink()
    make_keys(private, tmp_path / "new.pub")
    assert is_signed(b"text", sign(b"text", private), [str(tmp_path / "new.pub")])


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(SigningFailed, match="nowhere"):
        make_keys(tmp_path / "nowhere" / "key.pem", tmp_path / "nowhere" / "key.pub")


def test_without_the_program_there_are_no_keys(tmp_path, monkeypatch):
    monkeypatch.setattr(ed25519, "PROGRAM", "/nowhere/openssl")
    with pytest.raises(SigningFailed, match="the /nowhere/openssl program, which makes keys, .* cannot be used"):
        make_keys(tmp_path / "a", tmp_path / "b")


def test_jobs_are_verified_by_the_old_and_by_the_new_key_while_it_is_changed(way, tmp_path):
    private, public = tmp_path / "key.pem", tmp_path / "key.pem.pub"
    make_keys(private, public)
    old = sign(b"text", private)
    make_keys(tmp_path / "key.pem.next", tmp_path / "key.pem.next.pub")
    known = [str(shutil.copy(key, f"{key}.at-the-nodes")) for key in (public, tmp_path / "key.pem.next.pub")]
    turn_keys(private)
    new = sign(b"text", private)
    assert old != new
    assert [is_signed(b"text", one, known) for one in (old, new)] == [True, True]
    assert [is_signed(b"text", one, known[1:]) for one in (old, new)] == [False, True]
