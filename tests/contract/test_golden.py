"""What we write is what the golden files hold, and what peers write is understood."""

from __future__ import annotations

import json
import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path
from urllib.parse import parse_qsl

import pytest

from pilot.api import replies
from pilot.contract.codec import Dialect, decode
from pilot.contract.job import PANDA_MB, FileSpec, Role
from pilot.contract.messages import JobUpdate, StoredFile, UpdateAnswer, WorkRequest
from pilot.contract.queue import Protocol, QueueData, StorageEndpoint
from pilot.contract.states import JobState
from tests.contract.golden.cases import CASES, OURS, PEERS, as_reply
from tests.pythons import python39

ROOT = Path(__file__).parents[2]


def peer(name):
    text = (PEERS / name).read_text()
    return json.loads(text) if name.endswith(".json") else dict(parse_qsl(text.strip(), keep_blank_values=True))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_we_write_equals_the_golden_file(case):
    assert case.text == case.path.read_text(), "meant? then: python -m tests.contract.golden.write"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_read_from_a_golden_file_equals_the_value(case):
    assert case.read(json.loads(case.path.read_text())) == case.value


def test_every_golden_file_has_its_case():
    assert {path.name for path in OURS.iterdir()} == {case.path.name for case in CASES}


READ_ALL = """
import json, sys
from pathlib import Path
from pilot.contract import codec, job_wire, messages, order
for path in sorted(Path(sys.argv[1]).glob("*.json")):
    name, _, dialect = path.name[:-5].partition(".")
    found = json.loads(path.read_text(encoding="utf-8"))
    if name in ("job", "job_bare"):
        again = job_wire.to_panda(job_wire.from_panda(found))
    elif name == "job_order":
        again = order.order_to_wire(order.order_from_wire(found))
    elif name.startswith(("update_", "work_")):
        cls = messages.JobUpdate if name.startswith("update_") else messages.WorkRequest
        again = codec.encode(codec.decode(cls, found, codec.Dialect(dialect)), codec.Dialect(dialect))
    else:
        continue
    assert again == found, path.name
    print(path.name)
"""


def test_python_3_9_reads_and_writes_the_golden_files_alike():
    old = python39()
    if old is None:
        pytest.skip("not tested: no Python 3.9 here")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [old, "-c", READ_ALL, str(OURS)], capture_output=True, text=True, env=environment, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 11


def test_both_stock_pilots_ask_for_work_in_the_same_words():
    new = decode(WorkRequest, peer("pilot311_getJob.json"), Dialect.LEGACY)
    old = decode(WorkRequest, peer("pilot37_getJob.form"), Dialect.LEGACY)
    assert new == old
    assert (new.queue, new.label, new.disk, new.memory) == ("LAB_QUEUE", "user", 14336.0, 64000.25)
    assert (new.count, new.working_group, new.allow_other_country) == (1, "", False)


def test_a_stock_pilot_under_harvester_names_its_worker():
    request = decode(WorkRequest, peer("pilot37_getJob_harvester.form"), Dialect.LEGACY)
    assert (request.harvester_id, request.worker_id, request.task_id, request.via_topic) == ("hv-1", 5012, 77, True)
    assert (request.count, request.user) == (1, "")


def test_the_first_report_of_a_stock_pilot_says_little():
    update = decode(JobUpdate, peer("pilot311_updateJob_starting.json"), Dialect.LEGACY)
    assert (update.job_id, update.attempt, update.state) == (7001, 1, JobState.STARTING)
    assert update.start_time == datetime(2026, 11, 21, 20, 56, 39, 56000, tzinfo=timezone.utc)
    assert update.timestamp == datetime(2026, 11, 21, 20, 56, 39, tzinfo=timezone.utc)
    assert update.files is None
    assert update.metadata is None


LOG_FILE = StoredFile(
    "job.7001.log.tgz",
    11189,
    "adler32:3f2bbe90",
    "00000000-0000-0000-0000-000000007001",
    "file://localhost/store/user/lab/33/f0/job.7001.log.tgz",
    "LAB_DISK",
)


def test_the_last_report_of_stock_pilot_3_11_names_what_it_stored():
    update = decode(JobUpdate, peer("pilot311_updateJob_finished.json"), Dialect.LEGACY)
    surl = "file://localhost/store/user/lab/77/d0/sum.txt"
    output = StoredFile("sum.txt", 10, "adler32:0f3902f3", "777077DA-8982-497C-B221-697975B846C8", surl, "LAB_DISK")
    assert update.files == (output, LOG_FILE)
    assert (update.exit_status, update.pilot_error, update.payload_error, update.cpu_time) == (0, 0, 0, 11)
    assert (update.max_rss, update.mean_rss, update.rate_rchar, update.mean_cores) == (102400, 51200, 17, 0.93)


def test_the_last_report_of_stock_pilot_3_7_names_no_endpoint():
    update = decode(JobUpdate, peer("pilot37_updateJob_finished.form"), Dialect.LEGACY)
    assert update.files is not None
    assert [(file.lfn, file.size, file.guid, file.endpoint) for file in update.files] == [
        ("sum.txt", 10, "", ""),
        ("job.7001.log.tgz", 11189, LOG_FILE.guid, ""),
    ]
    assert update.end_time == datetime(2026, 11, 21, 20, 56, 53, 148107, tzinfo=timezone.utc)


def test_an_older_pilot_writes_times_and_checksums_in_another_way():
    update = decode(JobUpdate, peer("pilot2_updateJob_finished.form"), Dialect.LEGACY)
    assert update.start_time == datetime(2026, 11, 21, 20, 56, 39, tzinfo=timezone.utc)
    assert update.files is not None
    assert update.files[0].checksum == "md5:" + "0f" * 16
    assert (update.exit_status, update.cores) == (None, None)


@pytest.mark.parametrize(("name", "error", "files"), [("failed", 1305, (LOG_FILE,)), ("killed", 1144, None)])
def test_a_failed_job_of_a_stock_pilot_tells_its_number(name, error, files):
    update = decode(JobUpdate, peer(f"pilot311_updateJob_{name}.json"), Dialect.LEGACY)
    assert (update.state, update.pilot_error, update.files) == (JobState.FAILED, error, files)


@pytest.mark.parametrize(
    ("name", "reader"),
    [("panda_getJob.json", replies.jobs_legacy), ("panda_acquire_jobs.json", replies.jobs_v1)],
)
def test_a_job_of_panda_is_understood_in_both_dialects(name, reader):
    (job,) = reader(as_reply(peer(name))).jobs
    assert (job.key, job.task_id, job.cores, job.max_walltime) == ((7001, 1), 77, 1, 3600)
    assert job.memory == 2000 * PANDA_MB
    assert job.arguments == ("cat in.txt; wc -c in.txt > sum.txt",)
    assert (job.release, job.home_package, job.platform) == ("", "", "")
    guid = "11111111-2222-3333-4444-555555555555"
    assert job.inputs == (
        FileSpec("in.txt", Role.INPUT, "user.lab", "user.lab.a", 12, "adler32:1e720467", "LAB_DISK", guid),
        FileSpec("more.txt", Role.INPUT, "user.lab", "user.lab.b", None, None, "LAB_DISK"),
    )
    assert job.outputs == (FileSpec("sum.txt", Role.OUTPUT, "user.lab", "user.lab.out", endpoint="LAB_DISK"),)
    assert job.log == FileSpec(
        "job.7001.log.tgz", Role.LOG, "user.lab", "user.lab.out", endpoint="LAB_DISK", guid=LOG_FILE.guid
    )


def test_pandas_other_answers_are_understood():
    assert replies.jobs_legacy(as_reply(peer("panda_getJob_none.json"))) == replies.Jobs()
    assert replies.update_legacy(as_reply(peer("panda_updateJob.json"))) == UpdateAnswer()
    assert replies.update_v1(as_reply(peer("panda_update_job.json"))) == UpdateAnswer()
    with pytest.raises(replies.ServerError, match="Timed out"):
        replies.update_v1(as_reply(peer("panda_update_job_timed_out.json")))


def test_a_queues_description_is_understood():
    queue = QueueData.from_wire(peer("schedconfig.json"))
    assert (queue.name, queue.site, queue.state, queue.status, queue.cores) == (
        "LAB_QUEUE",
        "LAB",
        "ACTIVE",
        "online",
        8,
    )
    assert (queue.memory, queue.max_workdir) == (16000 * PANDA_MB, 20000 * PANDA_MB)
    assert (queue.max_input_size, queue.time_floor, queue.max_time) == (0, 90, 86400)
    assert queue.copytools_for("read_lan") == ("xrdcp", "mv")
    assert queue.copytools_for("write_lan", "w") == ("mv",)
    assert (queue.storages_for("pl"), queue.storages_for("write_lan")) == (("LAB_LOGS",), ())
    assert queue.copytools == {"mv": {"setup": ""}, "xrdcp": {}}


def test_a_storages_description_is_understood():
    storage = StorageEndpoint.from_wire("LAB_DISK", peer("ddmendpoints.json")["LAB_DISK"])
    assert (storage.name, storage.deterministic, storage.state) == ("LAB_DISK", True, "ACTIVE")
    xroot = Protocol("root://se.example:1094", "//store")
    assert storage.protocols_for("read_lan") == (xroot, Protocol("file://localhost", "/store"))
    assert xroot.scheme == "root"
    assert storage.protocols_for("delete", "write_lan") == (Protocol("file://localhost", "/store"),)
    assert storage.protocols_for("delete") == ()
