from __future__ import annotations

import json
import sys

import pytest

from pilot.eventservice.door import Door, Line
from pilot.eventservice.per_range import asks_for_ranges, filled, main
from tests.pilot.eventservice.ranges_server import described

RANGES = [described(0), described(1)]


def test_a_command_that_only_a_range_can_complete_is_known():
    assert asks_for_ranges(["prog", "--first={startEvent}"])
    assert not asks_for_ranges(["prog", "{other}", "startEvent", "{}"])


def test_fields_are_put_into_arguments_also_in_the_midst_of_them():
    argv = ["p", "--skip={startEvent}", "{LFN}", "{output}", "{ranges}", "{eventRangeID}", "{odd}"]
    assert filled(argv, RANGES, ["/o1", "/o2"], "/r") == ["p", "--skip=1", "in.root", "/o1", "/r", "1-7-2-0-3", "{odd}"]


class Pilot:
    """Answers workers as the exchange does: so many ranges, then no more."""

    def __init__(self, folder, count):
        self.told = []
        self.left = [described(number) for number in range(count)]
        self.door = Door(folder, self.answer)

    def answer(self, news):
        if not isinstance(news, Line):
            return
        if news.text.startswith("Ready"):
            count = int(news.text.partition("events")[2] or 1)
            some, self.left = self.left[:count], self.left[count:]
            news.worker.say(json.dumps(some) if some else "No more events")
        else:
            if not news.text.startswith("Hello"):
                self.told.append(news.text)
            news.worker.say("Taken")


def run(folder, count, *argv, workers=1, per_start=1):
    pilot = Pilot(folder, count)
    with pilot.door as door:
        assert main([str(door.path), str(folder), str(workers), str(per_start), *argv]) == 0
    return pilot.told


def test_a_program_is_started_for_each_range_and_its_output_is_told(tmp_path):
    told = run(tmp_path, 3, "/bin/sh", "-c", "echo {startEvent} > {output}", workers=2)
    assert sorted(line.partition(",ID:")[2].partition(",")[0] for line in told) == [f"1-7-2-{n}-3" for n in range(3)]
    assert (tmp_path / "events" / "1-7-2-2-3.out").read_text() == "21\n"


def test_a_program_may_be_started_for_several_ranges_and_leave_an_output_for_each(tmp_path):
    script = (
        "import json, sys\n"
        "for one in json.load(open(sys.argv[1]))[:2]:\n"
        "    open(one['output'], 'w').write(str(one['startEvent']))\n"
    )
    told = run(tmp_path, 5, sys.executable, "-c", script, "{ranges}", per_start=3)
    done = [line for line in told if line.startswith("/")]
    assert len(done) == 4
    (failed,) = [line for line in told if line.startswith("ERR_")]
    assert "1-7-2-2-3" in failed
    assert "left no output" in failed
    assert not list(tmp_path.glob("events/*.json"))


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (["/bin/sh", "-c", "exit 3"], "status 3"),
        (["/bin/sh", "-c", "kill -9 $$"], "signal 9"),
        (["/none/such"], "cannot be started"),
        (["/bin/true"], "left no output"),
    ],
)
def test_why_a_program_did_not_do_its_range_is_told(tmp_path, argv, words):
    (told,) = run(tmp_path, 1, *argv)
    assert told.startswith("ERR_PAYLOAD 1-7-2-0-3: ")
    assert words in told


def test_what_a_failed_program_has_written_of_its_output_takes_no_room(tmp_path):
    (told,) = run(tmp_path, 1, "/bin/sh", "-c", "echo half > {output}; exit 3")
    assert "status 3" in told
    assert list((tmp_path / "events").iterdir()) == []


def test_a_program_that_removes_the_folder_of_outputs_fails_its_ranges_in_words(tmp_path):
    told = run(tmp_path, 2, "/bin/rm", "-r", str(tmp_path / "events"))
    assert "left no output" in told[0]
    assert "No such file or directory" in told[1]


def test_a_worker_ends_when_the_pilot_is_gone(tmp_path, capsys):
    assert main([str(tmp_path / "none"), str(tmp_path), "2", "1", "/bin/true"]) == 0
    assert "No such file" in capsys.readouterr().err
