"""Certificates through a real web server in front of ours: what it verified counts, what a caller writes does not."""

from __future__ import annotations

import json
import os
import shutil
import ssl
import stat
import subprocess
import tempfile
from http.client import HTTPSConnection
from pathlib import Path

import pytest

from tests.server.manage.running import Peer, Server, command, free_port, init
from tests.services import fronts
from tests.services.authority import Authority

pytestmark = pytest.mark.one_python

SECRET = "0123456789abcdef" * 4
WHO = "/api/v1/accounts/who_am_i"
FORGED = {
    "X-Compass-Front": SECRET[:-1] + "0",
    "X-Compass-Verified": "SUCCESS",
    "X-Compass-Subject": "/CN=alice",
    "X-Compass-Fqans": "/tests/Role=admin",
    "X_Compass_Subject": "/CN=alice",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fronted")
    home, secret = folder / "home", folder / "secret"
    secret.write_text(SECRET)
    secret.chmod(0o600)
    more = {"COMPASS_SERVER_FRONT_SECRET_FILE": str(secret), "COMPASS_SERVER_VOMS_ROLES": "/tests/Role=admin=admin"}
    assert init(home, **more).returncode == 0
    made = command(home, "token", "create", "alices", "--role", "reader", "--certificate", "/CN=alice", **more)
    assert made.stdout == "known: /CN=alice as alices\n", made.stderr
    server = Server(home, free_port(), workers=1, **more)
    yield server
    assert server.end() == 0


@pytest.fixture(scope="module", params=["nginx", "apache"])
def front(request, server):
    with fronts.running(request.param) as front:
        front.start(server.port, SECRET)
        yield front


def reach(front, person=None):
    context = ssl.create_default_context(cafile=str(front.authority.file))
    if person is not None:
        context.load_cert_chain(person)
    return HTTPSConnection("127.0.0.1", front.port, context=context, timeout=60)


def ask(front, person=None, **headers):
    """Ask who the caller is; answer the status, and the name or the words."""
    line = reach(front, person)
    try:
        line.request("GET", WHO, headers={"Accept": "application/json", **headers})
        answer = line.getresponse()
        text = answer.read()
    finally:
        line.close()
    if answer.status not in {200, 403}:
        return answer.status, text.decode()
    said = json.loads(text)
    return answer.status, said["data"]["name"] if said["success"] else said["message"]


@pytest.fixture(scope="module")
def alice(front):
    return front.authority.issue("alice")


def test_a_certificate_is_its_bearer_and_nothing_that_is_written_beside_it_counts(front, alice):
    assert ask(front, alice) == (200, "alices")
    assert ask(front, alice, **{**FORGED, "X-Compass-Subject": "/CN=nobody"}) == (200, "alices")


def test_who_shows_no_certificate_is_nobody_whatever_is_written(front):
    for headers in ({}, FORGED, {**FORGED, "X-Compass-Front": SECRET}):
        status, words = ask(front, **headers)
        assert (status, "no token" in words) == (403, True), words


def test_a_certificate_that_nobody_has_named_is_told_its_subject(front):
    status, words = ask(front, front.authority.issue("stranger"), **FORGED)
    assert (status, "the certificate /CN=stranger is not known here" in words) == (403, True)


def test_a_certificate_of_another_authority_is_not_taken(front, tmp_path):
    forged = Authority(tmp_path / "another").issue("alice")
    try:
        status, _ = ask(front, forged)
    except (ssl.SSLError, ConnectionError):
        return  # Apache ends the connection
    assert status == 400


def test_a_token_goes_through(front, server):
    token = (server.home / "pilot.token").read_text().strip()
    assert ask(front, Authorization=f"Bearer {token}") == (200, "pilot")


def test_a_large_call_goes_through(front):
    line = reach(front)
    try:
        line.request("POST", "/server/panda/isAlive", b"x" * 2**21)
        assert line.getresponse().read() == b"alive=yes"
    finally:
        line.close()


def test_a_proxy_is_its_person_in_front_of_apache(front, alice):
    if front.kind == "nginx":  # which knows no proxies, and says so
        assert ask(front, front.authority.proxy(alice))[0] == 400
    else:
        assert ask(front, front.authority.proxy(alice)) == (200, "alices")


def test_whoever_reaches_the_server_itself_does_not_get_in_by_headers(server):
    peer = Peer(server.port, "")
    for proof in (SECRET[:-1] + "0", ""):
        said = {**FORGED, "X-Compass-Front": proof, "Authorization": ""}
        assert "no front that we know proves it" in peer.call("GET", WHO, **said)["message"]
    peer.close()


@pytest.fixture(scope="module")
def behind_socket(server):
    folder = Path(tempfile.mkdtemp(prefix="socket-"))  # short: a socket's path has 107 characters at most
    if not os.geteuid():  # fronts are started as nobody then, Apache at least
        shutil.chown(folder, group="nogroup")
        folder.chmod(0o2750)
    socket = folder / "server.sock"
    server = Server(server.home, 0, workers=1, COMPASS_SERVER_SOCKET=str(socket))
    yield server, socket
    assert server.end() == 0
    assert not socket.exists()
    folder.rmdir()


@pytest.fixture(scope="module", params=["nginx", "apache"])
def front_at_socket(request, behind_socket):
    with fronts.running(request.param) as front:
        front.start(behind_socket[1], "unused")
        yield front


def test_who_alone_may_open_the_socket_needs_no_secret(front_at_socket, behind_socket):
    server, socket = behind_socket
    assert f"serving on unix:{socket}\n" in server.said
    assert stat.S_IMODE(socket.stat().st_mode) == 0o660
    front = front_at_socket
    assert ask(front, front.authority.issue("alice")) == (200, "alices")
    assert ask(front, front.authority.issue("alice"), **{**FORGED, "X-Compass-Subject": "/CN=x"}) == (200, "alices")
    status, words = ask(front, **FORGED)
    assert (status, "no token" in words) == (403, True), words


def test_no_second_server_listens_at_a_socket(behind_socket):
    server, socket = behind_socket
    second = command(server.home, "serve", COMPASS_SERVER_SOCKET=str(socket))
    assert f"cannot listen on unix:{socket}: a server listens there already" in second.stderr
    assert second.returncode == 1


@pytest.fixture(scope="module")
def grid(server, tmp_path_factory):
    """Apache that looks for authorities and VOMS servers in a folder of the test's, and that folder."""
    if os.geteuid() or subprocess.run(fronts.seeing(tmp_path_factory.mktemp("etc"), ["true"]), check=False).returncode:
        pytest.skip("not tested: GridSite looks below /etc/grid-security, and nothing can be put there for it alone")
    with fronts.running("apache", delegates=True) as front:
        folder = front.folder / "etc" / "grid-security"
        shutil.copytree(front.authority.hashed(), folder / "certificates")
        (folder / "vomsdir" / "tests").mkdir(parents=True)
        (folder / "vomsdir" / "tests" / "voms.lsc").write_text("/CN=voms\n/CN=tests\n")
        front.start(server.port, SECRET, folder.parent)
        yield front, folder


def test_verified_attributes_of_voms_mean_a_role(grid):
    front, folder = grid
    bob, voms = (front.authority.issue(name, delegates=True) for name in ("bob", "voms"))
    proxy = front.attributes(
        bob, voms, folder / "certificates", "/tests/Role=admin/Capability=NULL", "/tests/Role=NULL"
    )
    assert ask(front, proxy) == (200, "/CN=bob")


def test_attributes_that_do_not_suffice_or_were_signed_by_somebody_else_mean_nothing(grid, tmp_path):
    front, folder = grid
    bob, voms = (front.authority.issue(name, delegates=True) for name in ("bob", "voms"))
    forged = Authority(tmp_path / "another", delegates=True).issue("voms", delegates=True)  # of the same name
    for issuer, fqan in ((voms, "/tests"), (forged, "/tests/Role=admin"), (bob, "/tests/Role=admin")):
        status, words = ask(front, front.attributes(bob, issuer, folder / "certificates", fqan))
        assert (status, "the certificate /CN=bob is not known here" in words) == (403, True), words
