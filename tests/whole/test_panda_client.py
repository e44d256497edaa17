"""PanDA's own client, as it comes from its makers, and our server: jobs, tasks, files, from a submission to a kill."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.server.manage.running import Server, free_port, init
from tests.services.containers import install

pytestmark = pytest.mark.one_python

PATIENCE = 150.0
#: What a person does with the client, in its own Python; each answer is a line of JSON.
PROGRAM = """
import gzip, json, os, uuid
from pandaclient import Client, MiscUtils, PsubUtils
from pandaclient.FileSpec import FileSpec
from pandaclient.JobSpec import JobSpec

def say(what, answer):
    print("ANSWER", json.dumps([what, answer], default=str), flush=True)

def job(name):
    made = JobSpec()
    made.jobName, made.computingSite, made.prodSourceLabel = name, "LOCAL", "user"
    made.transformation, made.jobParameters, made.currentPriority = "/bin/true", "-a 'b c'", 1000
    made.cloud, made.jobsetID, made.coreCount = "CERN", 7, 1
    for lfn, kind in ((name + ".root", "output"), (name + ".log.tgz", "log")):
        file = FileSpec()
        file.lfn, file.type, file.dataset, file.destinationDBlock = lfn, kind, "user.ds", "user.ds"
        file.destinationSE = "LOCAL_STORAGE"
        made.addFile(file)
    return made

say("alive", Client.hello())
say("attributes", Client.get_cert_attributes_internal())
status, numbers = Client.submitJobs([job("one"), job("two")])
say("submitted", [status, numbers])
ids = [number for number, *_ in numbers]
for ask in (Client.getJobStatus, Client.getFullJobStatus):
    status, found = ask([*ids, 4711])
    states = [(one.PandaID, one.jobName, one.jobStatus, sorted(f.lfn for f in one.Files)) for one in found[:-1]]
    say("described", [status, states, found[-1]])
bad = job("three")
bad.specialHandling = "sc"
say("refused", Client.submitJobs([bad]))
say("debug", Client.setDebugMode(ids[0], True, False))
say("killed", Client.killJobs([*ids, 4711]))
say("after", [one.jobStatus for one in Client.getJobStatus(ids)[1]])
lfn = "user.me.$JEDITASKID._${SN/P}"
task = {
    "taskName": "user.me.test/", "uniqueTaskName": True, "vo": "compass", "transPath": "/bin/true", "site": "LOCAL",
    "prodSourceLabel": "user", "nEvents": 5, "nEventsPerJob": 2, "noInput": True, "excludedSite": [], "osInfo": "linux",
    "log": {"type": "template", "param_type": "log", "value": lfn + ".log.tgz", "dataset": "user.me.test.log/"},
    "jobParameters": [
        {"type": "constant", "value": "-r ."},
        *PsubUtils.convertParamStrToJediParam("-s %RNDM:100 -n %MAXEVENTS", {}, "", False, True, includeIO=False),
        *MiscUtils.makeJediJobParam(lfn + ".root", "user.me.test_root/", "output", hidden=True),
    ],
}
say("task", Client.insertTaskParams(task, properErrorCode=True))
say("task again", Client.insertTaskParams(task, properErrorCode=True))
number = int(Client.insertTaskParams({**task, "taskName": "user.me.other"})[1][1].split("jediTaskID=")[1])
say("no task", Client.insertTaskParams({**task, "taskName": "user.me.third", "buildSpec": {"archiveName": "x"}})[1])
of_task = Client.getPandaIDsWithTaskID(number)[1]
say("names", [one.jobName for one in Client.getJobStatus(of_task)[1]])
told = Client.getJediTaskDetails({"jediTaskID": number}, True, True)[1]
say("details", told["taskParameters"] == {**task, "taskName": "user.me.other"})
finish = lambda it: Client.finishTask(it, soft=True)
for act in (Client.pauseTask, Client.resumeTask, finish, Client.retryTask, Client.killTask):
    say("act", [act(number), Client.getTaskStatus(number)])
say("jobs of task", sorted({one.jobStatus for one in Client.getJobStatus(of_task)[1]}))
name = "sources." + str(uuid.uuid4()) + ".tar.gz"
with gzip.open(name, "wb") as file:
    file.write(b"print(1)")
say("sent", Client.putFile(os.path.abspath(name)))
say("found", [Client.putFile(os.path.abspath(name), reuseSandbox=True), name])
say("fetched", [Client.getFile(name, output_path="back"), open("back", "rb").read() == open(name, "rb").read()])
"""


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the client says of a server of its own, by what was asked."""
    client = install("panda_client")
    folder = tmp_path_factory.mktemp("client")
    home, port = folder / "home", free_port()
    made = init(home, "--local-queue", "LOCAL", "--storage", str(folder / "storage"), "--slots", "0")
    assert made.returncode == 0, made.stderr
    server = Server(home, port, workers=1)
    try:
        return ask(client / "bin" / "python", folder, port, (home / "production.token").read_text().strip())
    finally:
        server.end()


def ask(python: Path, folder: Path, port: int, token: str) -> dict[str, list]:
    base = f"http://127.0.0.1:{port}/server/panda"
    environment = {
        **{"PANDA_URL": base, "PANDA_URL_SSL": base, "PANDACACHE_URL": base, "PANDA_BEHIND_REAL_LB": "1"},
        **{"PANDA_AUTH": "oidc", "PANDA_AUTH_VO": "compass", "PANDA_AUTH_ID_TOKEN": token},
        **{
            "HOME": str(folder),
            "PATH": "/usr/bin:/bin",
            "PANDA_CONFIG_ROOT": str(folder),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
    }
    done = subprocess.run(
        [str(python), "-c", PROGRAM], cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE
    )
    assert done.returncode == 0, done.stderr + done.stdout
    said: dict[str, list] = {}
    for line in done.stdout.splitlines():
        if line.startswith("ANSWER "):
            what, answer = json.loads(line.removeprefix("ANSWER "))
            said.setdefault(what, []).append(answer)
    return said


def test_it_is_known_whom_the_server_takes_the_client_for(answers):
    assert answers["alive"] == [[0, ""]]
    ((status, (success, told)),) = answers["attributes"]
    assert (status, success) == (0, True)
    assert told["environment"]["ROLE"] == "production"


def test_jobs_are_submitted_and_described_as_the_client_knows_them(answers):
    ((status, ((one, _, first), (two, _, second))),) = answers["submitted"]
    assert (status, first, second) == (0, "one", "two")
    assert (
        answers["described"]
        == [
            [
                0,
                [
                    [one, "one", "activated", ["one.log.tgz", "one.root"]],
                    [two, "two", "activated", ["two.log.tgz", "two.root"]],
                ],
                None,
            ]
        ]
        * 2
    )


def test_what_cannot_be_done_here_is_refused_and_nothing_is_taken(answers):
    assert answers["refused"] == [[255, None]]


def test_jobs_are_commanded_and_killed(answers):
    assert answers["debug"] == [[0, True]]
    assert answers["killed"] == [[0, [True, True, False]]]
    assert answers["after"] == [["cancelled", "cancelled"]]


def test_a_task_becomes_jobs_of_one_number_and_its_name_is_given_once(answers):
    ((status, (code, words)),) = answers["task"]
    assert (status, code) == (0, 0)
    assert "jediTaskID=" in words
    assert answers["task again"][0][1][1].startswith("Argument error: taskName: 'user.me.test' is another task's")
    assert answers["names"] == [[f"user.me.other.00000{number}" for number in (1, 2, 3)]]
    assert answers["details"] == [True]


def test_a_task_that_cannot_be_done_is_refused_by_the_parameters_name(answers):
    ((code, words),) = answers["no task"]
    assert code is None
    assert words.startswith("Argument error: buildSpec: ")


def test_a_task_is_held_back_ended_and_killed_by_its_number(answers):
    done = [((0, True, 0), status) for status in ("paused", "running", "finishing")]
    paused, resumed, finished, retried, killed = answers["act"]
    assert [((code, *said), status) for (code, said), (_, status) in (paused, resumed, finished)] == done
    (_, (code, words)), (_, status) = retried
    assert (code, status) == (None, "finishing")
    assert "is finishing and cannot become resend_failed" in words
    assert killed == [[0, [True, 0]], [0, "aborted"]]
    assert answers["jobs of task"] == [["closed"]]


def test_a_file_is_sent_once_found_again_and_fetched(answers):
    assert answers["sent"] == [[0, "True"]]
    (((status, said), name),) = answers["found"]
    assert (status, said) == (0, f"NewFileName:{name}")
    assert answers["fetched"] == [[[0, True], True]]
