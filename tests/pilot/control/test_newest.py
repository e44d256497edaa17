from __future__ import annotations

import pytest

from pilot.api.communicator import Report
from pilot.contract.job import JobSpec
from pilot.control.component import END
from pilot.control.lifecycle import Effect
from pilot.control.newest import Newest, of_look, of_report
from pilot.control.news import Look, Matter, Work
from pilot.job import Job
from tests.pilot.control.simulation import SITE


def job(id=7):
    return Job(JobSpec(id=id, attempt=1, transformation="x"))


def report(words, effect=Effect.REPORT, id=7, *, answers=False):
    return Work(job(id), effect, SITE, report=Report(words), answers=answers)


def look(matter, *argv, id=7):
    return Look(job(id), matter, SITE, argv)


def waiting(about, *items):
    inbox = Newest(about)
    for item in items:
        inbox.put(item)
    return [inbox.get_nowait() for _ in range(inbox.qsize())]


def test_a_report_takes_the_place_of_an_older_one_of_its_job():
    old, new, other = report("old"), report("new"), report("other", id=8)
    assert waiting(of_report, old, other, new) == [new, other]


def test_the_last_report_of_a_job_waits_behind_none_of_its_others():
    final = report("final", Effect.FINAL_REPORT)
    assert waiting(of_report, report("old"), report("other", id=8), final) == [final, report("other", id=8)]
    assert waiting(of_report, report("old"), final, final) == [final], "offered again before it was sent"


def test_what_people_asked_to_see_is_always_told():
    shown = report("shown", answers=True)
    assert waiting(of_report, shown, report("old"), shown, report("new")) == [shown, report("new"), shown]


@pytest.mark.parametrize("about", [of_report, of_look])
def test_what_is_neither_report_nor_look_takes_nobodys_place(about):
    clean = report("", Effect.CLEAN)
    assert waiting(about, clean, END, clean, END, "nonsense") == [clean, END, clean, END, "nonsense"]


def test_a_look_is_due_once_however_often_it_was_put_off():
    checks, beats = look(Matter.CHECK), look(Matter.HEARTBEAT)
    one, two = look(Matter.SHOW, "ls"), look(Matter.SHOW, "ps")
    assert waiting(of_look, checks, beats, one, checks, two, beats, one) == [checks, beats, one, two]
    assert waiting(of_look, checks, look(Matter.CHECK, id=8)) == [checks, look(Matter.CHECK, id=8)]
