"""How an explanation looks in a terminal."""

from __future__ import annotations

import pytest
from rich.console import Console

from client.cli import main
from client.explain import explained, pilot_explained


def rule(name, passed):
    tag, words = ("", "") if passed else ("-lowmemory", "ask for less")
    return {"criterion": name, "needed": "2 GB", "there": "1 GB", "passed": passed, "tag": tag, "words": words}


GOOD = {
    "queue": "GOOD", "passed": True, "weight": 0.5, "tags": [], "findings": [rule("memory", True)],
    "factors": [{"name": "load", "value": 0.5, "words": "1 running"}],
}  # fmt: skip
SMALL = {
    "queue": "SMALL", "passed": False, "weight": 0, "tags": ["-lowmemory"], "factors": [],
    "findings": [rule("memory", False), rule("cores", True)],
}  # fmt: skip


def shown(*queues, choice="GOOD", words="", turn=None, obstacle=""):
    found = {
        "PandaID": 7, "jobStatus": "activated", "computingSite": "GOOD", "queues": list(queues),
        "choice": {"queue": choice, "words": words, "lasting": False},
        "turn": {"share": "", "cores": 0, "target": None, "before": [], "words": "", **(turn or {})},
        "obstacle": obstacle,
    }  # fmt: skip
    console = Console(width=160)
    with console.capture() as text:
        console.print(explained(found))
    return text.get()


def test_several_queues_are_shown_with_what_refuses():
    text = shown(GOOD, SMALL)
    assert "job 7 is activated, sent to GOOD; brokerage would now choose GOOD" in text
    assert "ask for less" in text
    assert "cores" not in text
    assert "weight: load" not in text


def test_one_queue_is_shown_with_every_rule_and_factor():
    text = shown(GOOD)
    assert "passed" in text
    assert "weight: load" in text


def test_why_there_is_none_is_told():
    assert "no queue takes it" in shown(SMALL, choice="", words="no queue takes it")


KIND = {
    "share": "",
    "label": "user",
    "working_group": "exotic",
    "country": "cz",
    "cores": 8,
    "memory": 2e9,
    "disk": 0,
    "walltime": 60,
    "queued": 3,
}


def pilot_shown(*kinds, waiting=0, words="it is given a job"):
    found = {
        "queue": "Q", "status": "online", "offer": {"cores": 4, "labels": ["user"]}, "words": words,
        "kinds": list(kinds), "waiting_for_inputs": waiting,
    }  # fmt: skip
    console = Console(width=160)
    with console.capture() as text:
        console.print(pilot_explained(found))
    return text.get()


def test_a_pilots_jobs_are_shown_with_why_it_gets_none():
    text = pilot_shown({**KIND, "fits": False, "words": "cores: 8 needed, 4 offered"}, waiting=7)
    assert "a pilot of Q (online) with 4 cores, that asks for user: it is given a job" in text
    assert "2 GB" in text
    assert "exotic" in text
    assert "cores: 8 needed, 4 offered" in text
    assert "7 jobs of the queue wait for their inputs" in text
    assert "share" not in pilot_shown(words="no job is queued for it")


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        (["explain"], "neither a job nor a queue is named"),
        (["explain", "7", "--remaining-time", "60"], "--remaining-time is about a pilot"),
    ],
)
def test_a_question_about_nothing_is_refused(words, remedy, capsys):
    assert main(words) != 0
    assert remedy in capsys.readouterr().err


def test_a_job_that_will_fail_says_when():
    assert "the job fails at noon" in shown(SMALL, obstacle="there is no queue; the job fails at noon")


def test_its_share_and_who_comes_before_it_are_told():
    turn = {"share": "Analysis/ada", "cores": 8, "before": ["MC"], "words": "user: ada is banned"}
    text = shown(GOOD, turn=turn)
    assert "its share is Analysis/ada with 8 cores now; shares before it: MC" in text
    assert "no pilot is given it: user: ada is banned" in text
