"""What stock pilots of three generations send, replayed whole; and our answers, read as those pilots read them."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlencode

import pytest

from server.pandaconfig.logic import define_queue
from server.taskbuffer.models import Attempt, JobFile
from tests.contract.golden.cases import PEERS
from tests.server import jobs
from tests.server.dispatcher.conftest import GET_JOB, UPDATE_JOB

QUEUE = "LAB_QUEUE"
WORKER_STATUS = "/server/panda/updateWorkerPilotStatus"
CURL = {"Accept": "application/json", "Accept-Encoding": "deflate, gzip, br, zstd"}


@dataclass(frozen=True)
class Generation:
    """A stock pilot: its prefix among the golden files, the headers that it sends, and whether it packs JSON."""

    name: str
    headers: dict[str, str]
    packs: bool = False

    def body(self, what: str) -> dict[str, Any]:
        if self.packs:
            return json.loads((PEERS / f"{self.name}_{what}.json").read_text())
        return dict(parse_qsl((PEERS / f"{self.name}_{what}.form").read_text().strip(), keep_blank_values=True))

    def sent(self, fields: dict[str, Any]) -> tuple[bytes, str]:
        if self.packs:
            return gzip.compress(json.dumps(fields).encode()), "application/json"
        return urlencode(fields).encode(), "application/x-www-form-urlencoded"

    def read(self, answer: str) -> dict[str, Any]:
        """Read an answer: the newest takes JSON by its first brace and else a form, the older ones JSON only."""
        if not self.packs or answer.startswith("{"):
            return json.loads(answer)
        return {key: values[0] for key, values in parse_qs(answer, keep_blank_values=True).items()}


PILOT2 = Generation("pilot2", {**CURL, "User-Agent": "pilot/2.12.8.1 (Python 2.7.5; Linux x86_64)"})
PILOT37 = Generation("pilot37", {**CURL, "User-Agent": "pilot/3.7.0.36 (Python 3.11.2; Linux x86_64)"})
#: It says neither what it takes nor that its body is packed.
PILOT311 = Generation(
    "pilot311",
    {
        "Accept-Encoding": "identity",
        "Connection": "close",
        "User-Agent": "pilot/3.11.5.1 (Python 3.11.2; Linux x86_64)",
    },
    packs=True,
)
GENERATIONS = pytest.mark.parametrize("one", [PILOT2, PILOT37, PILOT311], ids=lambda one: one.name)
NEWER = pytest.mark.parametrize("one", [PILOT37, PILOT311], ids=lambda one: one.name)


@pytest.fixture
def queue(db):
    define_queue({"nickname": QUEUE, "status": "online", "corecount": 1, "maxrss": 64000})


@pytest.fixture
def replay(client, pilot_token, queue):
    """Send a golden file as its pilot sends it; some fields are another job's."""

    def send(one: Generation, path: str, what: str, **changed: Any) -> dict[str, Any]:
        headers = {**one.headers, "Authorization": f"Bearer {pilot_token}", "Origin": "compass"}
        body, kind = one.sent({**one.body(what), **changed})
        answer = client.post(path, body, kind, headers=headers)
        assert answer.status_code == 200
        return one.read(answer.content.decode())

    return send


def submitted(**more):
    fields = {"label": "user", "outputs": ("sum.txt",), "log": "job.7001.log.tgz", "queue": QUEUE, **more}
    return jobs.submit(**fields)[0]


def asked(replay, one, **changed):
    return replay(one, GET_JOB, "getJob", **changed)


def files_of(job: dict[str, Any]) -> dict[str, tuple[str, ...]]:
    """Take a job's lists apart as stock pilots do: by commas, each as long as the names; the log has no scope there."""
    names, scopes = job["outFiles"].split(","), job["scopeOut"].split(",")
    outputs = [name for name in names if name != job["logFile"]]
    assert len(scopes) == len(outputs)
    columns = [job[key].split(",") for key in ("realDatasets", "ddmEndPointOut", "destinationDblock")]
    assert {len(column) for column in columns} == {len(names)}
    return dict(zip(names, zip(*columns, strict=True), strict=True))


@GENERATIONS
def test_a_job_lives_from_its_hand_out_to_its_end(replay, one):
    job = submitted()
    given = asked(replay, one)
    assert (int(given["StatusCode"]), str(given["PandaID"])) == (0, str(job))
    assert files_of(given) == {
        "sum.txt": ("prod.out", "DISK", "prod.out"),
        "job.7001.log.tgz": ("prod.log", "DISK", "prod.log"),
    }
    for what in ("starting", "running", "running", "finished"):
        answer = replay(one, UPDATE_JOB, f"updateJob_{what}", jobId=str(job))
        assert (int(answer["StatusCode"]), answer["command"]) == (0, "NULL")
    assert jobs.state_of(job) == "finished"
    assert JobFile.objects.get(lfn="sum.txt").size == 10
    jobs.audit()


@GENERATIONS
def test_the_last_report_may_come_twice(replay, one):
    job = submitted()
    asked(replay, one)
    first = replay(one, UPDATE_JOB, "updateJob_finished", jobId=str(job))
    assert replay(one, UPDATE_JOB, "updateJob_finished", jobId=str(job)) == first
    assert Attempt.objects.get(job=job).state == "finished"
    jobs.audit()


@GENERATIONS
def test_without_a_job_the_answer_is_the_one_that_pilots_wait_after(replay, one):
    answer = asked(replay, one)
    assert (int(answer["StatusCode"]), answer["errorDialog"]) == (20, "No jobs in PanDA")


@NEWER
def test_a_payload_that_failed_is_told_with_its_status_and_its_log(replay, one):
    job = submitted(max_attempts=1)
    asked(replay, one)
    replay(one, UPDATE_JOB, "updateJob_running", jobId=str(job))
    replay(one, UPDATE_JOB, "updateJob_failed", jobId=str(job))
    tried = Attempt.objects.get(job=job)
    assert (jobs.state_of(job), tried.pilot_error, tried.exit_status) == ("failed", 1305, 7)
    assert JobFile.objects.get(lfn="job.7001.log.tgz").checksum == "adler32:3f2bbe90"
    jobs.audit()


@NEWER
def test_a_killed_job_is_told_so_by_the_next_answer_and_ends_with_the_pilots_number(replay, one):
    from server.taskbuffer import logic

    job = submitted()
    asked(replay, one)
    replay(one, UPDATE_JOB, "updateJob_starting", jobId=str(job))
    logic.kill([job], by="test")
    assert replay(one, UPDATE_JOB, "updateJob_running", jobId=str(job))["command"] == "tobekilled"
    replay(one, UPDATE_JOB, "updateJob_killed", jobId=str(job))
    assert (jobs.state_of(job), Attempt.objects.get(job=job).pilot_error) == ("cancelled", 1144)
    jobs.audit()


@GENERATIONS
def test_a_report_on_an_attempt_that_is_over_stops_its_pilot(replay, one):
    job = submitted()
    asked(replay, one)
    stale = replay(one, UPDATE_JOB, "updateJob_running", jobId=str(job), attemptNr="7")
    assert (int(stale["StatusCode"]), stale["command"]) == (0, "tobekilled")


@NEWER
def test_a_worker_says_that_its_pilot_has_started(replay, one):
    answer = replay(one, WORKER_STATUS, "updateWorkerPilotStatus")
    assert int(answer["StatusCode"]) == 0


def test_a_pilot_under_harvester_is_given_the_jobs_of_the_task_that_it_had(replay):
    submitted(task_id=76)
    wanted = submitted(task_id=77)
    changed = PILOT37.body("getJob_harvester")
    given = asked(replay, PILOT37, **{key: changed[key] for key in ("taskID", "harvester_id", "worker_id", "viaTopic")})
    assert given["PandaID"] == wanted
