"""Harvester's file protocol: every file of it, as a pilot writes and reads it."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pilot.api import replies, shared_files
from pilot.api.communicator import Report
from pilot.api.job_files import STORAGE
from pilot.api.shared_files import ATTRIBUTES, DUMP, IDS, JOB_REPORT, KILL, OWN_MARK, REQUEST, AccessPoint, SharedFiles
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import to_panda
from pilot.contract.messages import JobUpdate, StoredFile, WorkRequest
from pilot.contract.states import JobState

LOG = FileSpec("x.log.tgz", Role.LOG)


@pytest.fixture
def files(tmp_path):
    return SharedFiles(AccessPoint(tmp_path))


def feed(folder, *specs):
    found = {str(spec.id): to_panda(spec) for spec in specs}
    (folder / "HPCJobs.json").write_text(json.dumps(found))


def job(number, **more):
    return JobSpec(id=number, attempt=1, transformation="true", **more)


def ask(files, count=1, request_id="r1"):
    return files.acquire(WorkRequest("Q", count=count), request_id)


def update(state=JobState.RUNNING, number=7, **more):
    now = datetime(2026, 11, 22, tzinfo=timezone.utc)
    return JobUpdate(job_id=number, state=state, attempt=1, queue="Q", node="n", start_time=now, **more)


def tell(access, state=JobState.RUNNING, number=7, progress=None, **more):
    return access.report(access.compose(update(state, number, **more), progress))


def read(path):
    return json.loads(path.read_text())


def test_without_a_job_file_jobs_are_asked_for_once(files, tmp_path):
    assert ask(files, 3) == replies.Jobs()
    assert read(tmp_path / REQUEST) == {"nJobs": 3}
    ask(files, 1)
    assert read(tmp_path / REQUEST) == {"nJobs": 3}


def test_jobs_are_taken_and_their_numbers_told_to_the_wrapper(files, tmp_path):
    feed(tmp_path, job(7), job(8), job(9))
    assert [one.id for one in ask(files, 2).jobs] == [7, 8]
    assert (tmp_path / IDS).read_text() == "7\n8\n"
    ask(files, 2, "r2")
    ask(files, 2, "r2")
    assert (tmp_path / IDS).read_text() == "7\n8\n9\n"
    assert not (tmp_path / REQUEST).exists()


def test_what_was_kept_of_an_answer_goes_when_the_next_is_asked_for(files, tmp_path):
    feed(tmp_path, job(7), job(8))
    ask(files, 1, "r1")
    ask(files, 1, "r2")
    assert [path.name for path in tmp_path.glob("job_definition.*")] == ["job_definition.r2.json"]
    files.withdraw()
    assert not list(tmp_path.glob("job_definition.*"))


def test_a_request_is_taken_back_at_the_end(files, tmp_path):
    ask(files)
    files.withdraw()
    files.withdraw()
    assert not (tmp_path / REQUEST).exists()


def test_a_job_file_that_is_not_whole_may_be_so_later(files, tmp_path):
    (tmp_path / "HPCJobs.json").write_text('{"7": ')
    with pytest.raises(replies.ServerError) as caught:
        ask(files)
    assert caught.value.passes


def test_an_access_point_that_is_gone_may_come_back(tmp_path):
    with pytest.raises(replies.ServerError, match="harvester") as caught:
        ask(SharedFiles(AccessPoint(tmp_path / "gone")))
    assert caught.value.passes


def test_what_the_catalogue_names_is_linked_where_the_job_looks_for_it(files, tmp_path):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "in.raw").touch()
    (tmp_path / "PoolFileCatalog_H.xml").write_text(
        f'<P><File><physical><pfn name="{tmp_path}/cache/in.raw"/></physical><logical><lfn name="in.raw"/></logical>'
        '</File><File><pfn name="root://far/off"/><lfn name="far"/></File></P>'
    )
    feed(tmp_path, job(7, inputs=(FileSpec("in.raw", Role.INPUT, endpoint="EOS"),)))
    (found,) = ask(files).jobs
    assert found.inputs[0].endpoint == STORAGE
    assert (tmp_path / "in.raw").resolve() == tmp_path / "cache" / "in.raw"


def test_a_catalogue_that_cannot_be_read_harms_no_job(files, tmp_path):
    (tmp_path / "PoolFileCatalog_H.xml").write_text("<half")
    feed(tmp_path, job(7))
    assert len(ask(files).jobs) == 1


def test_a_running_job_is_told_by_its_attributes(files, tmp_path):
    assert tell(files, progress=(1, 2)).command == "NULL"
    said = read(tmp_path / ATTRIBUTES)
    assert (said["jobId"], said["state"], said["jobStatus"], said["node"]) == (7, "running", "running", "n")
    assert not (tmp_path / DUMP).exists()


def test_files_of_a_job_that_has_ended_are_dumped_and_not_among_its_attributes(files, tmp_path):
    feed(tmp_path, job(7, log=LOG))
    ask(files)
    stored = (
        StoredFile("a.root", 5, "adler32:0a0b0c0d", "G", f"file://{tmp_path}/a%20b", "S"),
        StoredFile("x.log.tgz", 6, "md5:" + "0" * 32, "H", "root://eos//x", "S"),
    )
    tell(files, JobState.FINISHED, files=stored)
    assert "xml" not in read(tmp_path / ATTRIBUTES)
    assert read(tmp_path / DUMP) == {
        "7": [
            {"type": "output", "path": f"{tmp_path}/a b", "guid": "G", "fsize": 5, "chksum": "0a0b0c0d"},
            {"type": "log", "path": "root://eos//x", "guid": "H", "fsize": 6, "chksum": "0" * 32},
        ]
    }


def test_a_dump_that_nobody_has_read_yet_is_added_to(files, tmp_path):
    stored = (StoredFile("a.log.tgz", 5, None, "G", "file:///a"),)
    tell(files, JobState.FINISHED, 7, files=stored)
    tell(files, JobState.FAILED, 8, files=stored)
    assert {number: [one["type"] for one in found] for number, found in read(tmp_path / DUMP).items()} == {
        "7": ["log"],
        "8": ["log"],
    }


def test_the_payloads_own_report_has_its_log_parts_emptied(files, tmp_path):
    report = {"exitCode": 0, "executor": [{"logfileReport": {"details": ["long"] * 9}, "name": "x"}]}
    tell(files, JobState.FINISHED, metadata=json.dumps(report))
    assert read(tmp_path / JOB_REPORT) == {"exitCode": 0, "executor": [{"logfileReport": {}, "name": "x"}]}
    assert "metaData" not in read(tmp_path / ATTRIBUTES)


def test_a_job_with_a_folder_of_its_own_is_told_there(files, tmp_path):
    (tmp_path / "7").mkdir()
    tell(files, JobState.FINISHED, files=(StoredFile("a", 1, None, url="file:///a"),))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["7"]
    assert sorted(path.name for path in (tmp_path / "7").iterdir()) == [DUMP, ATTRIBUTES]


def test_other_names_of_files_may_be_given(tmp_path):
    files = SharedFiles(AccessPoint(tmp_path, attributes="a.json", dump=str(tmp_path / "d.json")))
    tell(files, JobState.FINISHED, files=(StoredFile("a", 1, None, url="file:///a"),))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "d.json"]


@pytest.mark.parametrize("name", KILL)
def test_both_names_of_the_file_that_kills_a_worker_are_heeded__peer_defect_16(files, tmp_path, name):
    (tmp_path / name).touch()
    assert tell(files).command == "tobekilled"


def test_what_a_pilot_left_at_its_own_end_kills_nobody(files, tmp_path):
    (tmp_path / KILL[0]).write_text(json.dumps({**OWN_MARK, "reason": "x"}))
    assert tell(files).command == "NULL"


def test_a_report_that_cannot_be_written_may_be_later(tmp_path):
    files = SharedFiles(AccessPoint(tmp_path / "gone"))
    with pytest.raises(replies.ServerError) as caught:
        tell(files)
    assert caught.value.passes


@pytest.mark.parametrize("text", ["{}", "no json", '{"jobId": 5}'])
def test_what_is_no_report_never_will_be(files, text):
    with pytest.raises(replies.Refused):
        files.report(Report(text))


def test_a_report_kept_in_the_other_dialect_is_understood(files, tmp_path):
    from pilot.contract.codec import Dialect, encode

    files.report(Report(json.dumps(encode(update(), Dialect.V1))))
    assert read(tmp_path / ATTRIBUTES)["jobId"] == 7


def test_queue_and_storages_are_described_by_files__peer_defect_22(files, tmp_path):
    with pytest.raises(replies.BadQueueData, match="queuedata"):
        files.queue_data("Q")
    (tmp_path / "queuedata.json").write_text(json.dumps({"Q": {"nickname": "Q", "corecount": 4}}))
    assert files.queue_data("Q").cores == 4
    other = tmp_path / "other.json"
    other.write_text(json.dumps({"nickname": "Q", "corecount": 8}))
    assert files.queue_data("Q", str(other)).cores == 8
    assert list(files.storages()) == [STORAGE]
    (tmp_path / "ddmendpoints.json").write_text(json.dumps({"EOS": {"name": "EOS"}}))
    assert set(files.storages()) == {STORAGE, "EOS"}


def test_credentials_are_harvesters_business(files):
    with pytest.raises(replies.Refused, match="proxy"):
        files.new_proxy("role")
    with pytest.raises(replies.Refused, match="token"):
        files.new_token("client", "key")
    with pytest.raises(replies.Refused, match="pass"):
        files.new_pass()


def test_a_journal_can_name_the_access_point(files, tmp_path):
    assert files.name == f"harvester {tmp_path}"
    assert not files.announced
    assert isinstance(shared_files.own_storage(Path("x"))[STORAGE].protocols["read_lan"][0].path, str)
