"""Chunks follow their files: those that have come, that did not, that have left the disk, and that nobody needs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.dataservice import logic as dataservice
from server.dataservice.models import Replica, Transfer, TransferRequest
from server.production import logic
from server.production.models import Chunk, TaskEvent
from server.production.resend.wishes import What, Wish
from server.production.staging.explain import requests_by_age, staging_of_run, staging_waits
from server.production.staging.models import Prestage, StagedFile
from server.production.steps import check_staging, submit
from server.production.submission.explain import explain
from server.storage.base import Fault, FaultKind, Recall
from tests.server.dataservice.conftest import audit
from tests.server.production.conftest import reload, work
from tests.server.production.staging.conftest import define_on_tape, raw_name, states, tapes

__all__ = ["tapes"]


@pytest.fixture
def staged(tapes):
    """A task of one run whose three chunks have come from tape."""
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    tapes.bring()
    tapes.check()
    assert set(states(task)) == {"staged"}
    return task


def chunk_words() -> set[str]:
    return set(Chunk.objects.values_list("words", flat=True))


def test_each_chunk_is_staged_when_its_own_file_has_come(tapes):
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    tapes.later(seconds=30).submit()
    tapes.tape.work(raw_name(Chunk.objects.get(number=2)))
    tapes.later(seconds=30).poll()
    assert tapes.check() == 0  # nobody has looked yet
    tapes.look()
    assert tapes.check() == 1
    assert states(task) == ["staging", "staged", "staging"]
    row = StagedFile.objects.get(state="on_disk")
    assert row.on_disk_until == Transfer.objects.get(state="pinned").wanted_until
    assert tapes.check() == 0


def test_what_does_not_come_is_asked_for_later_and_at_last_a_person_looks(tapes):
    task = define_on_tape(tapes, runs=1, chunks=1)
    (name,) = (raw_name(chunk) for chunk in Chunk.objects.all())
    tapes.tape.refuses[name] = Fault(FaultKind.FAILED, "drive broken")
    waited = []
    for _ in range(3):
        assert tapes.ask() == 1
        for _ in range(6):
            tapes.later(hours=3).submit()
        assert tapes.check() == 1
        row = StagedFile.objects.get()
        waited.append((row.due - tapes.now).total_seconds() if row.due else None)
        assert tapes.ask() == 0
        tapes.later(hours=2, seconds=1)
    assert waited == [3600, 7200, None]
    assert states(task) == ["manual_check"]
    (words,) = chunk_words()
    assert words.startswith("after 3 requests: request ")
    assert "drive broken; when that is mended, resend staging" in words
    assert Prestage.objects.count() == 3
    tapes.tape.refuses.clear()
    logic.resend_task("data", Wish(What.STAGING), by="ada", why="the drive is mended")
    tapes.ask()
    tapes.bring()
    assert tapes.check() == 1
    audit()


def test_a_file_that_was_lost_by_the_catalogue_is_asked_for_again_a_bounded_number_of_times(tapes, settings):
    settings.PRODUCTION = {"prestage_attempts": 2, "prestage_delay": 1}
    task = define_on_tape(tapes, runs=1, chunks=1)
    tapes.tape.files.clear()
    for _ in range(2):
        tapes.ask()
        for _ in range(6):
            tapes.later(hours=3).submit()
        assert Replica.objects.get().state == "lost"
        tapes.check()
        tapes.later(seconds=2)
    assert states(task) == ["manual_check"]
    assert "absent: no such file" in chunk_words().pop()


def test_when_its_time_is_over_after_days_a_chunk_without_a_job_has_its_file_asked_for_anew(tapes, staged):
    for _ in range(6):  # a day at a time: pins are prolonged
        tapes.later(hours=22).turn()
        assert tapes.check() == 0
    assert set(states(staged)) == {"staged"}
    tapes.later(days=1, hours=13)
    for _ in range(8):
        tapes.later(hours=1).turn()
    assert set(Transfer.objects.values_list("state", flat=True)) == {"expired"}
    assert tapes.check() == 3
    assert set(states(staged)) == {"defined"}
    assert chunk_words() == {"its file has left the disk of TAPE: its time is over"}
    assert tapes.ask() == 3
    tapes.bring()
    assert tapes.check() == 3
    assert submit.submit_chunks() == 3
    assert set(StagedFile.objects.values_list("attempts", flat=True)) == {0}
    assert Prestage.objects.count() == 2
    audit()


def test_a_chunk_whose_file_has_left_the_disk_is_never_sent(tapes, staged):
    tapes.tape.silent = True  # pins cannot be prolonged
    tapes.later(hours=25).pins()
    assert set(Replica.objects.values_list("state", flat=True)) == {"on_tape"}
    assert submit.submit_chunks() == 0
    assert set(states(staged)) == {"defined"}
    assert chunk_words() == {"its file has left the disk of TAPE: its pin has ended before its time"}
    row = StagedFile.objects.first()
    assert (row.attempts, row.state) == (1, "waiting")
    assert tapes.ask() == 0  # not at once: it might go on so for ever
    tapes.tape.silent = False
    tapes.later(hours=1, seconds=1)
    # What was sent meanwhile uses the clock of the wall.
    StagedFile.objects.update(due=tapes.now)
    assert tapes.ask() == 3
    tapes.bring()
    assert tapes.check() == 3
    assert submit.submit_chunks() == 3


def test_a_pin_that_is_lost_is_found_without_anything_being_sent(tapes, staged):
    tapes.tape.silent = True
    tapes.later(hours=25).pins()
    assert tapes.check() == 3
    assert set(states(staged)) == {"defined"}


def test_what_a_person_releases_is_asked_for_at_once(tapes, staged):
    dataservice.release(TransferRequest.objects.get(), by="ada", why="disk is needed", now=tapes.now)
    tapes.pins()
    assert tapes.check() == 3
    assert chunk_words() == {"its file has left the disk of TAPE: released by ada: disk is needed"}
    assert tapes.ask() == 3


def test_a_finished_chunk_lets_its_file_go_and_the_others_stay(tapes, staged):
    submit.submit_chunks()
    Chunk.objects.filter(number=2).update(state="finished")
    assert tapes.release() == 1
    tapes.pins()
    assert tapes.tape.released == [raw_name(Chunk.objects.get(number=2))]
    assert sorted(Transfer.objects.values_list("state", flat=True)) == ["expired", "pinned", "pinned"]
    assert Transfer.objects.get(state="expired").words == ("released by production.release: its chunk needs it no more")
    assert TransferRequest.objects.get().acts.count() == 0
    Chunk.objects.update(state="finished")
    assert tapes.release() == 2
    tapes.pins()
    assert TransferRequest.objects.get().state == "done"
    assert tapes.release() == 0
    audit()


def test_a_file_that_another_task_needs_stays_on_disk(tapes, staged):
    other = define_on_tape(tapes, name="other", slot=2, runs=1, on="disk and tape")
    assert tapes.ask() == 3
    assert set(states(other)) == {"staged"}  # it is there already
    Chunk.objects.filter(task=staged).update(state="finished")
    assert tapes.release() == 0
    Chunk.objects.filter(task=other, number__lt=3).update(state="finished")
    assert tapes.release() == 4
    Chunk.objects.filter(task=other).update(state="cancelled")
    assert tapes.release() == 2
    tapes.pins()
    assert len(tapes.tape.released) == 3
    assert set(Replica.objects.values_list("state", flat=True)) == {"on_tape"}


def test_a_task_that_is_over_keeps_nothing_on_disk(tapes, staged):
    Chunk.objects.update(state="failed")
    assert tapes.release() == 0
    staged.state = "finished"
    staged.save()
    assert tapes.release() == 3


def test_a_whole_task_from_tape_is_done_and_has_let_everything_go(tapes, pilot):
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    tapes.bring()
    tapes.check()
    work(pilot)
    assert reload(task).state == "done"
    assert tapes.release() == 3
    tapes.pins()
    assert set(Replica.objects.filter(endpoint="TAPE").values_list("state", flat=True)) == {"on_tape"}


def test_what_was_made_again_after_its_file_was_let_go_waits_for_it_again(tapes, pilot):
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    tapes.bring()
    tapes.check()
    work(pilot)
    tapes.release()
    tapes.pins()
    logic.resend_task("data", Wish(What.CHUNKS, 278473, 1, with_merges=True), by="ada", why="a slip")
    assert submit.submit_chunks() == 0
    assert states(task) == ["defined", "finished", "finished"]
    assert tapes.ask() == 1
    tapes.bring()
    assert tapes.check() == 1
    work(pilot)
    assert reload(task).state == "done"


def test_staging_that_hangs_is_shown_asked_for_anew_and_can_be_undone(tapes):
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    submit.submit_chunks()
    reload(task)
    task.state = "running"
    task.save()
    (line,) = logic.preview_resend("data", Wish(What.STAGING)).as_json()["tasks"]
    assert line["chunks"] == {"staging": 3}
    logic.move_task("data", "resend_staging", by="ada", words="the robot stood still")
    assert reload(task).state == "send"
    assert TaskEvent.objects.filter(task=task, chunk=None, group=None, after="resend_staging").exists()
    assert set(states(task)) == {"defined"}
    record = task.resends.get()
    logic.undo_resend(record.pk, by="ada")
    assert set(states(task)) == {"staging"}
    tapes.bring()
    assert tapes.check() == 3
    assert set(states(task)) == {"staged"}
    logic.resend_task("data", Wish(What.STAGING), by="ada", why="once more")
    tapes.now = timezone.now()
    assert tapes.ask() == 3
    assert Prestage.objects.count() == 2
    tapes.pins()
    assert sorted(Transfer.objects.values_list("state", flat=True)) == ["expired"] * 3 + ["requested"] * 3
    tapes.later(hours=1)
    tapes.bring()
    assert tapes.check() == 3


def test_a_resend_of_staging_may_be_undone_when_its_files_have_come(tapes):
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    record = logic.resend_task("data", Wish(What.STAGING), by="ada", why="it hangs")
    tapes.now = timezone.now()
    assert tapes.ask() == 3
    tapes.pins()
    tapes.later(hours=1)
    tapes.bring()
    tapes.check()
    assert set(states(task)) == {"staged"}
    logic.undo_resend(record.pk, by="ada")
    assert set(states(task)) == {"staging"}
    assert tapes.check() == 3
    assert set(states(task)) == {"staged"}


def test_a_file_that_is_needed_again_is_not_let_go(tapes, staged):
    keys = list(Chunk.objects.values_list("pk", flat=True))
    # The chunks were over when that was looked for, and are not any more.
    assert check_staging.let_go_of(keys, tapes.now) == 0
    assert set(StagedFile.objects.values_list("state", flat=True)) == {"on_disk"}


def test_the_explanation_says_what_staging_waits_for(tapes):
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    tapes.later(seconds=30).submit()
    tapes.tape.work(raw_name(Chunk.objects.get(number=1)))
    tapes.tape.work(raw_name(Chunk.objects.get(number=2)), state=Recall.FAILED, words="tape is torn")
    tapes.later(hours=30).poll()
    tapes.look()
    tapes.check()
    request = TransferRequest.objects.get()
    found = explain(task, tapes.now)
    (words,) = found.waits
    assert words == (
        f"2 chunks wait for request {request.pk} to TAPE, asked for 30 hours ago: 1 of its 3 files are on disk; "
        "said last: tape is torn"
    )
    (line,) = requests_by_age()
    seen = line.as_json(tapes.now)
    assert (seen["task"], seen["runs"], seen["files"], seen["states"]) == (
        "data",
        [278473],
        3,
        {"asked": 2, "on_disk": 1},
    )
    assert seen["age"] > 30 * 3600
    assert requests_by_age(task)[0].words == "tape is torn"
    run = staging_of_run(Chunk.objects.first().run)
    assert (run.states, run.requests) == ({"asked": 2, "on_disk": 1}, [request.pk])
    assert run.as_json()["requests"] == [request.pk]


def test_a_silent_storage_is_named(tapes):
    task = define_on_tape(tapes, runs=1)
    tapes.ask()
    tapes.tape.silent = True
    tapes.submit()
    (words,) = staging_waits(task, tapes.now)
    assert words.endswith("0 of its 3 files are on disk; said last: TAPE is silent since 2026-11-21 12:00 UTC")


def test_a_task_without_tapes_says_nothing_of_staging(tasks):
    assert staging_waits(tasks[0], tasks[0].created) == []


def test_looking_takes_as_many_queries_for_many_chunks_as_for_few(tapes, django_assert_max_num_queries):
    def look() -> int:
        tapes.ask()
        tapes.bring()
        with django_assert_max_num_queries(100) as queries:
            tapes.check()
        return len(queries)

    define_on_tape(tapes, runs=1, chunks=2)
    few = look()
    define_on_tape(tapes, name="more", slot=2, runs=1, chunks=150)
    assert set(StagedFile.objects.values_list("state", flat=True)) == {"on_disk"}
    assert look() <= few + 4
    with django_assert_max_num_queries(8):
        tapes.check()
    Chunk.objects.update(state="finished")
    with django_assert_max_num_queries(20):
        assert tapes.release() > 0


def test_times_of_more_than_a_day_are_counted_whole(tapes, settings):
    settings.PRODUCTION = {"prestage_lifetime": 3 * 86400}
    define_on_tape(tapes, runs=1, chunks=1)
    tapes.ask()
    tapes.bring()
    tapes.check()
    row = StagedFile.objects.get()
    assert timedelta(days=2, hours=23) < row.on_disk_until - tapes.now <= timedelta(days=3)
