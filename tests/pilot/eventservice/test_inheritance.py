from __future__ import annotations

import json

import pytest

from pilot.api.replies import Refused, Unreachable
from pilot.contract.events import JOURNAL_FILE, Archive, EventAnswer, EventRange
from pilot.eventservice import journal
from pilot.eventservice.book import Book, read
from pilot.eventservice.errands import Stored
from pilot.eventservice.inheritance import settle
from pilot.eventservice.journal import Journal
from pilot.eventservice.ranges import State

ARCHIVE = Archive("x.tar", 5, "adler32:00000001")


class Server:
    def __init__(self, *failures):
        self.failures, self.reports = list(failures), []

    def update_events(self, report):
        self.reports.append(report)
        if self.failures:
            raise self.failures.pop(0)
        return EventAnswer(tuple(True for _ in report.ends))


@pytest.fixture
def left(tmp_path):
    """What a pilot has left: of five ranges one is stored, one packed, one done, one given, one ready."""
    noting = Journal(tmp_path)
    book = Book(noting.note)
    book.came([EventRange.from_wire({"eventRangeID": name}) for name in "abcde"])
    book.give(4)
    for name in "abc":
        book.done(name, name, 0, 0)
    stored = ARCHIVE._replace(lfn="stored.tar")
    book.pack(["a"], stored)
    book.store(stored._replace(url="file:///s", storage=42))
    book.pack(["b"], ARCHIVE)
    noting.close()
    (tmp_path / "x.tar").write_text("whole")
    return tmp_path


def names(server):
    return [[end.id for end in report.ends] for report in server.reports]


def test_what_was_packed_is_stored_and_what_was_stored_is_reported(left):
    server = Server()
    settle(7, left, server, lambda archive: Stored(archive._replace(storage=42)))
    assert names(server) == [["a"], ["b"]]
    assert {report.archive.storage for report in server.reports} == {42}
    assert not (left / JOURNAL_FILE).exists()


@pytest.mark.parametrize("storing", [None, lambda archive: None])
def test_what_is_not_stored_is_left_to_the_server(left, storing):
    server = Server()
    settle(7, left, server, storing)
    assert names(server) == [["a"]]


def test_half_an_archive_is_not_stored(left):
    (left / "x.tar").write_text("hal")
    server = Server()
    settle(7, left, server, Stored)
    assert names(server) == [["a"]]


def test_a_server_that_is_away_is_told_the_next_time_and_nothing_is_stored_twice(left):
    stored = []

    def store(archive):
        stored.append(archive.lfn)
        return Stored(archive)

    with pytest.raises(Unreachable):
        settle(7, left, Server(Unreachable("away")), store)
    assert read(journal.lines(left)).count(State.STORED) == 2
    server = Server()
    settle(7, left, server, store)
    assert names(server) == [["a"], ["b"]]
    assert stored == ["x.tar"]


def test_what_the_server_refuses_is_not_offered_for_ever(left):
    server = Server(Refused("job is gone"))
    settle(7, left, server, None)
    assert names(server) == [["a"]]
    assert not (left / JOURNAL_FILE).exists()


def test_a_journal_that_cannot_be_read_keeps_no_job_back(left):
    (left / JOURNAL_FILE).write_text('{"move": "give", "ids": ["nobody"]}\n')
    server = Server()
    settle(7, left, server, None)
    assert server.reports == []
    assert not (left / JOURNAL_FILE).exists()


def archive(**more):
    return {**ARCHIVE._asdict(), **more}


@pytest.mark.parametrize(
    "said",
    [
        {"move": "pack", "ids": ["a"], "archive": archive(lfn="../../token")},
        {"move": "pack", "ids": ["a"], "archive": archive(lfn=5)},
        {"move": "pack", "ids": ["a"], "archive": archive(size="much")},
        {"move": "pack", "ids": ["a"], "archive": "x.tar"},
        {"move": "pack", "ids": [["a"]], "archive": archive()},
        {"move": "leave", "ids": 5},
        {"came": 5},
        {"came": ["b"]},
    ],
)
def test_what_a_payload_wrote_into_a_journal_leads_nowhere_else_and_stops_nobody(tmp_path, said):
    done = [{"came": [{"eventRangeID": "a"}]}, {"move": "give", "ids": ["a"]}]
    done.append({"move": "done", "ids": ["a"], "output": "out", "cpu_time": 0, "wall_time": 0})
    (tmp_path / JOURNAL_FILE).write_text("".join(json.dumps(line) + "\n" for line in [*done, said]) + "[" * 100_000)
    server, stored = Server(), []
    settle(7, tmp_path, server, stored.append)
    assert (stored, server.reports) == ([], [])
    assert not (tmp_path / JOURNAL_FILE).exists()


def test_a_folder_in_the_place_of_a_journal_stops_nobody(tmp_path):
    (tmp_path / JOURNAL_FILE / "full").mkdir(parents=True)
    settle(7, tmp_path, Server(), None)
    assert not (tmp_path / JOURNAL_FILE).exists()
