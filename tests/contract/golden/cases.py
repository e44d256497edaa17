"""Each message that we write, with a telling value: what `write` makes the files from, and the tests compare."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pilot.api import replies
from pilot.contract.codec import Dialect, decode, encode
from pilot.contract.codes import ErrorCode
from pilot.contract.job import PANDA_MB, FileSpec, JobOrder, JobSpec, Program, Role
from pilot.contract.job_wire import from_panda, to_panda
from pilot.contract.messages import NO_JOBS_TEXT, JobUpdate, StatusCode, StoredFile, UpdateAnswer, WorkRequest
from pilot.contract.order import order_from_wire, order_to_wire
from pilot.contract.queue import StorageEndpoint, local_storage
from pilot.contract.states import JobState

OURS = Path(__file__).with_name("ours")
PEERS = Path(__file__).with_name("peers")


@dataclass(frozen=True)
class Case:
    """One file: what is in it, and what must be read from it."""

    name: str
    written: Any
    read: Callable[[Any], Any]
    value: Any

    @property
    def path(self) -> Path:
        return OURS / f"{self.name}.json"

    @property
    def text(self) -> str:
        return json.dumps(self.written, indent=1, ensure_ascii=False) + "\n"


RAW = FileSpec(
    lfn="cdr12-278473.raw",
    role=Role.INPUT,
    scope="compass",
    dataset="compass/2016/P07/raw",
    size=1_073_741_824,
    checksum="adler32:0a1b2c3d",
    endpoint="CERN_EOS",
    guid="6f0d3c5e-5f0e-4a57-9a3c-0d5a3f1b7a10",
)
OPTIONS = FileSpec(lfn="recoµ.opt", role=Role.INPUT, dataset="compass/2016/P07/options")
MDST = FileSpec(
    lfn="mDST-278473-12-7-8.root",
    role=Role.OUTPUT,
    scope="compass",
    dataset="compass/2016/P07/mDST.chunks",
    endpoint="CERN_EOS",
)
HISTOGRAMS = FileSpec(lfn="278473-12-7.root", role=Role.OUTPUT, dataset="compass/2016/P07/TRAFDIC", endpoint="CERN_EOS")
LOG = FileSpec(
    lfn="dvcs2016P07t1-278473-12-7-8.job.log.tgz",
    role=Role.LOG,
    scope="compass",
    dataset="compass/2016/P07/logFiles",
    endpoint="CERN_EOS",
    guid="0d6f7f0a-9a44-4a0f-8f9e-0c8f2d6b9e21",
)
JOB = JobSpec(
    id=4100000123,
    attempt=2,
    transformation="compass-mc",
    arguments=("reconstruct", "--options", "recoµ.opt", "two words", "", "it's"),
    name="dvcs2016P07t1-2016--278473-12-7-8",
    task_id=17,
    label="prod_test",
    processing_type="mcreco",
    user="production",
    working_group="compass",
    release="coral-2.1",
    home_package="phast.8",
    platform="x86_64-el9-gcc11-opt",
    container="compass/coral:2.1",
    cores=2,
    priority=2000,
    max_walltime=86_400,
    max_cpu_time=172_800,
    memory=4000 * PANDA_MB,
    disk=20_000 * PANDA_MB,
    looping_check=False,
    allow_no_output=(HISTOGRAMS.lfn,),
    debug=True,
    inputs=(RAW, OPTIONS),
    outputs=(MDST, HISTOGRAMS),
    log=LOG,
)
BARE_JOB = JobSpec(id=1, attempt=0, transformation="true")
ORDER = JobOrder(
    spec=replace(JOB, id=0, attempt=0),
    queue="CERN_COMPASS_PROD",
    max_attempts=5,
    share="production",
    waits=True,
)
REQUEST = WorkRequest(
    queue="CERN_COMPASS_PROD",
    label="managed",
    count=4,
    memory=16_000.0,
    disk=20_000.0,
    node="slot1@b7g18p2041.example",
    computing_element="ce.example",
    remaining_time=80_000.0,
    harvester_id="factory-1",
    worker_id=311,
    background=False,
)
STARTED = datetime(2026, 11, 21, 20, 56, 39, tzinfo=timezone.utc)
ENDED = datetime(2026, 11, 21, 21, 56, 53, tzinfo=timezone.utc)
RUNNING = JobUpdate(
    job_id=JOB.id,
    state=JobState.RUNNING,
    attempt=2,
    queue="CERN_COMPASS_PROD",
    node="b7g18p2041.example",
    start_time=STARTED,
    batch_id="100.7",
    cores=2,
    mean_cores=2.0,
    max_rss=2_100_000,
    metrics="nEvents=5000",
)
FINISHED = JobUpdate(
    job_id=JOB.id,
    state=JobState.FINISHED,
    attempt=2,
    queue="CERN_COMPASS_PROD",
    node="b7g18p2041.example",
    start_time=STARTED,
    end_time=ENDED,
    pilot_id="unknown|local|PR|0.1.0",
    files=(
        StoredFile(
            lfn=MDST.lfn,
            size=40_960,
            checksum="adler32:00f902f3",
            guid="777077da-8982-497c-b221-697975b846c8",
            url=f"root://eos.example//eos/compass/{MDST.dataset}/{MDST.lfn}",
            endpoint="CERN_EOS",
        ),
        StoredFile(lfn=LOG.lfn, size=33, checksum="md5:" + "0f" * 16, guid=LOG.guid, url="", endpoint="CERN_EOS"),
    ),
    metadata='{"nevents": 10000}',
    exit_status=0,
    pilot_timing="1|2|3600|4|0|0",
    events=10_000,
    cpu_time=7_100,
    cpu_model="s+Example CPU 1024 KB",
)
FAILED = JobUpdate(
    job_id=JOB.id,
    state=JobState.FAILED,
    attempt=2,
    queue="CERN_COMPASS_PROD",
    start_time=STARTED,
    end_time=ENDED,
    files=(),
    pilot_error=ErrorCode.PAYLOAD_FAILED.value,
    pilot_error_words="the payload ended with status 7",
    payload_error=1243,
    payload_error_words="_LEDinSpills empty string from calib file",
    exit_status=7,
    pilot_log="the last lines of the payload's error output",
)
KILL = UpdateAnswer("debug,tobekilled")


def _message(name: str, value: Any, dialect: Dialect) -> Case:
    return Case(
        f"{name}.{dialect.value}", encode(value, dialect), lambda data: decode(type(value), data, dialect), value
    )


def _jobs(name: str, jobs: tuple[JobSpec, ...]) -> list[Case]:
    """Make the answers to a request for work, as the server gives them and a pilot reads them."""
    listed = [to_panda(job) for job in jobs]
    if jobs:
        legacy = {"StatusCode": StatusCode.OK.value, **listed[0]}
        v1: dict[str, Any] = {
            "success": True,
            "message": "",
            "data": {"StatusCode": StatusCode.OK.value, "jobs": listed},
        }
    else:
        legacy = {"StatusCode": StatusCode.NO_JOBS.value, "errorDialog": NO_JOBS_TEXT}
        v1 = {"success": False, "message": NO_JOBS_TEXT, "data": None}
    return [
        Case(f"jobs_{name}.legacy", legacy, lambda data: replies.jobs_legacy(as_reply(data)).jobs, jobs[:1]),
        Case(f"jobs_{name}.v1", v1, lambda data: replies.jobs_v1(as_reply(data)).jobs, jobs),
    ]


def as_reply(data: Any) -> replies.Raw:
    """Make what a pilot receives: an HTTP status and a body."""
    return 200, json.dumps(data).encode()


def _command(name: str, answer: UpdateAnswer) -> list[Case]:
    legacy = {"StatusCode": StatusCode.OK.value, **encode(answer, Dialect.LEGACY)}
    v1 = {
        "success": True,
        "message": "",
        "data": {"StatusCode": StatusCode.OK.value, **encode(answer, Dialect.V1)},
    }
    return [
        Case(f"command_{name}.legacy", legacy, lambda data: replies.update_legacy(as_reply(data)), answer),
        Case(f"command_{name}.v1", v1, lambda data: replies.update_v1(as_reply(data)), answer),
    ]


def _storage(data: Any) -> StorageEndpoint:
    return StorageEndpoint.from_wire("LOCAL_DISK", data)


PROGRAMS = replace(
    BARE_JOB,
    preprocess=Program("prepare.sh", ("--points", "two words")),
    postprocess=Program("/cvmfs/compass.cern.ch/bin/collect"),
    coprocess=Program("watch.sh", ("payload.stdout",)),
)
_FOLDER = local_storage("LOCAL_DISK", "/data/store")
_LEGACY_REQUEST = replace(REQUEST, working_group="compass", allow_other_country=False, cpu_mhz=2596.134)

CASES = [
    Case("job", to_panda(JOB), from_panda, JOB),
    Case("job_bare", to_panda(BARE_JOB), from_panda, BARE_JOB),
    Case("job_with_programs", to_panda(PROGRAMS), from_panda, PROGRAMS),
    Case("job_order", order_to_wire(ORDER), order_from_wire, ORDER),
    Case("local_storage", _FOLDER, _storage, _storage(_FOLDER)),
    _message("work_request", REQUEST, Dialect.V1),
    _message("work_request", _LEGACY_REQUEST, Dialect.LEGACY),
    *(
        _message(f"update_{update.state.value}", update, dialect)
        for update in (RUNNING, FINISHED, FAILED)
        for dialect in Dialect
    ),
    *_jobs("some", (JOB, BARE_JOB)),
    *_jobs("none", ()),
    *_command("none", UpdateAnswer()),
    *_command("kill", KILL),
]
