"""What pilots have had trouble with for years, tried on a whole one: credentials, web proxies, servers in trouble."""

from __future__ import annotations

import json

import pytest

from tests.pilot.dispatcher import QUEUE, queue_data, serving
from tests.pilot.test_end_to_end import ACQUIRE, UPDATE, Stage, job, shell

pytestmark = pytest.mark.one_python

DESCRIPTIONS = (f"/cache/schedconfig/{QUEUE}.all.json", "/cache/ddmendpoints.json")
PAGE = b"<html><head><title>502 Bad Gateway</title></head></html>"


@pytest.fixture
def stage(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        made = Stage(tmp_path, dispatcher)
        yield made
        made.close()


@pytest.mark.parametrize(
    "answer",
    [(200, PAGE), (403, PAGE), (502, PAGE), (302, b""), (429, b""), (200, b""), (200, b'{"success": tr'), None],
    ids=["page", "forbidden", "gateway", "moved", "too-many", "empty", "cut", "closed"],
)
def test_a_server_in_trouble_loses_no_job_and_gets_one_final_report(stage, answer):
    def misbehave(path, count):
        if count < 2 and path in (*DESCRIPTIONS, ACQUIRE, UPDATE):
            if answer is None:
                raise ConnectionAbortedError
            return answer
        return None

    stage.dispatcher.misbehave = misbehave
    stage.dispatcher.jobs = [shell("echo made > out.txt", outputs=["out.txt"])]
    status, said = stage.run(job__failures=20, job__ask_wait=0.02)
    assert (status, stage.final()["job_status"]) == (0, "finished"), said


def test_a_final_report_is_taken_with_the_token_that_came_while_the_job_ran(stage):
    token = stage.folder / "token"
    token.write_text("tok-old\n")

    def misbehave(path, count):
        if path == UPDATE and count == 2:  # the old one has expired; somebody brings another
            token.write_text("tok-new\n")
            return 401, b'{"message": "token expired"}'
        return None

    stage.dispatcher.misbehave = misbehave
    stage.dispatcher.jobs = [shell("true")]
    del stage.environment["COMPASS_PILOT_TOKEN"]
    status, said = stage.run("--token-file", str(token))
    assert (status, stage.final()["job_status"]) == (0, "finished"), said
    used = [headers["Authorization"] for headers in stage.dispatcher.headers]
    assert used == [*["Bearer tok-old"] * (len(used) - 1), "Bearer tok-new"]


def test_web_proxies_and_logins_of_the_nodes_environment_are_meant_for_others(stage, tmp_path):
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    stage.environment.update(dict.fromkeys(("http_proxy", "https_proxy", "ALL_PROXY"), "http://127.0.0.1:9"))
    stage.environment["NETRC"] = str(tmp_path / "netrc")
    stage.dispatcher.jobs = [shell("true")]
    status, said = stage.run()
    assert status == 0, said
    assert {headers["Authorization"] for headers in stage.dispatcher.headers} == {"Bearer tok-secret-1"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"maxrss": "plenty"}, "maxrss: 'plenty' is not a whole number"),
        ({"copytools": ["local"]}, "copytools: ['local'] is not a JSON object"),
        ({"acopytools": {"pr": "local"}}, "acopytools.pr: 'local' is not a list"),
        ({"nickname": None}, "nickname: missing"),
    ],
)
def test_a_malformed_description_of_the_queue_is_named_by_its_field(stage, changes, words):
    stage.dispatcher.queue = queue_data(**changes)
    status, said = stage.run()
    assert status == 71
    assert words in said


def test_what_a_queue_says_nothing_of_is_null_in_many_ways(stage):
    silent = dict.fromkeys(("maxrss", "maxtime", "maxwdir", "timefloor", "appdir", "environ", "catchall"))
    stage.dispatcher.queue = queue_data(**silent, params=None, corecount="", container_type="None")
    stage.dispatcher.jobs = [shell("true")]
    assert stage.run()[0] == 0


def test_a_description_that_spoils_later_ends_the_asking_and_no_job(stage):
    stage.dispatcher.misbehave = lambda path, count: (200, b"[]") if path == DESCRIPTIONS[0] and count else None
    stage.dispatcher.jobs = [job("true", log="one.log.tgz"), job("true", id=8, log="two.log.tgz")]
    stage.run(queue__refresh=0, job__time_floor=30, job__failures=2, job__ask_wait=0.02)
    assert json.loads(stage.final()["job_output_report"]).keys() == {"one.log.tgz"}
