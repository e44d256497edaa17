"""The local batch system of a login node, over OpenSSH's real server; and what can go wrong on the way."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import subprocess
import sys
import threading
from contextlib import contextmanager, suppress
from dataclasses import replace

import pytest

from server.batch.base import BatchFailed, BatchState, Template
from tests.kits.batch import ENVIRONMENT, Patient, alive, script, waiting
from tests.pythons import python39
from tests.server.batch.ssh_systems import SshKit, agents, open_ssh, options, until
from tests.services import sshd as service

pytestmark = pytest.mark.one_python

ONE = Template("one", script("print('ran')"), ENVIRONMENT)
#: Submits in a process of its own, which can be killed.
SUBMIT = """
import json, sys
from pathlib import Path
from server.batch.base import Template
from server.batch.place import Place
from server.batch.ssh import SshBatch
folder, said, ready, gate = sys.argv[1:]
system = SshBatch.open(Place("login", Path(folder), json.loads(said)))
from tests.kits.batch import script, waiting
system.submit(Template("outlives", script(waiting(Path(ready), Path(gate), 5)), {"PATH": "/usr/bin:/bin"}), 1)
print("submitted", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def sshd():
    """A real OpenSSH server."""
    with service.running() as server:
        yield server


@pytest.fixture(scope="module")
def login(sshd, tmp_path_factory):
    """A system whose connections are used by one test after the other."""
    return open_ssh(sshd, tmp_path_factory.mktemp("login"))


class TestSshBatch(SshKit):
    @pytest.fixture
    def system(self, login):
        return login

    @pytest.fixture(autouse=True)
    def _server(self, sshd):
        self.sshd = sshd

    def restart(self, system):
        self.sshd.stop()
        self.sshd.start()


@pytest.fixture
def system(sshd, tmp_path):
    return open_ssh(sshd, tmp_path)


def done(system, ids):
    until(lambda: not alive(system.status(ids)), "the jobs do not end")
    return system.status(ids)


def test_a_connection_is_kept_for_the_next_question_and_made_anew_when_it_was_lost(sshd, system):
    others = agents(sshd)
    ids = system.submit(ONE, 1)
    before = sshd.connections
    assert system.find("one") == {0: ids[0]}
    assert sshd.connections == before
    (agent,) = agents(sshd) - others
    agent.kill()
    agent.wait(30)
    with suppress(BatchFailed):  # it may have been asked before its end was seen
        system.status(ids)
    assert system.find("one") == {0: ids[0]}
    assert sshd.connections > before


def test_what_a_job_was_given_and_wrote_is_for_its_account_alone_and_sent_once(system, tmp_path):
    secret = tmp_path / "pass"
    secret.write_text("abc")
    secret.chmod(0o644)
    (tmp_path / "run.sh").write_text("#!/bin/sh\ncat pass\n")
    (tmp_path / "run.sh").chmod(0o755)
    files = {"pass": secret, "run.sh": tmp_path / "run.sh"}
    ids = [
        *system.submit(Template("a", ("./run.sh",), ENVIRONMENT, files=files), 1),
        *system.submit(Template("b", ("./run.sh",), ENVIRONMENT, files=files), 1),
    ]
    done(system, ids)
    assert system.collect(ids) == 2
    assert system.collect(ids) == 0
    assert [(system.directory(job) / "stdout").read_text() for job in ids] == ["abc", "abc"]
    there = tmp_path / "there" / "login"
    modes = sorted(oct(each.stat().st_mode & 0o777) for each in (there / "files").iterdir())
    assert modes == ["0o600", "0o700"]
    assert there.stat().st_mode & 0o077 == 0


def test_what_a_job_writes_is_for_whom_the_account_wants(login):
    ids = login.submit(Template("umask", script("import os; print(os.umask(0))"), ENVIRONMENT), 1)
    done(login, ids)
    login.collect(ids)
    own = os.umask(0)
    os.umask(own)
    assert (login.directory(ids[0]) / "stdout").read_text() == f"{own}\n"


def test_a_file_of_several_pieces_arrives_whole(system, tmp_path):
    whole = os.urandom(2**20 + 2**19)
    (tmp_path / "bundle").write_bytes(whole)
    system.submit(Template("a", ("true",), ENVIRONMENT, files={"bundle": tmp_path / "bundle"}), 1)
    (there,) = (tmp_path / "there" / "login" / "files").iterdir()
    assert there.read_bytes() == whole


def test_files_that_are_forgotten_are_gone_on_both_sides(system, tmp_path):
    ids = system.submit(ONE, 1)
    done(system, ids)
    system.collect(ids)
    system.forget(ids)
    assert not system.directory(ids[0]).exists()
    assert not (tmp_path / "there" / "login" / "system" / "one").exists()


def test_logs_of_what_still_runs_are_not_brought(login, tmp_path):
    ready, gate = tmp_path / "ready", tmp_path / "gate"
    ids = login.submit(Template("runs", script(waiting(ready, gate, 0)), ENVIRONMENT), 1)
    until(ready.exists, "it does not run")
    assert login.collect(ids) == 0
    gate.touch()
    done(login, ids)
    assert login.collect(ids) == 1


def test_nothing_is_concluded_from_a_login_node_that_hangs_and_the_next_question_is_answered(sshd, tmp_path):
    ids = open_ssh(sshd, tmp_path).submit(ONE, 1)
    system = open_ssh(sshd, tmp_path, connect=1, patience=1)
    Patient(system).status(ids)  # it has a connection now
    with sshd.frozen():
        with pytest.raises(BatchFailed, match="no answer within 1 s"):
            system.status(ids)
        with pytest.raises(BatchFailed, match=r"127\.0\.0\.1: ssh has no connection: .*timed out"):
            system.status(ids)
    assert Patient(system).find("one") == {0: ids[0]}


@contextmanager
def held(tmp_path):
    """Keep the batch system of the login node from starting jobs that it has taken."""
    lock = tmp_path / "there" / "login" / "system" / "lock"
    for folder in reversed(lock.parents[:3]):
        folder.mkdir(mode=0o700)
    with lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield lock.parent / "open"


class Submitting(threading.Thread):
    """Submits; keeps what was answered, or raised."""

    def __init__(self, system, template, count):
        super().__init__()
        self._asked = system, template, count
        self.ids, self.failure = (), None

    def run(self):
        system, template, count = self._asked
        try:
            self.ids = system.submit(template, count)
        except BatchFailed as failed:
            self.failure = failed


def test_what_was_submitted_before_the_answer_was_lost_is_found_by_its_key_and_runs_once(sshd, tmp_path):
    system = open_ssh(sshd, tmp_path)
    with held(tmp_path) as marks:
        submitting = Submitting(system, ONE, 2)
        submitting.start()
        until(lambda: marks.exists() and len([*marks.iterdir()]) == 2, "the jobs do not arrive")
        sshd.stop()
        submitting.join(30)
    sshd.start()
    assert submitting.failure is not None
    found = system.find("one")
    assert found == {0: "one/0", 1: "one/1"}
    with pytest.raises(BatchFailed, match="one"):
        system.submit(ONE, 2)
    done(system, found.values())
    assert system.collect(found.values()) == 2
    assert [(system.directory(job) / "stdout").read_text() for job in found.values()] == ["ran\n", "ran\n"]


def test_a_key_is_not_looked_for_while_it_is_still_being_submitted(sshd, tmp_path):
    system = open_ssh(sshd, tmp_path)
    with held(tmp_path) as marks:
        submitting = Submitting(system, ONE, 1)
        submitting.start()
        until(lambda: marks.exists() and [*marks.iterdir()], "the job does not arrive")
        with pytest.raises(BatchFailed, match="ask again"):
            system.find("one")
    submitting.join(30)
    assert system.find("one") == dict(enumerate(submitting.ids))
    done(system, submitting.ids)


def test_a_submission_that_comes_after_it_was_looked_for_in_vain_never_starts(login):
    assert login.find("late") == {}
    with pytest.raises(BatchFailed, match="given up before it arrived"):
        login.submit(replace(ONE, key="late"), 1)
    assert login.find("late") == {}


def test_a_server_that_is_killed_leaves_nothing_there_but_its_jobs_and_the_next_one_adopts_them(sshd, tmp_path):
    ready, gate = tmp_path / "ready", tmp_path / "gate"
    others = agents(sshd)
    words = [str(tmp_path / "here"), json.dumps(options(sshd, tmp_path)), str(ready), str(gate)]
    argv = [sys.executable, "-c", SUBMIT, *words]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as server:
        assert server.stdout.readline() == b"submitted\n"
        (agent,) = agents(sshd) - others
        server.kill()
    agent.wait(30)
    until(ready.exists, "the job does not run")
    system = open_ssh(sshd, tmp_path)
    assert system.status(["outlives/0"])["outlives/0"].state is BatchState.RUNNING
    gate.touch()
    assert done(system, ["outlives/0"])["outlives/0"].exit_status == 5


def test_a_connection_that_nobody_uses_ends(sshd, tmp_path):
    others = agents(sshd)
    system = open_ssh(sshd, tmp_path, idle=1)
    system.find("nothing")
    until(lambda: not agents(sshd) - others, "it stays")
    assert system.find("nothing") == {}


def test_a_host_whose_key_has_changed_is_refused_and_stays_so(sshd, tmp_path):
    known = tmp_path / "known_hosts"
    known.write_text(f"[127.0.0.1]:{sshd.port} {sshd.identity.with_suffix('.pub').read_text()}")
    before = known.read_bytes()
    system = open_ssh(sshd, tmp_path, known_hosts=str(known))
    with pytest.raises(BatchFailed, match="its host key is not the one in known_hosts: ask the site"):
        system.find("one")
    assert known.read_bytes() == before


def test_a_host_that_nobody_knows_is_never_taken_as_known(sshd, tmp_path):
    known = tmp_path / "known_hosts"
    known.touch()
    with pytest.raises(BatchFailed, match="its host key is not in known_hosts"):
        open_ssh(sshd, tmp_path, known_hosts=str(known)).find("one")
    assert known.read_bytes() == b""


def test_a_key_that_is_refused_is_told_with_the_remedy(sshd, tmp_path):
    other = sshd.folder / "host_key"
    with pytest.raises(BatchFailed, match="does not let us in with this key .* identity_file .*Permission denied"):
        open_ssh(sshd, tmp_path, identity_file=str(other)).find("one")


def test_a_login_node_without_that_python_is_told_with_the_remedy(sshd, tmp_path):
    with pytest.raises(BatchFailed, match=r"no such Python there; name one by options.python \(.*/none: not found"):
        open_ssh(sshd, tmp_path, python="/none").find("one")


def test_a_server_without_ssh_says_so(sshd, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BatchFailed, match="ssh cannot be started: No such file"):
        open_ssh(sshd, tmp_path).find("one")


def test_what_a_shell_greets_with_is_no_answer(sshd, tmp_path):
    python = sshd.folder / "programs" / "chatty"
    python.write_text(f'#!/bin/sh\necho Welcome; echo "{{}}"\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    assert open_ssh(sshd, tmp_path, python="chatty").find("one") == {}


def test_a_shell_that_never_ends_to_greet_is_given_up(sshd, tmp_path):
    python = sshd.folder / "programs" / "endless"
    python.write_text("#!/bin/sh\nexec yes\n")
    python.chmod(0o755)
    with pytest.raises(BatchFailed, match="its shell writes so much that nothing of ours is heard"):
        open_ssh(sshd, tmp_path, python="endless").find("one")


def test_a_folder_in_which_others_may_write_is_refused(sshd, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "there").chmod(0o777)
    with pytest.raises(BatchFailed, match="there: others may write there"):
        open_ssh(sshd, tmp_path).find("one")


@pytest.mark.parametrize("size", ["64k", "3m"])  # too little for our modules, and for a bundle
def test_a_disk_without_room_is_told_in_words_and_nothing_half_is_left(sshd, tmp_path, size):
    there, seen = tmp_path / "there", tmp_path / "seen"
    there.mkdir(mode=0o700)
    look = f'find "$0" -size +100k -type f >{seen}.part; mv {seen}.part {seen}'
    mount = f'mount -t tmpfs -o size={size},mode=700 none "$0" && "$@"; {look}'
    small = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", mount, str(there)]
    if subprocess.run([*small, "true"], capture_output=True).returncode:
        pytest.skip("not tested: a full disk, because this machine lets nobody mount anything")
    seen.unlink()
    python = sshd.folder / "programs" / f"small-{size}"
    python.write_text(f'#!/bin/sh\nexec {shlex.join([*small, sys.executable])} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "bundle").write_bytes(os.urandom(2**22))
    system = open_ssh(sshd, tmp_path, python=python.name)
    with pytest.raises(BatchFailed, match="No space left on device"):
        system.submit(Template("full", ("true",), ENVIRONMENT, files={"bundle": tmp_path / "bundle"}), 1)
    until(seen.exists, "it does not end there")
    assert seen.read_text() == ""


@pytest.mark.skipif(python39() is None, reason="no Python 3.9 here")
def test_a_login_node_needs_no_more_than_python_39(sshd, tmp_path):
    system = open_ssh(sshd, tmp_path, python=python39())
    ids = system.submit(ONE, 1)
    assert done(system, ids)[ids[0]].exit_status == 0
    bundle = next((tmp_path / "there" / "login" / "modules").iterdir())
    program = (
        f"import sys; sys.path.insert(0, {str(bundle)!r})\n"
        "from server.batch import ssh_starter; ssh_starter._complete()\n"
        "import server.batch.slurm, server.batch.htcondor, server.batch.htcondor_apart, server.batch.psij"
    )
    subprocess.run([python39(), "-I", "-S", "-c", program], check=True)
