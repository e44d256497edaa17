"""Who may have a credential: by queue, by whose jobs there are, and never when it has ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import pytest

from server.credentials.rules import Asker, decide
from tests.server.credentials.making import HOUR, NOW


@dataclass
class Row:
    name: str = "robot"
    queues: tuple[str, ...] = ()
    person: str = ""
    working_group: str = ""
    ends_at: datetime | None = None


def no_jobs(queues, person, working_group):
    raise AssertionError("nobody has to look for jobs")


@pytest.mark.parametrize(
    ("row", "queues", "words"),
    [
        (Row(), (), ""),
        (Row(), ("CERN",), ""),
        (Row(queues=("CERN", "TRIESTE")), ("CERN",), ""),
        (Row(queues=("CERN",)), (), ""),
        (Row(queues=("CERN",)), ("LYON",), "not for pilots of LYON"),
        (Row(ends_at=NOW + HOUR), (), ""),
        (Row(ends_at=NOW), (), "ended at 2026-11-22 12:00 UTC"),
    ],
)
def test_queue_and_end_decide_without_a_look_at_jobs(row, queues, words):
    said = decide(row, Asker("a", frozenset(queues)), no_jobs, NOW).objection
    assert words in said
    assert bool(said) == bool(words)


@pytest.mark.parametrize(
    ("queues", "mine", "where"),
    [((), (), set()), (("CERN",), (), {"CERN"}), ((), ("LYON",), {"LYON"}), (("CERN", "LYON"), ("LYON",), {"LYON"})],
)
def test_what_is_somebodys_goes_to_the_pilots_of_its_jobs_alone(queues, mine, where):
    asked = []

    def find(*question):
        asked.append(question)
        return 7

    row = Row(queues=queues, person="alice", working_group="phys")
    decision = decide(row, Asker("a", frozenset(mine)), find, NOW)
    assert (decision.objection, decision.job) == ("", 7)
    assert asked == [(where, "alice", "phys")]
    refused = decide(row, Asker("a", frozenset(mine)), lambda *_: None, NOW)
    assert "a job of alice and of the working group phys, and there is none" in refused.objection
