"""Harvester's job files: both forms, half-written ones, which jobs are whose, and what stays."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest

from pilot.api.job_files import STORAGE, WORKERS_OWN, JobFiles, parse, read_jobs
from pilot.api.replies import BadAnswer
from pilot.contract.job import FileSpec, JobSpec, Role
from pilot.contract.job_wire import from_panda, to_panda
from pilot.contract.naming import SECRETS_FILE


def job(number, **more):
    return to_panda(JobSpec(id=number, attempt=1, transformation="true", **more))


def put(folder, *jobs, name="HPCJobs.json"):
    (folder / name).write_text(json.dumps({str(one["PandaID"]): one for one in jobs}))


def ids(jobs):
    return [one["PandaID"] for one in jobs]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"7": {"attemptNr": 1}}),
        json.dumps({"7": {"PandaID": 7, "attemptNr": 1}}),
        json.dumps([{"PandaID": 7, "attemptNr": 1}]),
        json.dumps({"PandaID": 7, "attemptNr": 1}),
    ],
)
def test_json_comes_in_four_shapes(text):
    assert parse(text, "x") == [{"PandaID": 7, "attemptNr": 1}]


def test_a_form_is_one_job_with_all_its_fields():
    written = job(7, arguments=("-c", "a b"), name="n")
    (found,) = parse(urlencode(written) + "\n", "x")
    assert from_panda(found) == from_panda(written)


@pytest.mark.parametrize("text", ['{"7": {"PandaID"', "{}x", '{"a": 1}', '"text"', "[1]", "no form at all", '{"7": 5}'])
def test_what_is_not_whole_or_no_job_file_is_said_so(text):
    with pytest.raises(BadAnswer, match="not whole yet"):
        parse(text, "HPCJobs.json")


def test_as_many_are_taken_as_are_wanted_and_the_others_stay(tmp_path):
    put(tmp_path, job(7), job(8), job(9))
    files = JobFiles(tmp_path)
    assert ids(files.take(2, "r1")) == [7, 8]
    assert list(json.loads((tmp_path / "HPCJobs.json").read_text())) == ["9"]
    assert ids(files.take(2, "r2")) == [9]
    assert not (tmp_path / "HPCJobs.json").exists()
    assert files.take(2, "r3") == []


def test_the_same_request_gets_the_same_jobs_again(tmp_path):
    put(tmp_path, job(7), job(8))
    first = JobFiles(tmp_path).take(1, "r1")
    assert JobFiles(tmp_path).take(1, "r1") == first
    assert list(json.loads((tmp_path / "HPCJobs.json").read_text())) == ["8"]


def test_a_pilot_that_died_before_it_emptied_the_file_took_nothing_twice(tmp_path):
    put(tmp_path, job(7), job(8))
    files = JobFiles(tmp_path)
    files.take(1, "r1")
    put(tmp_path, job(7), job(8))  # as if the file had not been written again
    assert ids(files.take(1, "r1")) == [7]
    assert ids(files.take(2, "r2")) == [8]


def test_folders_are_looked_through_in_their_order(tmp_path):
    data, access = tmp_path / "data", tmp_path / "access"
    data.mkdir()
    access.mkdir()
    put(access, job(7))
    put(data, job(8), name="pandaJobData.out")
    assert ids(JobFiles(access, (data,)).take(5, "r")) == [8, 7]


def test_jobs_in_folders_of_their_own_are_found_there(tmp_path):
    for number in (12, 11):
        (tmp_path / str(number)).mkdir()
        put(tmp_path / str(number), job(number))
    (tmp_path / "13x").mkdir()
    files = JobFiles(tmp_path)
    assert ids(files.take(1, "r1")) == [11]
    assert (files.place(12), files.place(99)) == (tmp_path / "12", tmp_path)
    assert ids(files.take(5, "r2")) == [12]


@pytest.mark.parametrize(("listed", "taken"), [([8], [8]), (["7"], [7]), ([99], [7, 8]), ([], [7, 8]), ({}, [7, 8])])
def test_only_the_workers_own_jobs_are_taken_when_harvester_says_which_these_are(tmp_path, listed, taken):
    put(tmp_path, job(7), job(8))
    (tmp_path / WORKERS_OWN).write_text(json.dumps(listed))
    assert ids(JobFiles(tmp_path).take(5, "r")) == taken


def test_a_file_that_is_being_written_is_left_alone(tmp_path):
    (tmp_path / "HPCJobs.json").write_text('{"7": {"Pan')
    with pytest.raises(BadAnswer):
        JobFiles(tmp_path).take(1, "r")
    put(tmp_path, job(7))
    assert ids(JobFiles(tmp_path).take(1, "r")) == [7]


def test_an_empty_file_is_none_yet(tmp_path):
    (tmp_path / "HPCJobs.json").touch()
    assert JobFiles(tmp_path).take(1, "r") == []


def test_a_job_that_cannot_be_read_is_told_by_its_number(tmp_path):
    found = read_jobs([{"PandaID": "7", "attemptNr": "2"}, job(8)], JobFiles(tmp_path))
    assert [one.id for one in found.jobs] == [8]
    (broken,) = found.broken
    assert (broken.id, broken.attempt) == (7, 2)
    assert "transformation" in broken.words


def test_a_job_without_a_number_cannot_be_told_to_anybody(tmp_path):
    with pytest.raises(BadAnswer, match="without a number"):
        read_jobs([{"jobName": "x"}], JobFiles(tmp_path))


def test_an_input_that_harvester_has_brought_is_taken_from_there(tmp_path):
    inputs = tuple(FileSpec(name, Role.INPUT, dataset="ds", endpoint="EOS") for name in ("here", "away"))
    (tmp_path / "here").touch()
    (found,) = read_jobs([job(7, inputs=inputs)], JobFiles(tmp_path)).jobs
    assert [(file.endpoint, file.dataset) for file in found.inputs] == [(STORAGE, ""), ("EOS", "ds")]
    (tmp_path / "7").mkdir()
    (tmp_path / "7" / "away").touch()
    (found,) = read_jobs([job(7, inputs=inputs)], JobFiles(tmp_path)).jobs
    assert [(file.endpoint, file.dataset) for file in found.inputs] == [("EOS", "ds"), (STORAGE, "7")]


def test_what_is_given_with_a_job_for_the_pilot_or_the_payload_alone_is_read_too(tmp_path):
    raws = [{**job(7), "pilotSecrets": '{"loki_password": "sesame"}', "secrets": '{"key": "hush"}'}, job(8)]
    found = read_jobs(raws, JobFiles(tmp_path))
    assert found.secrets == {(7, 1): {"loki_password": "sesame", SECRETS_FILE: '{"key": "hush"}'}}


def test_nobody_else_can_read_what_is_kept_of_jobs_and_a_job_files_mode_stays(tmp_path):
    put(tmp_path, job(7), job(8))
    (tmp_path / "HPCJobs.json").chmod(0o640)
    JobFiles(tmp_path).take(1, "a-request")
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {"HPCJobs.json": 0o640, "job_definition.a-request.json": 0o600}
