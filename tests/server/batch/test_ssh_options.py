"""What an admin says of a login node: what is refused before anybody is asked, and the words for ssh."""

from __future__ import annotations

import itertools
import shlex
from pathlib import Path

import pytest

from server.batch.base import BatchMisconfigured
from server.batch.local import LocalBatch
from server.batch.place import Place
from server.batch.slurm import SlurmBatch, SlurmJobOptions
from server.batch.ssh import SshBatch
from server.batch.ssh_options import SshOptions, command
from server.factory.systems import Described, check_job_options

LEAST = {"host": "login.example.org", "kind": "slurm"}


def opened(**said):
    return SshBatch.open(Place("login", Path("/nowhere"), {**LEAST, **said}))


def test_a_host_and_a_kind_are_enough():
    assert isinstance(opened(), SshBatch)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"host": ""}, "options.host: '': give the name"),
        ({"host": "-oProxyCommand=x"}, "options.host"),
        ({"host": "a b"}, "options.host"),
        ({"user": "-l"}, "options.user"),
        ({"port": 0}, "options.port: 0: give a number from 1"),
        ({"identity_file": "id"}, "options.identity_file: 'id': give an absolute path"),
        ({"identity_file": "/a/%d"}, "options.identity_file"),
        ({"known_hosts": "/a /b"}, "options.known_hosts"),
        ({"config": "none"}, "options.config"),
        ({"folder": ""}, "options.folder"),
        ({"folder": "../x"}, "without '..'"),
        ({"python": ""}, "options.python"),
        ({"python": "py\nthon"}, "options.python"),
        ({"connect": 0.0}, "options.connect: 0.0: give seconds from 1"),
        ({"idle": 1e9}, "options.idle"),
        ({"ssh_options": {"ProxyCommand": "x"}}, "options.ssh_options.ProxyCommand: no option that may be added"),
        ({"ssh_options": {"StrictHostKeyChecking": "no"}}, "StrictHostKeyChecking: no option that may be added"),
        ({"ssh_options": {"Compression": "yes no"}}, "'yes no': give one word"),
        ({"ssh_options": {"Compression": True}}, "True: give one word"),
        ({"kind": ""}, "there is no kind of batch system ''"),
        ({"kind": "ssh", "options": LEAST}, "'ssh' is no kind for a login node"),
        ({"options": {"conf": "x"}}, r"options\.conf: 'x': give an absolute path"),
        ({"options": {"no_such": 1}}, "no_such"),
        ({"kind": "local"}, "options.options.slots: say how many"),
        ({"password": "x"}, "password"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(said, words):
    with pytest.raises(BatchMisconfigured, match=words):
        opened(**said)


def test_the_name_of_a_system_is_the_name_of_a_folder():
    with pytest.raises(BatchMisconfigured, match="'a/b': give letters"):
        SshBatch.open(Place("a/b", Path("/nowhere"), LEAST))


@pytest.mark.parametrize("kind", ["htcondor", "psij"])
def test_what_is_on_the_login_node_alone_is_not_looked_for_here(kind, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    there = {"executor": "pbs", "psij_python": "/there/python"} if kind == "psij" else {}
    assert isinstance(opened(kind=kind, options=there), SshBatch)


def test_a_kind_of_somebody_elses_is_not_sent(monkeypatch):
    monkeypatch.setattr(LocalBatch, "__module__", "somebody")
    with pytest.raises(BatchMisconfigured, match="'local' is no kind for a login node"):
        opened(kind="local", options={"slots": 1})


def test_a_queues_options_are_those_of_the_system_behind_the_login_node():
    assert SshBatch.behind(LEAST) is SlurmBatch
    assert SshBatch.behind(LEAST).job_options is SlurmJobOptions
    assert SlurmBatch.behind({}) is SlurmBatch


def test_the_words_for_ssh_trust_nobody_and_ask_nobody():
    said = SshOptions(
        "login.example.org", "pilot", 2222, "/keys/id", "/keys/known", "/keys/config", {"Compression": "yes"}
    )
    words = command(said)
    assert words[:4] == ["ssh", "-T", "-F", "/keys/config"]
    assert words[-7:-1] == ["-l", "pilot", "-p", "2222", "--", "login.example.org"]
    options = dict(word.split("=", 1) for before, word in itertools.pairwise(words) if before == "-o")
    expected = {
        "StrictHostKeyChecking": "yes",
        "BatchMode": "yes",
        "PasswordAuthentication": "no",
        "UserKnownHostsFile": "/keys/known",
        "GlobalKnownHostsFile": "none",
        "IdentityFile": "/keys/id",
        "IdentitiesOnly": "yes",
        "ConnectTimeout": "30",
        "ServerAliveInterval": "20",
        "Compression": "yes",
    }
    assert options | expected == options


def test_what_was_left_out_is_left_to_the_account_but_not_its_settings():
    words = command(SshOptions("login.example.org"))
    assert words[:4] == ["ssh", "-T", "-F", "none"]
    assert not [word for word in words if word.startswith(("IdentityFile", "UserKnownHostsFile"))]


def test_a_python_with_a_nasty_name_is_one_word_for_the_shell():
    name = "py'thon $(touch hurt); \"x"
    (*_, there) = command(SshOptions("login.example.org", python=name))
    assert shlex.split(there)[:3] == [name, "-I", "-c"]
    assert "\n" not in there


def test_a_queue_may_ask_what_the_system_behind_the_login_node_has_and_nothing_else():
    described = Described("login", "ssh", LEAST)
    check_job_options(described, {"partition": "long"})
    with pytest.raises(BatchMisconfigured, match="partitin"):
        check_job_options(described, {"partitin": "long"})
