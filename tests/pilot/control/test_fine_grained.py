from __future__ import annotations

from pathlib import Path

import pytest

from pilot.api.replies import Unreachable
from pilot.contract import naming
from pilot.contract.events import Archive, EventAnswer, EventRange
from pilot.contract.job import JobSpec
from pilot.control.fine_grained import MOST_TRIES, FineGrained
from pilot.control.recovery import Sites
from pilot.copytool.toolbox import Toolbox
from pilot.eventservice.book import Book
from pilot.eventservice.journal import Journal
from pilot.runtime import workdir
from pilot.settings import Settings

SPEC = JobSpec(7, 1, "payload", events=True)


class Server:
    def __init__(self):
        self.away, self.told = False, []

    def update_events(self, report):
        if self.away:
            raise Unreachable("away")
        self.told += [end.id for end in report.ends]
        return EventAnswer(tuple(True for _ in report.ends))


@pytest.fixture
def server():
    return Server()


@pytest.fixture
def ranges(tmp_path, server):
    return FineGrained(
        Settings(),
        server,
        Toolbox({}, Settings()),
        Sites(server, Settings().queue),
        lambda: 0.0,
        tmp_path,
        lambda _: None,
    )


@pytest.fixture
def left(tmp_path) -> Path:
    """A range that is stored, and of which the server has not heard."""
    folder = workdir.create(tmp_path, SPEC).root
    noting = Journal(folder)
    book = Book(noting.note)
    book.came([EventRange("a"), EventRange("b")])
    book.give(2)
    book.done("a", "out", 0, 0)
    book.pack(["a"], Archive("x.tar", 5, "adler32:00000001"))
    book.store(book.archives["x.tar"])
    noting.close()
    return folder / naming.EVENT_JOURNAL


def test_what_is_stored_is_told_before_the_job_ends_and_once(ranges, server, left):
    ranges.tell_rest(SPEC)
    ranges.tell_rest(SPEC)
    assert server.told == ["a"]
    assert not left.exists()


def test_a_job_without_ranges_has_nothing_to_tell(ranges, server, left):
    ranges.tell_rest(JobSpec(7, 1, "payload"))
    ranges.tell_rest(JobSpec(8, 1, "payload", events=True))
    assert server.told == []


def test_the_end_of_a_job_waits_for_its_ranges_for_a_while_and_not_for_ever(ranges, server, left):
    server.away = True
    for _ in range(MOST_TRIES - 1):
        with pytest.raises(Unreachable):
            ranges.tell_rest(SPEC)
    ranges.tell_rest(SPEC)
    assert left.exists(), "should the final report not be taken either, the next pilot tells"


def test_a_journal_that_cannot_be_written_holds_up_no_job(ranges, server, left):
    left.unlink()
    left.mkdir()
    ranges.tell_rest(SPEC)
    assert server.told == []
