from __future__ import annotations

import contextlib
import os
import queue
import resource
import socket
import threading

import pytest

from pilot.api.event_client import connect
from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.eventservice import door as doors
from pilot.eventservice.door import MOST_AHEAD, Door, Gone, Line
from pilot.eventservice.messages import LONGEST


@pytest.fixture
def heard():
    return queue.Queue()


@pytest.fixture
def door(tmp_path, heard):
    with Door(tmp_path, heard.put) as made:
        yield made


def hear(heard):
    return heard.get(timeout=10)


def test_lines_come_in_as_they_were_said_and_answers_go_to_who_has_asked(door, heard):
    one, other = connect(str(door.path)), connect(str(door.path))
    one.sendall(b"first\nsec")
    first = hear(heard)
    other.sendall(b"from another\r\n")
    another = hear(heard)
    one.sendall(b"ond\n")
    second = hear(heard)
    assert [line.text for line in (first, another, second)] == ["first", "from another", "second"]
    assert second.worker is first.worker is not another.worker
    assert another.worker.say("for you: \udcff")
    assert other.recv(100) == b"for you: \xff\n"
    one.close()
    assert isinstance(hear(heard), Gone)
    other.close()


def test_who_has_hung_up_is_told_nothing(door, heard):
    line = connect(str(door.path))
    line.sendall(b"hello\n")
    worker = hear(heard).worker
    line.close()
    assert hear(heard) == Gone(worker)
    assert not worker.say("anybody?")


def test_a_line_without_end_is_hung_up_on(door, heard):
    line = connect(str(door.path))
    line.sendall(b"x" * (LONGEST + 100000))
    assert isinstance(hear(heard), Gone)
    line.close()


def test_what_was_said_before_hanging_up_is_heard(door, heard):
    line = connect(str(door.path))
    line.sendall(b"last words\n")
    line.close()
    assert isinstance(hear(heard), Line)
    assert isinstance(hear(heard), Gone)


def test_the_socket_is_for_the_pilots_own_account_and_is_gone_at_the_end(tmp_path, heard):
    with Door(tmp_path, heard.put) as door:
        assert door.path.is_socket()
        assert door.path.stat().st_mode & 0o777 == 0o600
    assert not door.path.exists()


def test_what_lies_in_the_sockets_place_is_removed(tmp_path, heard):
    (tmp_path / ".compass-events").write_text("left")
    with Door(tmp_path, heard.put) as door:
        connect(str(door.path)).close()


def test_a_socket_that_cannot_be_made_fails_the_job_with_its_code(tmp_path, heard):
    with pytest.raises(JobFailed) as caught:
        Door(tmp_path / "missing", heard.put).__enter__()
    assert caught.value.code is ErrorCode.MESSAGE_FAILURE


def test_nobody_listens_where_there_is_no_door(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        connect(str(tmp_path / "none"))
    with pytest.raises(OSError, match="No such file"):
        connect(str(tmp_path / ("long" * 50) / "none"))


def test_who_does_not_read_is_waited_for_once_and_then_cut_off(tmp_path, heard, monkeypatch):
    monkeypatch.setattr(doors, "DEAF_AFTER", 1)
    with Door(tmp_path, heard.put) as door, connect(str(door.path)) as line:
        line.sendall(b"hello\n")
        worker = hear(heard).worker
        assert not worker.say("x" * 10_000_000)
        assert hear(heard) == Gone(worker)
        assert not worker.say("y")


def test_more_workers_than_may_talk_at_a_time_wait_until_one_hangs_up(tmp_path, heard, monkeypatch):
    monkeypatch.setattr(doors, "MOST_WORKERS", 3)
    with Door(tmp_path, heard.put) as door:
        lines = [connect(str(door.path)) for _ in range(5)]
        for line in lines:
            line.sendall(b"hello\n")
        assert [type(hear(heard)) for _ in range(3)] == [Line] * 3
        for line in lines[:3]:
            line.close()
        assert sorted(type(hear(heard)).__name__ for _ in range(5)) == ["Gone"] * 3 + ["Line"] * 2
        for line in lines[3:]:
            line.close()


def test_when_there_is_no_open_file_left_workers_are_taken_as_soon_as_there_is(tmp_path, heard):
    with Door(tmp_path, heard.put) as door:
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        line = socket.socket(socket.AF_UNIX)
        next_free = os.dup(line.fileno())
        os.close(next_free)
        resource.setrlimit(resource.RLIMIT_NOFILE, (next_free, before[1]))
        try:
            line.connect(str(door.path))
            line.sendall(b"hello\n")
            with pytest.raises(queue.Empty):
                heard.get(timeout=0.2)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, before)
        assert isinstance(hear(heard), Line)
        line.close()


def test_who_says_more_than_is_heard_has_to_wait(tmp_path, heard):
    with Door(tmp_path, heard.put) as door, connect(str(door.path)) as line:
        line.settimeout(0.3)
        with pytest.raises(OSError, match="timed out"):
            line.sendall(b"word\n" * 1_000_000)
        assert heard.qsize() == MOST_AHEAD
        for _ in range(MOST_AHEAD + 10):
            hear(heard).worker.heard()


def test_a_payload_that_floods_keeps_no_pilot_from_ending(tmp_path, heard):
    with Door(tmp_path, heard.put) as door:
        floods = [connect(str(door.path)) for _ in range(3)]
        for line in floods:
            line.settimeout(0.2)
            with pytest.raises(OSError, match="timed out"):
                line.sendall(b"word\n" * 1_000_000)
    for line in floods:
        line.close()


def test_what_comes_after_all_that_was_said_is_told_after_it(door, heard):
    lines = [connect(str(door.path)) for _ in range(100)]
    for line in lines:
        line.sendall(b"word\n" * 3)
        line.close()
    door.after("the end")
    told = [hear(heard) for _ in range(401)]
    assert told[-1] == "the end"
    assert [type(one) for one in told].count(Line) == 300


def test_who_talks_on_and_on_is_not_waited_for(tmp_path, heard, monkeypatch):
    monkeypatch.setattr(doors, "DEAF_AFTER", 1)
    ended = threading.Event()

    def talk(path):
        with connect(path) as line, contextlib.suppress(OSError):
            while not ended.is_set():
                line.sendall(b"word\n" * 100)

    with Door(tmp_path, heard.put) as door:
        talking = threading.Thread(target=talk, args=[str(door.path)])
        talking.start()
        hear(heard).worker.heard()
        door.after("the end")
        while (news := hear(heard)) != "the end":
            news.worker.heard()
        ended.set()
    talking.join(10)
    assert not talking.is_alive()
