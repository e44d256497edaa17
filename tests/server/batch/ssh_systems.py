"""A real login node for tests: an OpenSSH server of their own, and batch systems behind it."""

from __future__ import annotations

import sys
import time
from contextlib import suppress

import psutil

from server.batch.base import BatchState
from server.batch.place import Place
from server.batch.ssh import SshBatch
from tests.kits.batch import BatchSystemKit, script

#: What each login node's Python of ours is started with.
OURS = 'exec(r["program"],n)'


def options(sshd, folder, kind="local", there=None, **more):
    """Answer the options of a system behind a server of the tests."""
    return {
        "host": "127.0.0.1",
        "port": sshd.port,
        "identity_file": str(sshd.identity),
        "known_hosts": str(sshd.known_hosts),
        "folder": str(folder / "there"),
        "python": sys.executable,
        "kind": kind,
        "options": {"slots": 4} if there is None else there,
        **more,
    }


def open_ssh(sshd, folder, **more):
    """Open a system behind a server of the tests; its files are in two folders below one."""
    return SshBatch.open(Place("login", folder / "here", options(sshd, folder, **more)))


def agents(sshd):
    """Answer the processes of ours that run on the login node."""
    return {each for each in sshd.sessions() if _words(each)[1:3] == ["-I", "-c"] and OURS in _words(each)[3]}


def _words(process):
    with suppress(psutil.Error):  # it has ended
        return process.cmdline()
    return []


def until(met, words):
    """Wait until something is so, which nobody tells."""
    for _ in range(600):
        if met():
            return
        time.sleep(0.05)
    raise AssertionError(words)


class SshKit(BatchSystemKit):
    """What each system promises; here files of jobs are on another machine, and brought when these have ended."""

    def wait_for(self, system, ids, state):
        found = super().wait_for(system, ids, state)
        if state is BatchState.DONE:
            system.collect(ids)
        return found

    def test_each_of_several_jobs_runs_once_and_knows_its_id_and_directory(self, system):
        told = script("import os; print(os.environ['COMPASS_BATCH_ID'], os.environ['COMPASS_BATCH_DIRECTORY'])")
        ids = self.submit(system, "several", told, count=3)
        self.wait_for(system, ids, BatchState.DONE)
        said = [(system.directory(job) / "stdout").read_text().split() for job in ids]
        assert [job for job, _ in said] == list(ids)
        assert len({directory for _, directory in said}) == 3
        assert all("/there/login/system/" in directory for _, directory in said)
