"""A transaction that the database undid for another one's sake is done again as a whole, and a few times only."""

from __future__ import annotations

import threading
import time

import pytest
from django.db import connection, transaction
from django.db.utils import OperationalError
from django.test import RequestFactory

from server.lib import metrics, transactions
from server.lib.http import broken
from server.lib.transactions import MOST, given_way, is_cut_off, once_more, repeatable, whole
from server.taskbuffer import logic
from server.taskbuffer.hot import rows
from server.taskbuffer.logic.reset import reset
from server.taskbuffer.models import Job, Live
from tests.server import jobs

ONE_WRITER = connection.vendor == "sqlite"


class Driver(Exception):
    """An error of a driver; PostgreSQL's has a state, MariaDB's a number first."""

    def __init__(self, *args: object, sqlstate: str | None = None) -> None:
        super().__init__(*args)
        self.sqlstate = sqlstate


def error(cause: Exception | None) -> OperationalError:
    made = OperationalError("what Django makes of it")
    made.__cause__ = cause
    return made


DEADLOCK = error(Driver(1213, "Deadlock found when trying to get lock"))


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (Driver("deadlock detected", sqlstate="40P01"), "deadlock"),
        (Driver("could not serialize access", sqlstate="40001"), "serialization"),
        (Driver(1213, "Deadlock found"), "deadlock"),
        (Driver(1020, "Record has changed since last read"), "serialization"),
        (Driver(1205, "Lock wait timeout exceeded"), ""),
        (Driver("canceling statement due to lock timeout", sqlstate="55P03"), ""),
        (Driver(), ""),
        (None, ""),
    ],
)
def test_only_what_was_undone_for_others_is_done_again(cause, reason):
    assert given_way(error(cause)) == reason


@pytest.mark.parametrize(
    ("cause", "is_so"),
    [
        (Driver("terminating connection due to administrator command", sqlstate="57P01"), True),
        (Driver("the database system is starting up", sqlstate="57P03"), True),
        (Driver("consuming input failed: server closed the connection unexpectedly"), True),
        (Driver("deadlock detected", sqlstate="40P01"), False),
        (Driver("canceling statement due to lock timeout", sqlstate="55P03"), False),
        (Exception(2013, "Lost connection to MySQL server during query"), True),
        (Exception(2006, "MySQL server has gone away"), True),
        (Exception(0, ""), True),
        (Exception(1213, "Deadlock found"), False),
        (Exception("database is locked"), False),
        (None, False),
    ],
)
@pytest.mark.usefixtures("transactional_db")
def test_that_there_is_no_connection_any_more_is_told_from_all_else(cause, is_so):
    assert is_cut_off(error(cause)) is is_so
    assert not is_cut_off(cause)  # no error of Django's
    with transaction.atomic():
        assert not is_cut_off(error(cause))


@pytest.mark.usefixtures("transactional_db")
def test_what_may_be_done_twice_is_done_once_more_when_it_was_cut_off():
    gone = error(Driver("the connection is lost"))
    called, before = Failing(1, gone), repeated()
    assert repeatable(called.__call__)([1, 2]) == 3
    assert repeated() == before + 1
    called = Failing(2, gone)
    with pytest.raises(OperationalError):
        repeatable(called.__call__)([1, 2])
    assert len(called.seen) == 2
    called = Failing(1)
    with pytest.raises(OperationalError):
        repeatable(called.__call__)([1, 2])
    assert len(called.seen) == 1


@pytest.mark.parametrize(("cause", "words"), [("lost", "nobody knows whether it was done"), ("other", "broke on this")])
@pytest.mark.usefixtures("transactional_db")
def test_a_caller_is_told_when_nobody_knows_whether_something_was_done(cause, words):
    wrong = error(Driver(cause, sqlstate=None if cause == "lost" else "55P03"))
    try:
        raise wrong
    except OperationalError:
        answer = broken(RequestFactory().post("/api/v1/job/submit"))
    assert answer.status_code == 500
    assert words in answer.content.decode()


@pytest.fixture
def no_pauses(monkeypatch):
    monkeypatch.setattr(transactions, "FIRST_PAUSE", 0.0)


class Failing:
    """Fails so many times, each time after it has read its argument."""

    def __init__(self, times: int, wrong: Exception = DEADLOCK) -> None:
        self.times, self.wrong, self.seen = times, wrong, []

    def __call__(self, numbers):
        self.seen.append(list(numbers))
        if len(self.seen) <= self.times:
            raise self.wrong
        return sum(self.seen[-1])


def repeated() -> float:
    said = metrics.exposed().decode().splitlines()
    return sum(float(line.split()[-1]) for line in said if line.startswith("compass_repeated_transactions_total{"))


@pytest.mark.usefixtures("no_pauses", "transactional_db")
def test_it_is_called_again_with_all_that_it_was_called_with_and_counted():
    called, before = Failing(2), repeated()
    assert once_more(called.__call__)(number for number in (1, 2, 3)) == 6
    assert called.seen == [[1, 2, 3]] * 3
    assert repeated() == before + 2


@pytest.mark.usefixtures("no_pauses", "transactional_db")
def test_somebody_hears_of_it_when_it_does_not_end():
    called = Failing(MOST)
    with pytest.raises(OperationalError):
        once_more(called.__call__)([1])
    assert len(called.seen) == MOST


@pytest.mark.usefixtures("no_pauses", "db")
def test_what_is_part_of_another_transaction_is_left_to_who_began_that():
    called = Failing(1)
    with transaction.atomic(), pytest.raises(OperationalError):
        once_more(called.__call__)([1])
    assert len(called.seen) == 1


@pytest.mark.usefixtures("no_pauses", "transactional_db")
def test_any_other_error_is_told_at_once():
    called = Failing(1, error(Driver(2013, "Lost connection")))
    with pytest.raises(OperationalError):
        once_more(called.__call__)([1])
    assert len(called.seen) == 1


@pytest.fixture
def two_jobs(transactional_db):
    from server.pandaconfig.logic import define_queue

    define_queue({"nickname": "LOCAL", "status": "online", "corecount": 8, "maxrss": 16000})
    found = jobs.submit(2)
    jobs.claim(count=2)
    return found


def together(*works) -> None:
    """Do things in threads of their own; all have to end well."""
    failed = []

    def do(work):
        try:
            work()
        except BaseException as wrong:  # noqa: BLE001 (told below)
            failed.append(wrong)
        finally:
            connection.close()

    threads = [threading.Thread(target=do, args=(work,), daemon=True) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)
    assert not failed


@pytest.mark.one_python
@pytest.mark.skipif(ONE_WRITER, reason="it has one writer")
def test_of_two_that_wait_for_each_other_both_are_done_in_the_end(two_jobs):
    met, before = threading.Barrier(2), repeated()

    def in_order(first, second):
        tries = []

        @whole
        def add():
            tries.append(1)
            with connection.cursor() as cursor:
                for number in (first, second):
                    rows.standing(cursor, number, held=True)
                    cursor.execute("UPDATE taskbuffer_job SET priority = priority + 1 WHERE id = %s", [number])
                    if number == first and len(tries) == 1:
                        met.wait(30)

        return add

    together(in_order(*two_jobs), in_order(*reversed(two_jobs)))
    assert list(Job.objects.values_list("priority", flat=True)) == [2, 2]
    assert repeated() >= before + 1


#: How a database says that somebody waits for a lock.
WAITING = {
    "postgresql": "SELECT count(*) FROM pg_locks WHERE NOT granted",
    "mysql": "SELECT count(*) FROM information_schema.innodb_trx WHERE trx_state = 'LOCK WAIT'",
}


def let_somebody_wait(cursor) -> None:
    """Go on when somebody waits for a lock; MariaDB looks anew only when nobody has asked for a tenth of a second."""
    end, pause = time.monotonic() + 30, threading.Event()
    while time.monotonic() < end:
        cursor.execute(WAITING[connection.vendor])
        if cursor.fetchone()[0]:
            return
        pause.wait(0.15)
    pytest.fail("nobody waits")


def reset_both(numbers):
    for number in numbers:
        jobs.report(number, "failed", payload_error=1)
    return lambda: reset(numbers, by="test", why="the disk was full")


#: What takes several jobs in one transaction, after it was made ready, and the state in which it leaves them.
TAKERS = {
    "kill": (lambda numbers: lambda: logic.kill(numbers, code=9, by="test"), "cancelled"),
    "reset": (reset_both, "activated"),
}


@pytest.mark.one_python
@pytest.mark.skipif(ONE_WRITER, reason="it has one writer")
@pytest.mark.parametrize("taker", TAKERS)
def test_who_takes_many_jobs_and_has_to_give_way_takes_them_again(two_jobs, taker):
    make, after = TAKERS[taker]
    Job.objects.update(max_attempts=1)
    take, held, tries = make(two_jobs), threading.Event(), []

    @whole
    def backwards():
        tries.append(1)
        with connection.cursor() as cursor:
            rows.standing(cursor, two_jobs[1], held=True)
            held.set()
            if len(tries) == 1:
                let_somebody_wait(cursor)
            rows.standing(cursor, two_jobs[0], held=True)

    def forwards():
        assert held.wait(30)
        take()

    before = repeated()
    together(backwards, forwards)
    assert [jobs.state_of(number) for number in two_jobs] == [after] * 2
    assert repeated() >= before + 1
    jobs.audit()


@pytest.mark.one_python
@pytest.mark.skipif(ONE_WRITER, reason="it has one writer")
def test_what_a_pilot_shows_waits_for_the_job_before_it_takes_the_small_row(two_jobs):
    number, held, look = two_jobs[0], threading.Event(), "ls -l"
    logic.command(number, look)

    def report():
        with transaction.atomic(), connection.cursor() as cursor:
            rows.standing(cursor, number, held=True)
            held.set()
            let_somebody_wait(cursor)
            # Whoever waits for the job does not hold this row: else the two would wait for each other.
            cursor.execute("SELECT job_id FROM taskbuffer_live WHERE job_id = %s FOR UPDATE NOWAIT", [number])

    def show():
        assert held.wait(30)
        logic.was_shown(number, 1, [look], "a file")

    together(report, show)
    assert "a file" in Live.objects.get(pk=number).shown
    assert Job.objects.get(pk=number).command == ""
