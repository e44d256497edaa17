"""The dictionary that a pilot is handed."""

from __future__ import annotations

from dataclasses import replace

from pilot.contract.job_wire import from_panda, to_panda
from server.taskbuffer.hot.handout import hand_out
from tests.server.jobs import order


def panda(**fields):
    return to_panda(replace(order(**fields).spec, id=7, attempt=1))


def test_the_first_attempt_is_handed_out_as_it_was_ordered():
    assert hand_out(panda(), job_id=7, attempt=1, priority=0) == panda()


def test_a_later_attempt_writes_a_log_of_its_own():
    given = hand_out(panda(), job_id=7, attempt=3, priority=-20)
    assert (given["logFile"], given["outFiles"]) == ("job.log.tgz.3", "out.root,job.log.tgz.3")
    assert (given["attemptNr"], given["currentPriority"]) == (3, -20)
    spec = from_panda(given)
    assert spec.log is not None
    assert (spec.log.lfn, spec.log.dataset) == ("job.log.tgz.3", "prod.log")


def test_a_guid_that_was_ordered_for_the_log_is_not_used_twice():
    with_guid = {**panda(), "logGUID": "0000-01"}
    second = hand_out(dict(with_guid), job_id=7, attempt=2, priority=0)["logGUID"]
    assert second not in {"0000-01", "NULL"}
    assert hand_out(dict(with_guid), job_id=7, attempt=2, priority=0)["logGUID"] == second


def test_a_job_without_a_log_has_none_later():
    assert hand_out(panda(log=None), job_id=7, attempt=2, priority=0)["logFile"] == "NULL"
