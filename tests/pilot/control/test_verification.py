"""What is looked at before anything is done for a job, with real keys, real folders and real settings."""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
import threading
from pathlib import Path

import pytest

from pilot.contract import signature
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Program, Role
from pilot.contract.queue import QueueData
from pilot.control import verification
from pilot.control.ledger import Amount
from pilot.control.lifecycle import Effect
from pilot.control.requirements import Room
from pilot.control.verification import (
    Addresses,
    Place,
    Verification,
    elsewhere_on,
    level_of,
    room_of,
    shared,
    spare,
    verify_signature,
)
from pilot.errors import ConfigError, JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import Problem
from pilot.runtime.container.containers import Containers
from pilot.settings import Settings, Verify
from pilot.settings.sections import Container, Job, Monitor
from pilot.site.node import Node

QUEUE = QueueData("Q")
SPEC = JobSpec(id=7, attempt=2, transformation="/bin/true", arguments=("-n", "1"))


def refusal(check, *arguments):
    with pytest.raises(JobFailed) as caught:
        check(*arguments)
    return caught.value


def test_a_job_with_nothing_special_is_let_in(bench, tmp_path):
    bench.doors().verification.check(SPEC, QUEUE, tmp_path)


def test_an_attempt_is_begun_once(bench, tmp_path):
    check = bench.doors().verification.check
    check(SPEC, QUEUE, tmp_path)
    check(dataclasses.replace(SPEC, attempt=3), QUEUE, tmp_path)
    refused = refusal(check, SPEC, QUEUE, tmp_path)
    assert refused.code is ErrorCode.JOB_ALREADY_RUNNING
    assert "attemptNr: 2 of job 7" in refused.detail


@pytest.mark.parametrize(("server", "said"), [("http://a:1", True), ("http://b:1", False)])
def test_an_attempt_that_another_pilot_of_the_disk_has_is_not_begun(tmp_path, server, said):
    journal = tmp_path / "compass-pilot-1-x" / "journal"
    journal.mkdir(parents=True)
    (journal / "7-2.json").write_text(json.dumps({"server": server}))
    (journal / "7-3.json").write_text("garbage")
    ask = elsewhere_on(tmp_path, tmp_path / "own", "http://a:1")
    assert bool(ask((7, 2))) is said
    assert not ask((7, 3))
    assert not ask((7, 1))
    assert not elsewhere_on(tmp_path, journal.parent, server)((7, 2))


def test_what_others_may_have_put_on_a_shared_disk_keeps_no_job_from_being_run(tmp_path):
    for name, mode in (("open", 0o777), ("piped", 0o700)):
        folder = tmp_path / name
        (folder / "journal").mkdir(parents=True)
        folder.chmod(mode)
    (tmp_path / "open" / "journal" / "7-2.json").write_text(json.dumps({"server": "http://a:1"}))
    os.mkfifo(tmp_path / "piped" / "journal" / "7-2.json")
    assert not elsewhere_on(tmp_path, tmp_path / "own", "http://a:1")((7, 2))


@pytest.mark.parametrize(
    ("fields", "queue", "code"),
    [
        ({"transformation": " "}, {}, ErrorCode.BAD_JOB_DEFINITION),
        ({"transformation": "http://a.example/run.sh"}, {}, ErrorCode.TRF_DOWNLOAD_FAILURE),
        ({"preprocess": Program("http://a.example/run.sh")}, {}, ErrorCode.TRF_DOWNLOAD_FAILURE),
        ({"memory": 2**60}, {}, ErrorCode.NODE_TOO_SMALL),
        ({"cores": 1000}, {}, ErrorCode.NODE_TOO_SMALL),
        ({"disk": 2**60}, {}, ErrorCode.NO_LOCAL_SPACE),
        ({}, {"appdir": "/nowhere/sw"}, ErrorCode.NO_SOFTWARE_DIR),
        ({}, {"appdir": "/cvmfs/nowhere.example/sw"}, ErrorCode.CVMFS_NOT_ALIVE),
        ({"container": "/nowhere.sif"}, {}, ErrorCode.QUEUE_WITHOUT_CONTAINERS),
        ({}, {"params": {"verify_signatures": "always"}}, ErrorCode.PAYLOAD_UNSIGNED),
    ],
)
def test_each_objection_has_its_code(bench, tmp_path, fields, queue, code):
    check = bench.doors().verification.check
    assert (
        refusal(check, dataclasses.replace(SPEC, **fields), dataclasses.replace(QUEUE, **queue), tmp_path).code is code
    )


def test_a_plugin_may_object_with_a_code_of_its_own(bench, tmp_path):
    class Objecting:
        @hookimpl
        def verify_job(self, spec):
            return Problem(ErrorCode.NO_SOFTWARE_DIR, "release v9 is not here")

    bench.plugins.register(Objecting())
    refused = refusal(bench.doors().verification.check, SPEC, QUEUE, tmp_path)
    assert (refused.code, refused.detail) == (ErrorCode.NO_SOFTWARE_DIR, "release v9 is not here")


def test_nothing_is_fetched_for_a_job_that_is_refused(bench):
    """Defect 24: the peer goes on with a job that it has refused."""
    given = FileSpec("in.txt", Role.INPUT, dataset="ds", size=5)
    (bench.storage / "ds").mkdir()
    (bench.storage / "ds" / "in.txt").write_text("hello")
    spec = bench.spec(inputs=(given,), memory=2**60)
    with pytest.raises(JobFailed):
        bench.data().stage_in(bench.work(Effect.STAGE_IN, spec))
    assert not list(bench.base.glob("*"))


ASKING = dataclasses.replace(SPEC, memory=1)
NODE = Node("host", "cpu", 1000.0, 8 * 2**30, 4)


def test_the_room_is_what_node_and_group_give_unless_the_admin_knows_better(tmp_path, monkeypatch):
    monkeypatch.setattr("pilot.control.verification.memory_limit", lambda: 2**30)
    assert room_of(Settings(), NODE)(ASKING, tmp_path)[:2] == (2**30, 4)
    assert room_of(Settings(), NODE)(SPEC, tmp_path).memory == NODE.memory  # nobody asks for any: not looked at
    assert room_of(Settings(job=Job(memory=2**31, cores=16)), NODE)(ASKING, tmp_path)[:2] == (2**31, 16)
    gathers = Settings(job=Job(workflow="hpc"))
    assert room_of(gathers, NODE)(ASKING, tmp_path)[:2] == (0, gathers.hpc.cores_per_node)  # of other nodes
    monkeypatch.setattr("pilot.control.verification.memory_limit", lambda: 0)
    assert room_of(Settings(), NODE)(ASKING, tmp_path).memory == NODE.memory
    assert room_of(Settings(), NODE)(ASKING, tmp_path).free_disk > 0


def test_one_job_has_the_whole_slot_and_several_share_what_there_is(monkeypatch, tmp_path):
    monkeypatch.setattr("pilot.control.verification.memory_limit", lambda: 2**30)
    assert shared(Settings(), NODE, tmp_path) == Amount()
    assert shared(Settings(job=Job(cores=3, memory=5)), NODE, tmp_path) == Amount(3, 5)
    several = shared(Settings(job=Job(at_once=6)), NODE, tmp_path)
    assert several[:2] == (6, 2**30)  # a core for each job at least
    assert several.disk > 0
    assert shared(Settings(job=Job(at_once=2, cores=3, memory=7)), NODE, tmp_path)[:2] == (3, 7)
    assert shared(Settings(job=Job(workflow="hpc", at_once=9)), NODE, tmp_path) == Amount()


def test_inputs_that_come_early_leave_what_a_job_needs_to_begin(tmp_path):
    assert spare(Settings(monitor=Monitor(free_disk_at_start=0)), tmp_path)() > 0
    assert spare(Settings(monitor=Monitor(free_disk_at_start=10**18)), tmp_path)() < 0
    assert spare(Settings(), tmp_path / "gone")() == -1


def test_transformations_come_from_the_server_itself_unless_the_settings_say_otherwise():
    server = "https://a.example:25443"
    assert Addresses(Settings(), server).fetching().allowed.bases == (f"{server}/trf/",)
    assert Addresses(Settings(), "file jobs.json").fetching().allowed.bases == ()
    chosen = Settings(verify=Verify(transformation_urls=("http://b.example/",)))
    assert Addresses(chosen, server).fetching().allowed.bases == ("http://b.example/",)
    with pytest.raises(ConfigError, match=r"verify\.transformation_urls: 'nonsense'"):
        Addresses(Settings(verify=Verify(transformation_urls=("nonsense",))), server).fetching()


def test_a_program_of_the_node_needs_nothing_that_fetches():
    assert Addresses(Settings(verify=Verify(transformation_urls=("nonsense",))), "").objection("/bin/true") is None


# Signatures


@pytest.mark.parametrize(
    ("setting", "queue", "level"),
    [
        ("never", {}, "never"),
        ("never", {"params": {"verify_signatures": "always"}}, "always"),
        ("never", {"catchall": "a,verify_signatures=when_signed b=c"}, "when_signed"),
        ("always", {"params": {"verify_signatures": "never"}}, "always"),
        ("never", {"params": {"verify_signatures": "always"}, "catchall": "verify_signatures=never"}, "always"),
    ],
)
def test_a_queue_may_ask_for_more_and_not_for_less(setting, queue, level):
    assert level_of(dataclasses.replace(QUEUE, **queue), Verify(signatures=setting)) == level


def test_a_queue_that_says_nonsense_is_named():
    queue = dataclasses.replace(QUEUE, params={"verify_signatures": "sometimes"})
    with pytest.raises(JobFailed, match="'sometimes' is not one of never, when_signed, always") as caught:
        level_of(queue, Verify())
    assert caught.value.code is ErrorCode.BAD_QUEUE_CONFIGURATION


@pytest.fixture
def signed(tmp_path):
    """A key pair, and a job that is signed with it."""
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    for words in (
        ("genpkey", "-algorithm", "ed25519", "-out", private),
        ("pkey", "-in", private, "-pubout", "-out", public),
    ):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    (tmp_path / "text").write_bytes(signature.signed_text(SPEC))
    words = ("pkeyutl", "-sign", "-inkey", private, "-rawin", "-in", tmp_path / "text")
    made = subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    return dataclasses.replace(SPEC, signature=signature.write(made.stdout)), str(public)


@pytest.mark.programs("openssl")
@pytest.mark.parametrize("level", ["when_signed", "always"])
def test_a_signed_job_is_let_in(signed, level):
    job, public = signed
    assert verify_signature(job, QUEUE, Verify(signatures=level, keys=(public,))) is None


@pytest.mark.programs("openssl")
@pytest.mark.parametrize(
    "change",
    [{"arguments": ("-n", "2")}, {"transformation": "/bin/false"}, {"id": 8}, {"signature": "1:" + "A" * 86 + "=="}],
)
def test_an_altered_job_is_refused(signed, change):
    job, public = signed
    objection = verify_signature(dataclasses.replace(job, **change), QUEUE, Verify(signatures="always", keys=(public,)))
    assert objection.code is ErrorCode.PAYLOAD_ALTERED
    assert public in objection.detail


def test_a_signature_that_is_none_is_an_altered_job():
    objection = verify_signature(dataclasses.replace(SPEC, signature="x"), QUEUE, Verify(signatures="when_signed"))
    assert objection.code is ErrorCode.PAYLOAD_ALTERED


@pytest.mark.parametrize(
    ("level", "code"), [("never", None), ("when_signed", None), ("always", ErrorCode.PAYLOAD_UNSIGNED)]
)
def test_an_unsigned_job_is_refused_only_where_all_must_be_signed(level, code):
    objection = verify_signature(SPEC, QUEUE, Verify(signatures=level))
    assert (objection and objection.code) == code


@pytest.mark.programs("openssl")
def test_a_signature_that_nobody_can_verify_is_no_good_one(signed):
    job, _ = signed
    with pytest.raises(JobFailed) as caught:
        verify_signature(job, QUEUE, Verify(signatures="when_signed"))
    assert caught.value.code is ErrorCode.SIGNATURE_UNVERIFIABLE
    assert verify_signature(job, QUEUE, Verify(signatures="never")) is None


def test_software_is_looked_for_on_the_node_only_when_the_payload_runs_there(bench, tmp_path):
    (tmp_path / "image").mkdir()
    (tmp_path / "apptainer").symlink_to("/bin/true")
    containers = Containers(Container(), {"PATH": str(tmp_path)})
    place = Place(lambda spec, folder: Room(0, 0, 2**50), lambda key: "", containers, Addresses(Settings(), ""))
    queue = dataclasses.replace(QUEUE, container_type="apptainer:pilot", appdir="/in/the/image")
    check = Verification(Verify(), place, bench.plugins).check
    check(dataclasses.replace(SPEC, container=str(tmp_path / "image")), queue, tmp_path)
    assert refusal(check, dataclasses.replace(SPEC, attempt=3), queue, tmp_path).code is ErrorCode.NO_SOFTWARE_DIR


def test_software_on_a_file_system_that_hangs_is_not_waited_for(monkeypatch):
    alive = threading.Event()
    monkeypatch.setattr(Path, "is_dir", lambda path: alive.wait(30))
    problem = verification._software(dataclasses.replace(QUEUE, appdir="/cvmfs/dead.example/sw"), 0.1)
    alive.set()
    assert problem.code is ErrorCode.CVMFS_NOT_ALIVE
    assert "/cvmfs/dead.example is not mounted, or does not answer" in problem.detail


def test_a_containers_own_objection_counts(bench, tmp_path):
    place = Place(
        lambda spec, folder: Room(0, 0, 2**50),
        lambda key: "",
        Containers(Container(), {"PATH": "/nowhere"}),
        Addresses(Settings(), ""),
    )
    queue = dataclasses.replace(QUEUE, container_type="apptainer:pilot")
    check = Verification(Verify(), place, bench.plugins).check
    refused = refusal(check, dataclasses.replace(SPEC, container="/img"), queue, Path(tmp_path))
    assert refused.code is ErrorCode.APPTAINER_NOT_INSTALLED
