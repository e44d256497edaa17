"""Jobs from files, reports into files, and a whole pilot that meets no server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.api import offline, replies
from pilot.api.communicator import Communicator, Report
from pilot.api.offline import HEARTBEAT, Offline, ReportFiles, adjusted, read_jobs, server_for
from pilot.contract.codes import ErrorCode
from pilot.contract.exit_codes import ExitCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import to_panda
from pilot.contract.messages import JobUpdate, WorkRequest
from pilot.contract.states import JobState
from pilot.errors import ConfigError
from pilot.settings import Server, Settings
from pilot.settings.sections import Job, Queue
from tests.pilot.dispatcher import QUEUE, queue_data, serving

ROOT = Path(__file__).parents[3]
JOB = JobSpec(id=7, attempt=2, transformation="true", log=FileSpec("log.tgz", Role.LOG, endpoint="EOS"))
REQUEST = WorkRequest(queue="LOCAL", count=1)


def without_server(folder, *jobs):
    return Offline(jobs, folder, "file x")


def test_each_job_is_given_once_and_the_same_request_gets_the_same_ones(tmp_path):
    other = JobSpec(id=8, attempt=1, transformation="true")
    server = without_server(tmp_path, JOB, other)
    assert server.acquire(REQUEST, "r1").jobs == server.acquire(REQUEST, "r1").jobs == (JOB,)
    assert server.acquire(REQUEST, "r2").jobs == (other,)
    assert server.acquire(REQUEST, "r3") == replies.Jobs()


def test_a_report_is_pandas_dictionary_in_a_file_of_its_owners(tmp_path):
    server = without_server(tmp_path, JOB)
    assert not server.report(server.compose(JobUpdate(7, JobState.RUNNING, attempt=2, queue="Q"))).kills
    path = tmp_path / HEARTBEAT
    said = json.loads(path.read_text())
    assert (said["jobId"], said["attemptNr"], said["state"], said["siteName"]) == (7, 2, "running", "Q")
    assert path.stat().st_mode & 0o777 == 0o600
    assert [entry.name for entry in tmp_path.iterdir()] == [HEARTBEAT]


def test_a_final_report_has_a_file_of_its_own_beside_the_last_one(tmp_path):
    server = without_server(tmp_path, JOB)
    for job, state in ((7, JobState.FAILED), (8, JobState.FINISHED)):
        server.report(server.compose(JobUpdate(job, state, attempt=2)))
    assert json.loads((tmp_path / "final-7-2.json").read_text())["state"] == "failed"
    assert json.loads((tmp_path / HEARTBEAT).read_text())["jobId"] == 8


def test_a_report_that_cannot_be_written_is_offered_again_later(tmp_path):
    server = without_server(tmp_path / "nowhere", JOB)
    with pytest.raises(replies.Unreachable, match="nowhere: the report cannot be written") as caught:
        server.report(server.compose(JobUpdate(7, JobState.FAILED)))
    assert caught.value.passes


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense"])
def test_what_is_no_report_never_will_be(tmp_path, text):
    server = without_server(tmp_path, JOB)
    with pytest.raises(replies.Refused, match="no report"):
        server.report(Report(text))


def test_queue_and_storages_are_this_machine_unless_files_say_otherwise(tmp_path):
    server = without_server(tmp_path, JOB)
    assert server.queue_data("LOCAL").copytools_for("read_lan") == ("local",)
    storages = server.storages()
    assert set(storages) == {"LOCAL", "EOS"}
    assert storages["EOS"].protocols_for("pl")[0].path == str(tmp_path / "storage")
    path = tmp_path / "queue.json"
    path.write_text(json.dumps(queue_data()))
    assert server.queue_data(QUEUE, str(path)).name == QUEUE
    path.write_text(json.dumps({"DISK": {"arprotocols": {}}}))
    assert set(server.storages(str(path))) == {"DISK"}


def test_nobody_is_asked_for_anything(tmp_path):
    with pytest.raises(replies.BadQueueData, match="there is no server to ask"):
        without_server(tmp_path, JOB).queue_data("Q", "http://127.0.0.1:1/queue.json")


def test_a_pilot_that_sends_no_reports_still_asks_its_server_for_work(tmp_path):
    with serving(tmp_path) as dispatcher:
        dispatcher.jobs = [JOB]
        server = ReportFiles(Server(url=dispatcher.url), str, tmp_path)
        (job,) = server.acquire(WorkRequest(queue=QUEUE), "r").jobs
        server.report(server.compose(JobUpdate(job.id, JobState.FINISHED, attempt=2)))
        assert dispatcher.updates == []
    assert (tmp_path / "final-7-2.json").exists()


OURS = {"transformation": "true", "jobParameters": ["a b"], "files": [{"lfn": "log.tgz", "type": "log"}]}


@pytest.mark.parametrize(
    ("content", "keys"),
    [
        (to_panda(JOB), [(7, 2)]),
        ([to_panda(JOB), OURS], [(7, 2), (2, 1)]),
        (OURS, [(1, 1)]),
        ({"jobs": [OURS, {**OURS, "computingSite": "ELSEWHERE"}]}, [(1, 1), (2, 1)]),
    ],
)
def test_jobs_are_read_in_pandas_words_and_in_ours(tmp_path, content, keys):
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps(content))
    assert [job.key for job in read_jobs(path)] == keys


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("nonsense", "is not JSON"),
        ("[]", "no job"),
        ("[3]", "no job"),
        ("3", "no job"),
        ('{"transformatoin": "x"}', r"job 1: transformatoin"),
        ('[{"PandaID": 7, "transformation": "x"}, {"PandaID": 7, "transformation": "y"}]', "names a job twice"),
        ('{"PandaID": 7}', "job 1: transformation: missing"),
    ],
)
def test_a_file_that_holds_no_job_names_the_mistake(tmp_path, text, words):
    path = tmp_path / "jobs.json"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        read_jobs(path)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"job\.file: .*nowhere\.json: No such file"):
        read_jobs(tmp_path / "nowhere.json")


def test_who_stands_for_the_server_follows_from_the_settings(tmp_path):
    path = tmp_path / "jobs.json"
    path.write_text(json.dumps(OURS))
    assert server_for(Settings(job=Job(file=str(path))), str, tmp_path).name == f"file {path}"
    told = Settings(server=Server(url="http://a:1", updates=False))
    assert isinstance(server_for(told, str, tmp_path), ReportFiles)
    assert isinstance(server_for(told, str, tmp_path), Communicator)


def test_a_pilot_with_a_file_runs_all_of_it_and_asks_nobody_twice():
    found = adjusted(Settings(job=Job(file="x", lifetime=5000.0)))
    assert (found.job.requests, found.job.time_floor, found.queue.name) == (1, 5000.0, "LOCAL")
    assert adjusted(Settings(queue=Queue(name="Q"))).queue.name == "Q"


def pilot(*words, cwd):
    plain = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_")}
    return subprocess.run(
        [sys.executable, "-m", "pilot", *words],
        env={**plain, "PYTHONPATH": str(ROOT), "COMPASS_PILOT__MONITOR__FREE_DISK_AT_START": "1000000"},
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_whole_pilot_runs_a_file_of_jobs_to_the_end_and_says_which_one_failed(tmp_path):
    log = {"lfn": "1.log.tgz", "type": "log"}
    good = {**OURS, "transformation": "/bin/sh", "jobParameters": ["-c", "exit 0"], "files": [log]}
    bad = {**good, "jobParameters": ["-c", "exit 3"], "files": [{**log, "lfn": "2.log.tgz"}]}
    (tmp_path / "jobs.json").write_text(json.dumps([bad, good]))
    done = pilot("--job-file", "jobs.json", cwd=tmp_path)
    assert (done.returncode, "1 job finished" in done.stderr) == (ExitCode.JOB_FAILED, True), done.stderr
    failed = json.loads((tmp_path / "final-1-1.json").read_text())
    assert (failed["state"], failed["pilotErrorCode"], failed["transExitCode"]) == (
        "failed",
        ErrorCode.PAYLOAD_FAILED,
        3,
    )
    assert json.loads((tmp_path / "final-2-1.json").read_text())["state"] == "finished"
    assert {path.name for path in (tmp_path / offline.STORAGE_FOLDER).iterdir()} == {"1.log.tgz", "2.log.tgz"}


def test_a_pilot_with_z_gets_its_job_from_the_server_and_reports_to_a_file(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        dispatcher.jobs = [JobSpec(id=7, attempt=1, transformation="true")]
        done = pilot("-z", "-q", QUEUE, "--url", dispatcher.url, "-v", "1", cwd=tmp_path)
        assert (done.returncode, dispatcher.updates) == (0, []), done.stderr
    assert json.loads((tmp_path / HEARTBEAT).read_text())["state"] == "finished"


def test_two_pilots_of_one_folder_never_leave_half_a_report(tmp_path):
    program = """if True:
        import sys
        from pathlib import Path
        from pilot.api.communicator import Report
        from pilot.api.offline import ReportFiles
        from pilot.settings import Server
        server = ReportFiles(Server(url="http://localhost"), str, Path(sys.argv[1]))
        for length in range(400):
            server.report(Report('{"jobId": 7, "state": "running", "pilotErrorDiag": "%s"}' % (sys.argv[2] * length)))
    """
    ours = {**os.environ, "PYTHONPATH": str(ROOT)}
    pilots = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path), word], env=ours, stderr=subprocess.PIPE)
        for word in ("short", "much longer")
    ]
    while any(pilot.poll() is None for pilot in pilots):
        if (tmp_path / HEARTBEAT).exists():
            assert json.loads((tmp_path / HEARTBEAT).read_text())["jobId"] == 7
    for pilot in pilots:
        assert pilot.communicate()[1] == b""
    assert [entry.name for entry in tmp_path.iterdir()] == [HEARTBEAT]
