"""What `compass-server check` says of what the server stands on."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from django.db import connection

from server.manage import surroundings
from tests.kits.tables import put_tables
from tests.server.manage.prepared import Prepared
from tests.services.authority import Authority


def told(findings):
    return [each.id for each in findings]


@pytest.fixture
def home(tmp_path):
    folder = tmp_path / "home"
    folder.mkdir(mode=0o700)
    return folder


def test_a_good_home_is_well(home, monkeypatch):
    monkeypatch.setattr(surroundings, "LEAST_FREE", 0)
    key = home / "secret_key"
    key.touch(0o600)
    assert told(surroundings._home(home)) == []


@pytest.mark.parametrize(
    ("spoil", "number"),
    [
        (lambda home: home.rmdir(), "compass.E010"),
        (lambda home: home.chmod(0o750), "compass.W010"),
        (lambda home: (home / "secret_key").touch(0o604), "compass.W011"),
    ],
)
def test_what_is_wrong_with_a_home_is_told(home, monkeypatch, spoil, number):
    monkeypatch.setattr(surroundings, "LEAST_FREE", 0)
    spoil(home)
    (found,) = surroundings._home(home)
    assert (found.id, bool(found.hint)) == (number, True)


def test_a_full_disk_is_told_with_what_is_free(home, monkeypatch):
    monkeypatch.setattr(surroundings, "LEAST_FREE", 10**18)
    (found,) = surroundings._home(home)
    assert found.id == "compass.W012"
    assert "GB free; at least 1000000000 GB" in found.msg


def test_sqlite_on_a_disk_of_another_machine_is_refused(home, monkeypatch):
    monkeypatch.setattr(surroundings, "LEAST_FREE", 0)
    monkeypatch.setattr(surroundings, "connection", SimpleNamespace(vendor="sqlite"))
    mounts = [
        SimpleNamespace(mountpoint="/", fstype="ext4"),
        SimpleNamespace(mountpoint=str(home.parent), fstype="nfs4"),
    ]
    monkeypatch.setattr(surroundings.psutil, "disk_partitions", lambda **_: mounts)
    (found,) = surroundings._home(home)
    assert (found.id, "on nfs4" in found.msg) == ("compass.E011", True)


@pytest.fixture
def migrated(db):
    """A database that was made by the migrations; on other databases it is made by the models, which is faster."""
    if "django_migrations" not in connection.introspection.table_names():
        pytest.skip("not tested on this database: it was made without migrations")


def test_a_database_as_old_as_the_program_is_well(migrated):
    assert told(surroundings._database()) == []


def test_a_database_that_may_forget_and_one_whose_clock_is_off_are_told(monkeypatch):
    answers = {"SHOW fsync": "off", "SHOW synchronous_commit": "on", "SHOW full_page_writes": "on"}
    answers["SELECT clock_timestamp()"] = surroundings.datetime(2020, 1, 1, tzinfo=surroundings.UTC)
    monkeypatch.setattr(surroundings, "connection", SimpleNamespace(vendor="postgresql"))
    monkeypatch.setattr(surroundings, "_ask", answers.__getitem__)
    (found,) = surroundings._durability()
    assert (found.id, found.hint) == ("compass.W013", "Set fsync to on.")
    assert told(surroundings._skew()) == ["compass.W014"]


def test_a_clock_that_nothing_keeps_is_told():
    assert told(surroundings._clock(lambda: False)) == ["compass.W015"]
    assert told(surroundings._clock(lambda: True)) == []
    assert surroundings.clock_is_kept() in (True, False)


def test_a_broker_that_is_away_is_told_without_its_password(home):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        (found,) = surroundings._broker(f"amqp://me:pass-word@127.0.0.1:{nobody.getsockname()[1]}/")
    assert found.id == "compass.E015"
    assert "pass-word" not in f"{found.msg} {found.hint}"
    assert told(surroundings._broker(f"filesystem://{home}")) == []
    assert told(surroundings._broker("")) == []


@contextmanager
def listening(context):
    """A server that shakes hands and hangs up."""

    def serve():
        while True:
            try:
                wire, _ = door.accept()
            except OSError:
                return
            try:
                context.wrap_socket(wire, server_side=True).close()
            except OSError:
                wire.close()

    with socket.create_server(("127.0.0.1", 0)) as door:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join(30)


def test_a_certificate_that_ends_soon_or_is_not_believed_is_told(settings, tmp_path, monkeypatch):
    authority = Authority(tmp_path / "ca")
    context = surroundings.ssl.SSLContext(surroundings.ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("localhost"))  # good for a day
    with listening(context) as port:
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, url=f"https://127.0.0.1:{port}")
        assert told(surroundings._address()) == ["compass.W016"]  # nobody here knows its authority
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
        assert told(surroundings._address()) == ["compass.W018"]
        monkeypatch.setattr(surroundings, "SOON", surroundings.timedelta(0))
        assert told(surroundings._address()) == []


def test_an_address_where_nobody_answers_is_told(settings):
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, url=f"https://127.0.0.1:{nobody.getsockname()[1]}")
        assert told(surroundings._address()) == ["compass.W017"]
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, url="http://127.0.0.1:1")
    assert told(surroundings._address()) == []


@pytest.mark.one_python
def test_check_tells_what_is_missing_and_init_mends_it(tmp_path):
    home = tmp_path / "home"
    run = Prepared(home)
    before = run("check")
    assert before.returncode == 1
    assert "compass.E010" in before.stderr
    assert not home.exists()
    put_tables(home)
    assert run("init").returncode == 0
    after = run("check")
    assert after.returncode == 0, after.stderr
    assert "compass.E" not in after.stderr
    assert run.end() == 0
