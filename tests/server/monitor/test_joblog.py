"""A log's text comes out of its archive where the storage is a folder; elsewhere it is told where the log lies."""

from __future__ import annotations

import io
import lzma
import os
import tarfile

import pytest

from pilot.contract.messages import StoredFile
from pilot.contract.queue import local_storage
from pilot.contract.states import JobState
from server.accounts.logic import create_token
from server.accounts.models import Role
from server.monitor import joblog
from server.pandaconfig.logic import define_storage
from server.production.steps import submit
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.models import JobFile
from server.taskbuffer.queries import owners_of
from tests.server import jobs


@pytest.fixture
def ask(client, tasks):
    headers = {"Authorization": f"Bearer {create_token('me', Role.READER)}"}
    return lambda method, **query: client.get(f"/api/v1/job/{method}", query, headers=headers).json()


@pytest.fixture
def finished(tasks, pilot, tmp_path):
    """A finished job whose log lies in a folder below ``tmp_path``."""
    define_storage("DISK", local_storage("DISK", str(tmp_path)))
    submit.submit_chunks()
    job = pilot.claim()
    path = tmp_path / job.log.dataset / job.log.lfn
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in (("log/pilotlog.txt", b"pilot"), ("log/payload.stdout", b"a" * 10 + b"\nEnd of Job\n")):
            entry = tarfile.TarInfo(name)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text))
    said = pilot.success(job)
    files = [file for file in said["files"] if file.lfn != job.log.lfn]
    log = StoredFile(job.log.lfn, path.stat().st_size, None, url=path.as_uri())
    pilot.report(job, JobState.FINISHED, events=said["events"], files=(*files, log))
    return job, path


def test_the_payloads_output_is_shown(ask, finished):
    job, path = finished
    found = ask("get_log", job_id=job.id)["data"]
    assert found["text"] == "aaaaaaaaaa\nEnd of Job\n"
    assert (found["name"], found["lfn"], found["path"]) == ("log/payload.stdout", job.log.lfn, str(path))


def test_another_text_is_shown_by_its_name_and_a_wrong_name_is_told_the_others(ask, finished):
    assert ask("get_log", job_id=finished[0].id, file="pilotlog.txt")["data"]["text"] == "pilot"
    found = ask("get_log", job_id=finished[0].id, file="nothing")["data"]
    assert found["words"] == "nothing is not in the log; there are log/pilotlog.txt, log/payload.stdout"


def test_where_the_url_is_missing_the_name_tells_where_it_lies(ask, finished):
    JobFile.objects.filter(role="log").update(url="")
    assert ask("get_log", job_id=finished[0].id)["data"]["text"].endswith("End of Job\n")


@pytest.mark.parametrize("url", ["file:///etc/passwd", "file://{root}/../../etc/passwd", "file://[", "file:///%00"])
def test_a_url_that_leads_out_of_the_storage_is_not_read(ask, finished, tmp_path, url):
    JobFile.objects.filter(role="log").update(url=url.format(root=tmp_path))
    found = ask("get_log", job_id=finished[0].id)["data"]
    assert (found["text"], found["path"]) == ("", "")


def test_a_log_on_a_distant_storage_is_told_by_its_url(ask, finished):
    JobFile.objects.filter(role="log").update(endpoint="EOS", url="root://eos//log.tgz")
    found = ask("get_log", job_id=finished[0].id)["data"]
    assert (found["url"], found["text"]) == ("root://eos//log.tgz", "")
    assert "fetch the log from its URL" in found["words"]


def pipe(path):
    path.unlink()
    os.mkfifo(path)


def xz(path):
    path.write_bytes(lzma.compress(b"a" * 1000)[:-20])


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(b"no archive"), lambda path: path.unlink(), pipe, xz])
def test_a_damaged_or_lost_archive_is_told_in_words(ask, finished, damage):
    damage(finished[1])
    assert ask("get_log", job_id=finished[0].id)["data"]["words"].startswith("the log cannot be read: ")


@pytest.mark.parametrize("most", ["MOST_UNPACKED", "MOST_NAMES"])
def test_an_archive_that_would_take_long_to_read_is_left_alone(ask, finished, monkeypatch, most):
    monkeypatch.setattr(joblog, most, 1)
    found = ask("get_log", job_id=finished[0].id)["data"]
    assert (found["text"], "fetch it instead" in found["words"], found["path"]) == ("", True, str(finished[1]))


def test_a_cut_archive_is_told_in_words(ask, finished):
    finished[1].write_bytes(finished[1].read_bytes()[:-40])
    assert ask("get_log", job_id=finished[0].id)["data"]["words"].startswith("the log cannot be read: ")


def test_a_running_job_shows_what_its_pilot_has_shown_last(ask, tasks, pilot):
    submit.submit_chunks()
    job = pilot.claim()
    pilot.report(job, JobState.RUNNING, stdout="Events processed : 5 of 100")
    assert ask("get_log", job_id=job.id)["data"]["text"] == "Events processed : 5 of 100"
    pilot.report(job, JobState.RUNNING, stdout="Events processed : 9 of 100")
    assert ask("get_log", job_id=job.id)["data"]["text"] == "Events processed : 9 of 100"


@pytest.mark.parametrize("number", ["", "x", "9" * 30, "-1"])
def test_what_is_no_job_number_is_refused(ask, number):
    assert "is not the number of a job" in ask("get_log", job_id=number)["message"]


def test_an_unknown_job_is_told(ask):
    assert ask("get_log", job_id=4711)["message"] == "job_id: there is no job 4711"


def test_jobs_are_described_by_pandas_names(ask, finished):
    job = finished[0]
    known, unknown = ask("get_description", job_ids=[job.id, 4711])["data"]
    assert unknown is None
    assert (known["PandaID"], known["jobStatus"], known["nEvents"]) == (job.id, "finished", 100)
    assert {file["type"]: file["status"] for file in known["Files"]} == {"output": "ready", "log": "ready"}
    assert [attempt["state"] for attempt in known["attempts"]] == ["finished"]
    assert [move["after"] for move in known["moves"]] == ["activated", "sent", "finished"]
    assert ask("get_description_incl_archive", job_ids=[job.id, 4711])["data"] == [known, None]


@pytest.mark.parametrize(
    ("told", "shown"),
    [
        ('[{"lfn": "a", "tool": "cp"}, 3]', [{"lfn": "a", "tool": "cp"}]),
        (None, []),
        ("{}", []),
        ("no JSON", []),
    ],
)
def test_the_tries_to_copy_files_are_described_as_the_pilot_has_told_them(ask, tasks, pilot, told, shown):
    submit.submit_chunks()
    job = pilot.claim()
    pilot.report(job, JobState.FAILED, pilot_error=1099, transfers=told)
    (known,) = ask("get_description", job_ids=[job.id])["data"]
    assert known["attempts"][0]["transfers"] == shown


@pytest.mark.parametrize("given", [[], ["x"], [True]])
def test_a_description_of_nothing_is_refused(client, ask, given):
    headers = {"Authorization": f"Bearer {create_token('other', Role.READER)}"}
    body = {"job_ids": given}
    told = client.post("/api/v1/job/get_description", body, content_type="application/json", headers=headers).json()
    assert (told["success"], told["message"].startswith("Argument error: job_ids")) == (False, True)


def test_what_a_pilot_was_asked_to_show_is_answered(ask, queue):
    (job_id,) = jobs.submit()
    taskbuffer.command(job_id, "ls")
    jobs.claim()
    taskbuffer.was_shown(job_id, 1, ["ls"], "payload.stdout")
    assert ask("get_shown", job_id=job_id)["data"] == {"text": "$ ls\npayload.stdout\n"}
    assert ask("get_shown", job_id=job_id + 1)["data"] == {"text": ""}
    assert "job_id: 'x' is not the number of a job" in ask("get_shown", job_id="x")["message"]


def test_a_user_looks_into_its_own_jobs_and_a_reader_into_all(queue, client):
    own, others = (jobs.submit(user=name)[0] for name in ("alice", "bob"))
    asked = {
        name: {"Authorization": f"Bearer {create_token(name, role, **more)}"}
        for name, role, more in (("alices", Role.USER, {"person": "alice"}), ("reads", Role.READER, {}))
    }
    answers = {
        (name, number): client.get("/api/v1/job/get_shown", {"job_id": number}, headers=headers).json()["success"]
        for name, headers in asked.items()
        for number in (own, others)
    }
    assert answers == {("alices", own): True, ("alices", others): False, ("reads", own): True, ("reads", others): True}


@pytest.mark.parametrize(
    ("role", "more", "may"),
    [
        (Role.READER, {}, True),
        (Role.PRODUCTION, {}, True),
        (Role.ADMIN, {}, True),
        (Role.USER, {"person": "{owner}"}, True),
        (Role.USER, {"person": "somebody else"}, False),
        (Role.SITE_ADMIN, {"queues": ["{queue}"]}, True),
        (Role.SITE_ADMIN, {"queues": ["ANOTHER"]}, False),
    ],
)
@pytest.mark.parametrize("method", ["get_log", "get_shown"])
def test_a_log_is_read_by_its_owner_and_by_those_who_look_after_all_jobs(client, finished, method, role, more, may):
    job, _ = finished
    owner, queue = owners_of([job.id])[job.id]
    said = {"person": more["person"].format(owner=owner)} if "person" in more else {}
    said |= {"queues": [one.format(queue=queue) for one in more["queues"]]} if "queues" in more else {}
    headers = {"Authorization": f"Bearer {create_token('asks', role, **said)}"}
    answer = client.get(f"/api/v1/job/{method}", {"job_id": job.id}, headers=headers).json()
    assert answer["success"] is may
    assert may or f"job {job.id} is {owner}'s, at {queue}; you may act on" in answer["message"]
