"""Event ranges over real HTTP, in both dialects, as an outer tool asks for them and reports them."""

from __future__ import annotations

import pytest

from pilot.api import replies
from pilot.api.communicator import Communicator
from pilot.contract.events import Archive, EventJob, EventReport, RangeEnd, RangeStatus
from pilot.settings import Server
from tests.pilot.dispatcher import serving
from tests.pilot.eventservice.ranges_server import ASK, ASK_LEGACY, TELL, TELL_LEGACY, Ranges

JOB = EventJob(7, 5, 1)
ARCHIVE = Archive("premerge.tar", 10, "adler32:00000001", 42)


@pytest.fixture
def dispatcher(tmp_path):
    with serving(tmp_path) as made:
        yield made


@pytest.fixture(params=["v1", "legacy", "auto"])
def dialect(request):
    return request.param


@pytest.fixture
def server(dispatcher, dialect):
    return Communicator(Server(url=dispatcher.url, dialect=dialect))


def report(*names, archive=None, status=RangeStatus.FINISHED):
    return EventReport(7, tuple(RangeEnd(name, status) for name in names), archive)


def test_ranges_are_given_as_long_as_there_are_some(server, dispatcher):
    ranges = Ranges(dispatcher, 3)
    first = server.get_event_ranges(JOB, 2, "id-1")
    assert [one.first for one in first] == [1, 11]
    assert len(server.get_event_ranges(JOB, 2, "id-2")) == 1
    assert server.get_event_ranges(JOB, 2, "id-3") == ()
    assert [asked["count"] for asked in ranges.asked] == [2, 2, 2]


def test_ranges_are_reported_with_their_archive_or_alone(server, dispatcher):
    ranges = Ranges(dispatcher, 2)
    first, second = (one.id for one in server.get_event_ranges(JOB, 2, "id-1"))
    ranges.command = "softkill"
    assert server.update_events(report(first, archive=ARCHIVE)) == ((True,), "softkill")
    assert server.update_events(report(second, "1-7-2-99-3", status=RangeStatus.FAILED)).taken == (True, False)
    assert ranges.ends == {first: ["finished"], second: ["failed"]}
    assert [version for version, _ in ranges.told] == [1, 0]


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        ((503, b"down"), replies.ServerBroke),
        ((403, b"who?"), replies.IdentityRefused),
        ((200, b"<html>"), replies.BadAnswer),
        ((200, b'{"success": false, "message": "database error", "StatusCode": 30}'), replies.ServerBroke),
        ((200, b'{"success": true, "data": [{"eventRangeID": "../x"}], "StatusCode": 0}'), replies.BadAnswer),
        ((200, b'{"success": false, "message": "gone", "StatusCode": 30, "errorDialog": "gone"}'), replies.Refused),
    ],
)
def test_each_way_in_which_no_ranges_come_has_a_type(dispatcher, answer, kind):
    dispatcher.misbehave = lambda path, count: answer
    for dialect in ("v1", "legacy"):
        with pytest.raises(kind):
            Communicator(Server(url=dispatcher.url, dialect=dialect)).get_event_ranges(JOB, 2, "id-1")


def test_a_request_is_sent_once_to_a_server_that_would_give_further_ranges(dispatcher):
    ranges = Ranges(dispatcher, 9)
    answer = ranges.answer
    server = Communicator(Server(url=dispatcher.url, dialect="v1"))
    server.get_event_ranges(JOB, 1, "id-0")  # a connection that is kept

    def lose(path, body, headers):
        answer(path, body, headers)
        raise ConnectionAbortedError

    dispatcher._answer = lose
    with pytest.raises(replies.Unreachable):
        server.get_event_ranges(JOB, 2, "id-1")
    assert dispatcher.counts[ASK] == 2


def test_a_server_of_ours_gives_the_same_ranges_again(dispatcher):
    ranges = Ranges(dispatcher, 9)
    dispatcher.announces = True
    server = Communicator(Server(url=dispatcher.url))
    first = server.get_event_ranges(JOB, 2, "id-1")
    assert server.get_event_ranges(JOB, 2, "id-1") == first
    assert len(ranges.given) == 2


@pytest.mark.parametrize(
    "answer", [(500, b"unhashable type"), (200, b'{"success": true, "data": null, "message": ""}')]
)
def test_pandas_newer_address_that_breaks_over_its_answer_is_followed_by_the_older_one(dispatcher, answer):
    ranges = Ranges(dispatcher, 1)
    server = Communicator(Server(url=dispatcher.url, dialect="v1"))
    (one,) = server.get_event_ranges(JOB, 1, "id-1")
    dispatcher.misbehave = lambda path, count: answer if path == TELL else None
    assert server.update_events(report(one.id)).taken == (True,)
    assert (dispatcher.counts[TELL_LEGACY], ranges.finished) == (1, [one.id])


def test_our_own_servers_faults_are_faults(dispatcher):
    Ranges(dispatcher, 1)
    dispatcher.announces = True
    server = Communicator(Server(url=dispatcher.url))
    server.get_event_ranges(JOB, 1, "id-1")
    dispatcher.misbehave = lambda path, count: (500, b"broken") if path == TELL else None
    with pytest.raises(replies.ServerBroke):
        server.update_events(report("1-7-2-0-3"))
    assert TELL_LEGACY not in dispatcher.counts


def test_a_server_that_gave_a_report_up_is_not_taken_for_one_that_took_it(dispatcher):
    said = b'{"StatusCode": 0, "Returns": "[true, false]", "Command": "{}"}'
    dispatcher.misbehave = lambda path, count: (200, said) if path == TELL_LEGACY else None
    with pytest.raises(replies.ServerBroke):
        Communicator(Server(url=dispatcher.url, dialect="legacy")).update_events(report("a"))
    assert ASK_LEGACY not in dispatcher.counts


def test_a_report_of_nothing_is_not_sent(server, dispatcher):
    assert server.update_events(report()) == ((), "")
    assert dispatcher.counts == {}
