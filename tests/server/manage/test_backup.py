"""``compass-server backup`` and ``restore``, as an administrator types them, on a server that takes jobs."""

from __future__ import annotations

import os
import threading
from contextlib import contextmanager
from dataclasses import replace

import pytest

from server.manage import dumps
from server.manage.archive import verify, write
from tests.server.manage.running import Peer, Server, command, free_port, init
from tests.services import mariadb, postgresql
from tests.services.containers import install

pytestmark = pytest.mark.one_python

#: Which programs each database wants.
CLIENTS = {"postgresql": "postgresql", "mariadb": "mariadb_client"}


@contextmanager
def databases(kind):
    """Answer what names an empty database to a server, by number."""
    if kind == "sqlite":
        yield lambda number: {}
        return
    with {"postgresql": postgresql, "mariadb": mariadb}[kind].running() as server:
        path = f"{install(CLIENTS[kind]) / 'bin'}{os.pathsep}{os.environ['PATH']}"

        def named(number):
            server.make_database(f"compass{number}")
            return {"COMPASS_SERVER_DATABASE": server.url(f"compass{number}"), "PATH": path}

        yield named


def run(home, *words, **more):
    done = command(home, *words, **more)
    assert done.returncode == 0, done.stderr
    return done.stdout


def peer(home, port, role):
    return Peer(port, (home / f"{role}.token").read_text().strip())


def submit(caller):
    files = [{"lfn": "out.root", "type": "output"}, {"lfn": "job.log.tgz", "type": "log"}]
    entry = {"computingSite": "LOCAL", "transformation": "true", "files": files}
    answer = caller.call("POST", "/api/v1/job/submit", {"jobs": [entry]})
    assert answer["success"], answer
    return answer["data"][0][0]


def back_up_while_jobs_come(home, archive, more):
    """Back a server up while somebody submits; answer the jobs that were there before, and what the program said."""
    port = free_port()
    server = Server(home, port, workers=1, **more)
    try:
        caller, over, came = peer(home, port, "production"), threading.Event(), []
        first = [submit(caller) for _ in range(3)]

        def go_on():
            own = peer(home, port, "production")
            while not over.is_set():
                came.append(submit(own))

        busy = threading.Thread(target=go_on)
        busy.start()
        try:
            said = run(home, "backup", str(archive), **more)
        finally:
            over.set()
            busy.join()
        assert came  # jobs were taken meanwhile
        return first, said
    finally:
        server.end()


def a_life(home, more, first):
    """Have a restored server finish the oldest job, and take another one."""
    port = free_port()
    server = Server(home, port, workers=1, **more)
    try:
        pilot, named = peer(home, port, "pilot"), {"site_name": "LOCAL", "node": "wn1"}
        (job,) = pilot.call("POST", "/api/v1/pilot/acquire_jobs", named)["data"]["jobs"]
        assert job["PandaID"] == first[0]
        files = {name: {"fsize": 1, "adler32": "0000000a"} for name in job["outFiles"].split(",")}
        plain = {"job_id": job["PandaID"], "attempt_nr": job["attemptNr"]}
        for report in ({"job_status": "running"}, {"job_status": "finished", "job_output_report": files}):
            assert pilot.call("POST", "/api/v1/pilot/update_job", {**plain, **report})["success"]
        assert submit(peer(home, port, "production")) > first[-1]
    finally:
        server.end()


@pytest.mark.campaign
@pytest.mark.parametrize("kind", ["sqlite", "postgresql", "mariadb"])
def test_a_server_that_takes_jobs_is_backed_up_and_its_jobs_live_on_elsewhere(tmp_path, kind):
    with databases(kind) as named:
        old, new, archive = tmp_path / "old", tmp_path / "new", tmp_path / "a.tar.gz"
        more = named(1)
        done = init(old, "--local-queue", "LOCAL", "--storage", str(tmp_path / "storage"), **more)
        assert done.returncode == 0, done.stderr
        (old / "cache").mkdir(mode=0o700, exist_ok=True)
        (old / "cache/sources.tar.gz").write_bytes(b"of a user")
        first, said = back_up_while_jobs_come(old, archive, more)
        assert "verified" in said
        assert archive.stat().st_mode & 0o777 == 0o600

        more = named(2)
        run(new, "restore", str(archive), **more)
        for name in ("secret_key", "credential_keys", "pilot.token", "cache/sources.tar.gz"):
            assert (new / name).read_bytes() == (old / name).read_bytes()
            assert (new / name).stat().st_mode & 0o077 == 0
        again = command(new, "restore", str(archive), **more)
        assert again.returncode
        assert "nothing was changed: the database has tables already" in again.stderr
        a_life(new, more, first)
        # In the place of what it has become: the job waits again.
        run(new, "restore", str(archive), "--replace", **more)
        a_life(new, more, first)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    home = tmp_path_factory.mktemp("small") / "home"
    assert init(home).returncode == 0
    run(home, "backup", str(home.parent / "plain.tar.gz"), "--without-secrets")
    return home


def test_secrets_are_left_out_when_asked_and_the_words_say_so(small, tmp_path):
    archive = small.parent / "plain.tar.gz"
    assert sorted(verify(archive).files) == ["database", "settings.json"]
    assert "put credential_keys and secret_key into" in run(tmp_path / "new", "restore", str(archive))


def test_an_archive_of_another_kind_of_database_or_a_newer_program_changes_nothing(small, tmp_path):
    manifest = verify(small.parent / "plain.tar.gz", tmp_path / "files")
    files = {name: tmp_path / "files" / name for name in manifest.files}
    for change, words in (
        ({"database": "postgresql"}, "its database is postgresql, and this server's is sqlite"),
        ({"migrations": [*manifest.migrations, "zebra.0001_stripes"]}, "zebra.0001_stripes"),
    ):
        other = tmp_path / f"{next(iter(change))}.tar.gz"
        write(other, replace(manifest, **change), files)
        done = command(tmp_path / "new", "restore", str(other))
        assert done.returncode
        assert "nothing was changed" in done.stderr
        assert words in done.stderr
        assert not (tmp_path / "new").exists()


def test_a_program_that_is_missing_is_named_with_its_package(small, monkeypatch):
    monkeypatch.setenv("PATH", "/nowhere")
    monkeypatch.setattr(dumps.connection, "vendor", "postgresql")
    with pytest.raises(dumps.DumpFailed, match="pg_dump is not on the PATH; it is in the package postgresql-client"):
        dumps.program("pg_dump")
