"""Whatever happens to jobs in whatever order, and whenever it is counted: the sums are those of the attempts' rows."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from random import Random

import pytest

from pilot.contract.codec import ContractError
from server.accounting import queries, rebuild
from server.accounting.models import Failure, Usage
from server.taskbuffer import archive as documents
from server.taskbuffer import followers
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer.logic import archive, reset
from server.taskbuffer.models import ArchivedJob, Attempt, Job
from server.taskbuffer.resets import Reset
from tests.server import jobs
from tests.server.accounting.usage import NOW, everything, fold_all, keep, submit
from tests.server.taskbuffer.test_machine import RowsOfDjango
from tests.whole.audit import wrongs

pytestmark = pytest.mark.one_python
STEPS = 80


class History:
    """Something happens to some job, at times that go on."""

    def __init__(self, seed: int) -> None:
        self.dice = Random(seed)
        self.now = NOW

    def step(self) -> None:
        self.now += timedelta(minutes=self.dice.randint(1, 300))
        self.dice.choice(
            (self.submit, self.submit, self.run, self.run, self.run, self.lose, self.kill, self.reset, self.undo)
        )()
        if not self.dice.randrange(6):
            fold_all(self.now)
            assert [words for words in wrongs(RowsOfDjango(), over=False) if "usage" in words] == []
        if not self.dice.randrange(12):
            archive.archive_ended(now=self.now, after=86400.0, keep=keep)

    def submit(self) -> None:
        submit(user=self.dice.choice(("ada", "bob")), cores=self.dice.randint(1, 8), max_attempts=2)

    def _claim(self) -> tuple[int, int] | None:
        given = jobs.claim()
        if not given:
            return None
        job_id, attempt = given[0]["PandaID"], given[0]["attemptNr"]
        jobs.report(job_id, "running", attempt, now=self.now)
        self.now += timedelta(minutes=self.dice.randint(1, 300))
        return job_id, attempt

    def run(self) -> None:
        if one := self._claim():
            state = self.dice.choice(("finished", "failed"))
            said = {} if state == "finished" else {"pilot_error": self.dice.choice((1099, 1305))}
            log = "job.log.tgz" if one[1] == 1 else f"job.log.tgz.{one[1]}"
            jobs.report(one[0], state, one[1], now=self.now, files=jobs.stored("out.root", log), **said)

    def lose(self) -> None:
        if self._claim():
            taskbuffer.reap_lost(now=self.now + timedelta(days=3))

    def kill(self) -> None:
        self._claim()
        if found := list(Job.objects.values_list("pk", flat=True)):
            taskbuffer.kill([self.dice.choice(found)], code=self.dice.choice((None, 9)), by="bob", now=self.now)

    def reset(self) -> None:
        try:
            reset.reset(list(Job.objects.values_list("pk", flat=True)), by="alice", why="why not", now=self.now)
        except ContractError:
            return  # there is none that could be

    def undo(self) -> None:
        if last := Reset.objects.filter(undone_at=None).last():
            reset.undo(last.pk, by="alice", now=self.now)


def of_attempts() -> Counter[str]:
    """Add up the rows of all attempts that have ended, wherever they are."""
    found = Counter[str]()
    archived = documents.read(ArchivedJob.objects.values_list("pk", flat=True)).values()
    rows = [(attempt, one.job) for one in archived for attempt in one.rows("attempts", Attempt)]
    rows += [(attempt, attempt.job) for attempt in Attempt.objects.select_related("job__bucket")]
    for attempt, job in rows:
        if attempt.ended_at is not None:
            wall = (attempt.ended_at - attempt.started_at).total_seconds() if attempt.started_at else 0.0
            good = attempt.state == "finished"
            found["attempts"] += 1
            found["attempts_failed"] += attempt.state == "failed"
            found["good_core_seconds" if good else "lost_core_seconds"] += round(wall * job.bucket.cores)
            found["jobs_finished"] += good
    return found


@pytest.mark.parametrize("seed", range(3))
def test_sums_are_those_of_the_attempts_and_made_anew_they_are_the_same(queue, monkeypatch, seed):
    monkeypatch.setattr(followers, "_POSITIONS", {"accounting.fold": queries.position})
    history = History(seed)
    for _ in range(STEPS):
        history.step()
    fold_all(history.now)
    expected = of_attempts()
    assert expected["attempts"] > 10
    assert ArchivedJob.objects.exists()
    found = {name: sum(Usage.objects.values_list(name, flat=True)) for name in expected}
    assert found == expected
    assert sum(Failure.objects.values_list("attempts", flat=True)) == expected["attempts_failed"]
    before = everything()
    Usage.objects.update(attempts=77)
    rebuild.rebuild(NOW.date(), (history.now + timedelta(days=4)).date())
    assert everything() == before
