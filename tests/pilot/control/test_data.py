from __future__ import annotations

import shutil
import tarfile
from dataclasses import replace

import pytest

from pilot.api.copytools import copytools
from pilot.contract.codes import ErrorCode
from pilot.contract.job import FileSpec, Role
from pilot.contract.messages import StoredFile
from pilot.control import moving
from pilot.control.data import PILOT_LOG, Logs
from pilot.control.lifecycle import Effect, Event
from pilot.control.news import Stored, Transferred
from pilot.copytool.local import Local
from pilot.errors import JobFailed
from pilot.hookspecs import hookimpl
from pilot.job import Problem
from pilot.settings.sections import Log
from tests.pilot.runtime.test_transformation import serving

IN = FileSpec("in.txt", Role.INPUT, dataset="ds", size=5)
OUT = FileSpec("out.txt", Role.OUTPUT, dataset="ds")


@pytest.fixture
def stored(bench):
    (bench.storage / "ds").mkdir()
    (bench.storage / "ds" / "in.txt").write_text("hello")
    return bench


def test_inputs_arrive_in_a_directory_made_for_the_job(stored):
    spec = stored.spec(inputs=(IN,))
    stored.data().stage_in(stored.work(Effect.STAGE_IN, spec))
    assert stored.told[-1].event is Event.INPUT_READY
    assert (stored.base / "PanDA_Pilot-7-1" / "in.txt").read_text() == "hello"


def test_an_input_that_is_not_there_fails_with_its_code(bench):
    with pytest.raises(JobFailed, match=r"in\.txt") as caught:
        bench.data().stage_in(bench.work(Effect.STAGE_IN, bench.spec(inputs=(IN,))))
    assert caught.value.code in (ErrorCode.MISSING_INPUT, ErrorCode.NO_SUCH_FILE)


def test_a_job_needs_room_to_begin(bench):
    with pytest.raises(JobFailed, match="a job needs") as caught:
        bench.data(free_disk_at_start=10**18).stage_in(bench.work(Effect.STAGE_IN))
    assert caught.value.code is ErrorCode.NO_LOCAL_SPACE


def test_a_plugin_may_object_to_a_job(bench):
    class Objecting:
        @hookimpl
        def verify_job(self, spec):
            return f"{spec.transformation} is not known here"

    bench.plugins.register(Objecting())
    with pytest.raises(JobFailed, match="true is not known here"):
        bench.data().stage_in(bench.work(Effect.STAGE_IN))


def test_a_transformation_by_address_is_fetched_before_the_inputs_and_can_be_run(bench, tmp_path):
    """Whole way: allowed, fetched, run by the generic plugin in the job's directory."""
    with serving({"/trf/run.sh": [(200, {}, b"#!/bin/sh\necho $1 > out.txt\n")]}) as (url, _):
        spec = bench.spec(f"{url}/trf/run.sh", "hello", outputs=(OUT,))
        data = bench.data(bench.doors(f"{url}/trf/"))
        data.stage_in(bench.work(Effect.STAGE_IN, spec))
    bench.payload().run(bench.work(Effect.RUN_PAYLOAD, spec))
    assert [answer.event for answer in bench.told] == [Event.INPUT_READY, Event.PAYLOAD_OK]
    assert (bench.base / "PanDA_Pilot-7-1" / "out.txt").read_text() == "hello\n"


@pytest.mark.parametrize("name", ["payload.stdout", "pilotlog.txt", "tmp", ".compass-allocation.json", ".compass-kept"])
def test_an_input_under_a_name_of_the_pilots_own_is_refused(bench, name):
    spec = bench.spec(inputs=(FileSpec(name, Role.INPUT),))
    with pytest.raises(JobFailed, match=f"{name} is the name of a file that the pilot writes"):
        bench.data().stage_in(bench.work(Effect.STAGE_IN, spec))


def test_work_whose_turn_comes_too_late_leaves_nothing(bench):
    data, work = bench.data(), bench.work(Effect.STAGE_IN)
    data.clean(work)
    with pytest.raises(JobFailed, match="stopped before its inputs were fetched"):
        data.stage_in(work)
    assert not list(bench.base.glob("PanDA_Pilot-*"))


def test_each_output_is_told_as_soon_as_it_is_stored(bench):
    spec = bench.spec(outputs=(OUT,))
    (bench.make(spec) / "out.txt").write_text("result")
    bench.data().stage_out(bench.work(Effect.STAGE_OUT, spec))
    first, tried, last = bench.told
    assert [(one["lfn"], one["direction"], one["size"]) for one in tried.tries] == [("out.txt", "out", 6)]
    assert isinstance(first, Stored)
    assert (first.file.lfn, first.file.size, last.event) == ("out.txt", 6, Event.OUTPUT_STORED)
    assert (bench.storage / "ds" / "out.txt").read_text() == "result"


def test_an_output_that_was_not_written_fails_with_its_code(bench):
    spec = bench.spec(outputs=(OUT,))
    bench.make(spec)
    with pytest.raises(JobFailed, match=r"out\.txt") as caught:
        bench.data().stage_out(bench.work(Effect.STAGE_OUT, spec))
    assert caught.value.code is ErrorCode.OUTPUT_MISSING


def members(bench):
    with tarfile.open(bench.storage / "ds" / "job.log.tgz") as packed:
        return {name.partition("/")[2] for name in packed.getnames()}


def test_the_log_holds_what_is_left_and_the_pilots_log_but_no_inputs_or_outputs(bench):
    class Naming:
        @hookimpl
        def redundant_files(self):
            return ["*.pool"]

    bench.plugins.register(Naming())
    spec = bench.spec(inputs=(IN,), outputs=(OUT,))
    place = bench.make(spec)
    for name in ("in.txt", "out.txt", "core", "x.pool", "payload.stdout"):
        (place / name).write_text("text")
    (bench.base / PILOT_LOG).write_text("the pilot says")
    bench.data().stage_log(bench.work(Effect.STAGE_LOG, spec))
    assert members(bench) == {"payload.stdout", PILOT_LOG}
    assert [type(item).__name__ for item in bench.told] == ["Stored", "Transferred", "Answer"]


def test_the_pilots_log_is_not_written_through_a_link_that_a_payload_has_made(bench, tmp_path):
    (tmp_path / "treasure").write_text("mine")
    spec = bench.spec()
    (bench.make(spec) / PILOT_LOG).symlink_to(tmp_path / "treasure")
    (bench.base / PILOT_LOG).write_text("the pilot says")
    bench.data().stage_log(bench.work(Effect.STAGE_LOG, spec))
    assert PILOT_LOG in members(bench)
    assert (tmp_path / "treasure").read_text() == "mine"


def test_a_log_holds_no_token(bench):
    spec = bench.spec()
    (bench.make(spec) / "payload.stdout").write_text("my token is tok-123")
    bench.data(logs=Logs(secrets=lambda: ["tok-123"])).stage_log(bench.work(Effect.STAGE_LOG, spec))
    with tarfile.open(bench.storage / "ds" / "job.log.tgz") as packed:
        text = packed.extractfile("PanDA_Pilot-7-1/payload.stdout").read()
    assert text == b"my token is *******"


@pytest.mark.parametrize(
    ("wanted", "failed", "there"), [(True, True, True), (False, True, False), (True, False, False)]
)
def test_the_log_of_a_job_that_failed_holds_what_a_replay_needs(bench, wanted, failed, there):
    work = bench.work(Effect.STAGE_LOG)
    bench.make(work.job.spec)
    problem = Problem(ErrorCode.PAYLOAD_FAILED, "no beam") if failed else None
    data = bench.data(logs=Logs(Log(failure_bundle=wanted), secrets=lambda: ["no beam"]))
    data.stage_log(work._replace(job=work.job.evolve(problem=problem)))
    assert ("replay.json" in members(bench)) is there
    if there:
        with tarfile.open(bench.storage / "ds" / "job.log.tgz") as packed:
            assert b"no beam" not in packed.extractfile("PanDA_Pilot-7-1/replay.json").read()


def test_where_inputs_came_from_is_noted_for_a_replay(bench):
    (bench.storage / "ds").mkdir()
    (bench.storage / "ds" / "in.txt").write_text("hello")
    spec = bench.spec(inputs=(IN,))
    bench.data().stage_in(bench.work(Effect.STAGE_IN, spec))
    noted = (bench.base / "PanDA_Pilot-7-1" / ".compass-inputs.json").read_text()
    assert f"file://{bench.storage}/ds/in.txt" in noted


def test_outputs_that_another_pilot_has_stored_are_not_stored_again(bench):
    spec = bench.spec(outputs=(OUT, replace(OUT, lfn="more.txt")))
    (bench.make(spec) / "more.txt").write_text("more")
    work = bench.work(Effect.STAGE_OUT, spec)
    bench.data().stage_out(work._replace(job=work.job.evolve(stored=(StoredFile("out.txt", 3, None),))))
    assert [told.file.lfn for told in bench.told if isinstance(told, Stored)] == ["more.txt"]


def test_a_job_that_never_began_has_a_log_too(bench):
    bench.base.mkdir()
    (bench.base / PILOT_LOG).write_text("the pilot says")
    bench.data().stage_log(bench.work(Effect.STAGE_LOG))
    assert members(bench) == {PILOT_LOG}


def test_a_job_without_a_log_needs_none(bench):
    bench.data().stage_log(bench.work(Effect.STAGE_LOG, bench.spec(log=None)))
    assert [answer.event for answer in bench.told] == [Event.LOG_STORED]


def test_a_log_that_cannot_be_stored_fails_with_a_code(bench):
    shutil.rmtree(bench.storage)
    bench.storage.write_text("not a folder")
    with pytest.raises(JobFailed):
        bench.data().stage_log(bench.work(Effect.STAGE_LOG))


@pytest.mark.parametrize(("site", "server"), [(False, False), (True, False), (False, True)])
def test_a_jobs_directory_is_removed_unless_the_site_or_the_server_wants_it_kept(bench, site, server):
    spec = bench.spec()
    place = bench.make(spec)
    (place / "panda_secrets.json").write_text("{}")
    bench.data(keep_workdir=site).clean(bench.work(Effect.CLEAN, spec)._replace(keep=server))
    assert place.exists() is (site or server)
    assert not (place / "panda_secrets.json").exists(), "it was for the payload alone"
    assert list(moving.places(bench.base)) == [], "no other pilot looks at it"


def test_a_copy_tool_that_was_registered_later_replaces_one_of_the_same_name(bench):
    class Mine(Local):
        name = "local"

    class Offering:
        @hookimpl
        def register_copytools(self):
            return [Mine]

    assert copytools(bench.plugins)["local"] is Local
    bench.plugins.register(Offering())
    assert copytools(bench.plugins)["local"] is Mine


# Each try to copy a file.


def test_the_tries_that_failed_are_told_before_the_failure(bench):
    spec = bench.spec(inputs=(IN,))
    with pytest.raises(JobFailed):
        bench.data().stage_in(bench.work(Effect.STAGE_IN, spec))
    (told,) = bench.told
    assert isinstance(told, Transferred)
    assert [(one["lfn"], one["kind"]) for one in told.tries] == [("in.txt", "no such file")]


def test_the_log_holds_the_tries_and_they_are_told_to_whoever_wants_to_know(stored):
    spec = stored.spec(inputs=(IN,))
    seen = []
    data = stored.data(on_try=lambda *told: seen.append(told))
    data.stage_in(stored.work(Effect.STAGE_IN, spec))
    data.stage_log(stored.work(Effect.STAGE_LOG, spec))
    assert "transfers.json" in members(stored)
    assert [(job.id, queue.name, trace.lfn) for job, queue, trace in seen] == [
        (7, "TEST", "in.txt"),
        (7, "TEST", "job.log.tgz"),
    ]
    tries = [item for item in stored.told if isinstance(item, Transferred)][-1].tries
    assert [(one["lfn"], one["direction"]) for one in tries] == [("in.txt", "in"), ("job.log.tgz", "out")]
