import io

import pytest
from rich.console import Console

from client.errors import ClientError, Unanswered
from client.local import demo
from client.local.demo import Wanted


def wanted(**sizes):
    return Wanted(
        **{"runs": 2, "chunks": 3, "events": 100, "slots": 2, "bundle": None, "keep": False, "time_limit": 9} | sizes
    )


def check(run, verdict="yes", kind="mdst"):
    return {"run": run, "kind": kind, "verdict": verdict, "expected": 5, "found": 5, "words": ""}


def step(**counts):
    return {"label": "generation", "total": 4, "done": 0, "active": 0, "bad": 0, "words": ""} | counts


def task(status="done", **fields):
    plain = {
        "name": "demo1",
        "status": status,
        "runs": 2,
        "jobs": {"finished": 3},
        "steps": [step(done=4)],
        "matrix": [],
    }
    return plain | {"checks": [check(1), check(2)], "outputs": [], "events": {"done": 10, "merged": 10}} | fields


@pytest.mark.parametrize("name", ["runs", "chunks", "events", "slots"])
def test_a_demonstration_of_nothing_is_refused_by_the_name_of_its_option(name):
    with pytest.raises(ClientError, match=f"--{name} is 0; give 1 or more"):
        wanted(**{name: 0})


def test_the_reconstruction_takes_what_the_generation_makes():
    generation, reconstruction = demo.definitions(4, wanted(), 2026)
    assert generation["runs"].splitlines() == ["277001, 3", "277002, 3"]
    assert (generation["type"], reconstruction["type"]) == ("mc_generation", "mc_reconstruction")
    assert reconstruction["parent"] == generation["name"] == "demo4-generation"


@pytest.mark.parametrize(
    ("checks", "verdict"),
    [
        ([check(1), check(2)], "yes"),
        ([check(1), check(2), check(2, kind="dump")], "yes"),
        ([check(1)], "no"),
        ([], "no"),
        ([check(1), check(2, "manual_check")], "manual_check"),
        ([check(1), check(2), check(2, "manual_check", kind="dump")], "manual_check"),
        # A dump says nothing about the events of a run.
        ([check(1), check(2, kind="dump")], "no"),
    ],
)
def test_the_verdict_is_yes_only_if_every_run_was_checked_and_found_right(checks, verdict):
    assert demo.verdict_of(checks, runs=2) == verdict


@pytest.mark.parametrize(("status", "verdict"), [("done", "yes"), ("running", "no"), ("cancelled", "no")])
def test_a_task_that_is_not_done_is_not_well_whatever_its_checks_say(status, verdict):
    assert demo.summary_of(task(), task(status), None)["verdict"] == verdict


def test_jobs_of_both_tasks_are_added_up_by_state():
    assert demo.jobs_of([task(), task(jobs={"finished": 2, "failed": 1})]) == {"finished": 5, "failed": 1}


def test_the_end_of_a_demonstration_names_events_verdict_plot_and_page():
    summary = demo.summary_of(task(), task(), "/home/user/demo.png")
    summary |= {"seconds": 12.3, "page": "http://127.0.0.1:1", "page_is_up": True}
    console = Console(file=io.StringIO(), width=120)
    console.print(demo.shown(summary))
    text = console.file.getvalue()
    assert "10 generated, 10 reconstructed, 10 merged" in text
    for words in ("demo1 (done, 12.3 s)", "finished 6", "/home/user/demo.png", "http://127.0.0.1:1"):
        assert words in text


@pytest.mark.parametrize(
    ("found", "quiet", "ended"),
    [
        ([task("running"), task("done")], 0, True),
        ([task("running"), task("cancelled")], 0, True),
        ([task("running"), task("running")], 999, False),
        ([task("running", steps=[step(bad=1)]), task("running")], demo.STUCK + 1, True),
        ([task("running", steps=[step(bad=1)]), task("running")], demo.STUCK - 1, False),
        ([task("running", steps=[step(bad=1, active=1)]), task("running")], 999, False),
    ],
)
def test_it_is_over_when_all_is_done_or_something_is_bad_and_nothing_moves(found, quiet, ended):
    assert demo._ended(found, quiet) is ended


def test_a_server_that_is_being_started_again_is_asked_until_it_answers():
    answers = [Unanswered("away"), Unanswered("away"), 7]

    def ask():
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    assert demo.patiently(ask, seconds=5, look=0) == 7


def test_a_server_that_stays_away_is_given_up_in_its_own_words():
    def ask():
        raise Unanswered("no one is there")

    with pytest.raises(Unanswered, match="no one is there"):
        demo.patiently(ask, seconds=0, look=0)


def test_a_path_with_blanks_is_found_behind_its_url():
    assert demo.path_of("file:///data/my%20runs/a.root") == "/data/my runs/a.root"
