"""What pilots and people have heard, held against what is in the rows: nobody may have been told otherwise."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tests.whole.audit import Rows, Try, read_ledger
from tests.whole.contending import GIVEN, Note

ENDED = ("finished", "failed")


def contradictions(rows: Rows, notes: Sequence[Note]) -> list[str]:
    """Answer everything that pilots have heard and that the rows do not say."""
    tries = {(one.job, one.number): one for tries in read_ledger(rows).tries.values() for one in tries}
    return [
        *_given_twice(notes),
        *(words for note in notes for words in _denied(note, tries.get((note.job, note.attempt)))),
    ]


def _given_twice(notes: Iterable[Note]) -> Iterator[str]:
    had: dict[tuple[int, int], str] = {}
    for note in notes:
        if note.what == GIVEN:
            first = had.setdefault((note.job, note.attempt), note.about)
            if first != note.about:
                yield f"attempt {note.job}.{note.attempt} was given to {first} and to {note.about}"


def _denied(note: Note, one: Try | None) -> Iterator[str]:
    about = f"attempt {note.job}.{note.attempt}"
    if one is None:
        yield f"{about}: a pilot had it, and there is no row"
    elif note.what == GIVEN and one.request != note.about:
        yield f"{about}: {note.about} had it, and the row says {one.request}"
    elif note.about == "finished" and (one.state == "finished") is (note.answer == "tobekilled"):
        yield f"{about}: its pilot reported it finished and heard {note.answer}, and it is {one.state}"
    elif note.about == "failed" and note.answer != "tobekilled" and (one.state == "finished" or not one.reported):
        yield f"{about}: its pilot reported it failed and heard {note.answer}, and it is {one.state}"


def disobeyed(rows: Rows, kills: Iterable[tuple[int, int]]) -> list[str]:
    """Answer the jobs that were given out again after a kill, by the last event that was there when it was answered."""
    sent: dict[int, int] = {}
    for job, event in rows.read(
        "SELECT job_id, MAX(id) FROM taskbuffer_jobevent WHERE state_after = 'sent' GROUP BY job_id"
    ):
        sent[job] = event
    return [f"job {job} was killed, and given out again" for job, event in kills if sent.get(job, 0) > event]
