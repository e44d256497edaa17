from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pilot.api import event_client
from pilot.api.event_client import Events, Gone, NotTaken, main
from pilot.eventservice.door import Door, Line
from tests.pilot.eventservice.ranges_server import described


class Pilot:
    """Answers as the exchange does; ``says`` is what it answers to what it is told of a range."""

    def __init__(self, folder, count=2, says="Taken"):
        self.left, self.says, self.told = [described(number) for number in range(count)], says, []
        self.door = Door(folder, self.answer)

    def answer(self, news):
        if not isinstance(news, Line):
            return
        if news.text.startswith("Ready"):
            count = int(news.text.partition("events")[2] or 1)
            some, self.left = self.left[:count], self.left[count:]
            news.worker.say(json.dumps(some) if some else "No more events")
        elif news.text.startswith("Hello"):
            news.worker.say("Taken")
        else:
            self.told.append(news.text)
            news.worker.say(self.says)


@pytest.fixture
def pilot(tmp_path, monkeypatch):
    made = Pilot(tmp_path)
    with made.door:
        monkeypatch.setenv("COMPASS_EVENTS_SOCKET", str(made.door.path))
        yield made


def test_ranges_come_one_by_one_until_there_are_no_more(pilot):
    with Events() as line:
        assert [one["startEvent"] for one in line] == [1, 11]
        assert line.next(5) == []


def test_several_ranges_come_at_once(pilot):
    with Events() as line:
        assert len(line.next(5)) == 2


def test_what_became_of_a_range_is_told_in_pandas_words(pilot, tmp_path):
    with Events() as line:
        line.done("a", str(tmp_path / "out"), cpu=1.5, wall=2)
        line.failed("b", "two\nlines ")
        line.failed("c", "", fatal=True)
    assert pilot.told == [
        f"{tmp_path}/out,ID:a,CPU:1.500,WALL:2.000",
        "ERR_PAYLOAD b: two lines",
        "ERR_FATAL c: no words",
    ]


def test_a_refusal_is_raised_with_its_words(pilot):
    pilot.says = "Refused: range a is not this payload's"
    with Events() as line, pytest.raises(NotTaken, match="^range a is not this payload's$"):
        line.done("a", "out")


def test_a_name_with_a_line_break_is_no_message(pilot):
    with Events() as line, pytest.raises(NotTaken, match="one line"):
        line.done("a", "out\nput")


def test_without_a_pilot_there_is_nobody_to_talk_to(tmp_path, monkeypatch):
    monkeypatch.delenv("COMPASS_EVENTS_SOCKET", raising=False)
    with pytest.raises(Gone, match="COMPASS_EVENTS_SOCKET is not set"):
        Events()
    with pytest.raises(Gone, match="No such file"):
        Events(str(tmp_path / "none"))


def test_a_pilot_that_ends_is_noticed(tmp_path):
    made = Pilot(tmp_path)
    with made.door:
        line = Events(str(made.door.path))
    with pytest.raises(Gone):
        line.next()
    line.close()


def test_a_script_asks_and_tells_by_the_program(pilot, capsys, tmp_path):
    assert main(["next", "--field", "eventRangeID"]) == 0
    assert capsys.readouterr().out == "1-7-2-0-3\n"
    assert main(["next"]) == 0
    assert json.loads(capsys.readouterr().out)["startEvent"] == 11
    assert main(["next", "2"]) == event_client.NO_MORE_STATUS
    assert main(["done", "a", str(tmp_path / "out"), "--cpu", "2"]) == 0
    assert main(["failed", "b", "bad", "luck", "--fatal"]) == 0
    assert pilot.told == [f"{tmp_path}/out,ID:a,CPU:2.000,WALL:0.000", "ERR_FATAL b: bad luck"]


def test_what_the_program_could_not_do_is_in_its_status_and_its_words(pilot, capsys, monkeypatch):
    pilot.says = "Refused: no such range"
    assert main(["failed", "b"]) == event_client.REFUSED_STATUS
    assert "no such range" in capsys.readouterr().err
    monkeypatch.setenv("COMPASS_EVENTS_SOCKET", "/none")
    assert main(["next"]) == event_client.GONE_STATUS
    assert "No such file" in capsys.readouterr().err


def test_the_copy_beside_a_payload_needs_nothing_but_the_standard_library(pilot, tmp_path):
    copy = tmp_path / "compass_events.py"
    copy.write_bytes(event_client.source())
    environment = {"COMPASS_EVENTS_SOCKET": str(pilot.door.path)}
    argv = [sys.executable, "-I", "-S", str(copy), "next", "--field", "startEvent"]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (0, "1\n"), done.stderr
    assert "import pilot" not in Path(copy).read_text()
    assert "from pilot" not in Path(copy).read_text()


def test_the_pilot_itself_has_the_program_as_a_command(pilot, capsys):
    from pilot import cli

    assert cli.main(["events", "next", "--field", "lastEvent"]) == 0
    assert capsys.readouterr().out == "10\n"
