"""The engine and the whole pilot with a real Rucio: files by scope and name, and traces of their copies."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import uuid
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.settings.everything import Settings
from pilot.settings.rucio import Rucio as Section
from pilot.settings.sections import Copy
from tests.pilot.dispatcher import QUEUE, queue_data, serving
from tests.services.rucio import DISK, ROOT, SCOPE

pytestmark = pytest.mark.one_python

HERE = Path(__file__).parents[2]
ACTIVITIES = ("read_lan", "write_lan", "pl")


@pytest.fixture(autouse=True)
def _programs(xrootd_client):
    """What Rucio's protocols run."""


def unique(name):
    return f"{uuid.uuid4().hex[:12]}-{name}"


def storages_of(rucio, xrootd):
    def entry(name, endpoint, path):
        protocol = {"endpoint": endpoint, "path": path, "flavour": "", "id": 1}
        return {"name": name, "is_deterministic": True, "arprotocols": {each: [protocol] for each in ACTIVITIES}}

    return {
        DISK: entry(DISK, "file://", str(rucio.disk)),
        ROOT: entry(ROOT, f"root://127.0.0.1:{xrootd.ports[0]}", "/rucio"),
    }


def queue_of(storage):
    return queue_data(
        copytools={"rucio": {}},
        acopytools={name: ["rucio"] for name in (*ACTIVITIES, "default")},
        astorages={name: [storage] for name in (*ACTIVITIES, "default")},
        atlas_site="TESTS",
    )


def file_of(name, role, **more):
    return FileSpec(name, role, scope=SCOPE, dataset=f"{SCOPE}:set-of-{name}", **more)


@pytest.mark.parametrize("storage", [DISK, ROOT])
def test_the_engine_stores_and_fetches_by_rucio_also_what_no_storage_of_the_queue_has(rucio, xrootd, tmp_path, storage):
    from pilot.contract.queue import QueueData, StorageEndpoint
    from pilot.copytool.base import Cancel, Deadline
    from pilot.copytool.known import Known
    from pilot.copytool.toolbox import Toolbox

    settings = Settings(rucio=Section(home=str(rucio.home), register=True), copy=Copy(attempts=1))
    storages = {name: StorageEndpoint.from_wire(name, entry) for name, entry in storages_of(rucio, xrootd).items()}
    told = []
    toolbox = Toolbox(Known({}), settings)
    engine = toolbox.engine(QueueData.from_wire(queue_of(storage)), storages, told.append)
    name = unique("out.root")
    spec = JobSpec(id=7, attempt=1, transformation="true", outputs=(file_of(name, Role.OUTPUT),))
    (tmp_path / name).write_bytes(b"events" * 1000)
    (stored,) = engine.stage_out(spec, spec.outputs, tmp_path, Deadline(60), Cancel())
    assert (stored.size, stored.endpoint) == (6000, storage)
    # The same from the other storage's queue, which does not have it: Rucio knows who does.
    (tmp_path / "in").mkdir()
    elsewhere = QueueData.from_wire({**queue_of(storage), "astorages": {}})
    reading = JobSpec(id=8, attempt=1, transformation="true", inputs=(file_of(name, Role.INPUT),))
    (arrived,) = toolbox.engine(elsewhere, storages, told.append).stage_in(
        reading, tmp_path / "in", Deadline(60), Cancel()
    )
    assert (tmp_path / "in" / name).read_bytes() == b"events" * 1000
    assert (arrived.endpoint, arrived.checksum) == (storage, stored.checksum)
    assert [(trace.direction, trace.endpoint, trace.tool, trace.well) for trace in told] == [
        ("out", storage, "rucio", True),
        ("in", storage, "rucio", True),
    ]


@pytest.fixture
def dispatcher(tmp_path, rucio, xrootd):
    with serving(tmp_path / "unused") as made:
        made.queue, made.storages = queue_of(DISK), storages_of(rucio, xrootd)
        yield made


def run_pilot(dispatcher, rucio, tmp_path, **settings):
    """Run a pilot to its end; answer its status and the final report."""
    said = {
        "rucio__home": rucio.home,
        "rucio__traces": rucio.traces_address,
        "server__authorities": rucio.authority.file,
        "monitor__free_disk_at_start": 1000000,
        "job__ask_wait": 0.05,
        **settings,
    }
    kept = {name: value for name, value in os.environ.items() if not name.startswith("COMPASS_PILOT")}
    told = {f"COMPASS_PILOT__{name.upper()}": str(value) for name, value in said.items()}
    done = subprocess.run(
        [sys.executable, "-m", "pilot", "-q", QUEUE, "--url", dispatcher.url, "-a", str(tmp_path / "base")],
        env={**kept, **told, "PYTHONPATH": str(HERE)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=90,
    )
    (final,) = dispatcher.finals()
    return done.returncode, final


def job_of(source, out, log):
    return JobSpec(
        id=7,
        attempt=1,
        transformation="/bin/sh",
        arguments=("-c", f"cat {source} {source} > {out}"),
        name="doubled",
        task_id=3,
        user="/CN=A Person",
        inputs=(file_of(source, Role.INPUT),),
        outputs=(file_of(out, Role.OUTPUT),),
        log=file_of(log, Role.LOG),
    )


def lay(rucio, name, content):
    """Let a file lie where Rucio would have put it."""
    from pilot.contract import naming

    path = rucio.disk / naming.storage_path(name, scope=SCOPE, dataset="", deterministic=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def traces_of(rucio, *names):
    found = [trace for trace in rucio.traces() if trace["filename"] in names]
    return {(trace["filename"], trace["eventType"]): trace for trace in found}


def test_a_job_by_rucio_is_finished_and_each_of_its_copies_leaves_a_trace(dispatcher, rucio, tmp_path):
    source, out, log = unique("in.txt"), unique("out.txt"), unique("log.tgz")
    lay(rucio, source, b"hello")
    dispatcher.jobs = [job_of(source, out, log)]
    status, final = run_pilot(dispatcher, rucio, tmp_path)
    assert (status, final["job_status"]) == (0, "finished"), final
    assert set(json.loads(final["job_output_report"])) == {out, log}
    found = traces_of(rucio, source, out, log)
    assert set(found) == {(source, "get_sm"), (out, "put_sm"), (log, "put_sm")}
    stored = found[out, "put_sm"]
    expected = {"clientState": "DONE", "filesize": 10, "scope": SCOPE, "pq": QUEUE, "appid": "7", "taskid": "3"}
    assert {key: stored[key] for key in expected} == expected
    assert (stored["localSite"], stored["remoteSite"]) == ("TESTS", DISK)
    assert len({trace["uuid"] for trace in found.values()}) == 1
    assert not list(rucio.disk.rglob("*.rucio.upload"))


def test_a_missing_input_fails_its_job_with_its_code_and_leaves_a_trace(dispatcher, rucio, tmp_path):
    source, out, log = unique("in.txt"), unique("out.txt"), unique("log.tgz")
    dispatcher.jobs = [job_of(source, out, log)]
    status, final = run_pilot(dispatcher, rucio, tmp_path)
    assert (status != 0, final["job_status"], final["pilot_error_code"]) == (True, "failed", ErrorCode.MISSING_INPUT), (
        final
    )
    found = traces_of(rucio, source, log)
    assert found[source, "get_sm"]["clientState"] == "FAILED"
    assert found[source, "get_sm"]["stateReason"].startswith("no such file: ")
    assert found[log, "put_sm"]["clientState"] == "DONE"


@pytest.mark.parametrize("how", ["refuses", "hangs"])
def test_a_job_does_not_suffer_from_a_rucio_that_takes_no_traces(dispatcher, rucio, tmp_path, how):
    source, out, log = unique("in.txt"), unique("out.txt"), unique("log.tgz")
    lay(rucio, source, b"hello")
    dispatcher.jobs = [job_of(source, out, log)]
    with socket.create_server(("127.0.0.1", 0)) as silent:  # connections are taken, and nothing is answered
        hangs = f"http://127.0.0.1:{silent.getsockname()[1]}/traces/"
        nobody = hangs if how == "hangs" else f"{dispatcher.url}/no/such/page"
        status, final = run_pilot(dispatcher, rucio, tmp_path, rucio__traces=nobody, rucio__trace_timeout=1)
    assert (status, final["job_status"]) == (0, "finished")
    assert dispatcher.counts.get("/no/such/page", 0) == (how == "refuses")
    assert traces_of(rucio, source, out, log) == {}
