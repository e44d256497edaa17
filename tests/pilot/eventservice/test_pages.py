"""The programs of the pages about event ranges, run as a reader would run them."""

from __future__ import annotations

import re
import stat
import sys

from tests.pilot.api.test_public import ROOT, program, run
from tests.pilot.dispatcher import serving
from tests.pilot.eventservice.ranges_server import Ranges
from tests.pilot.eventservice.test_whole import names
from tests.pilot.test_end_to_end import job

PAGE = "howto/write-an-event-payload.md"


def put(stage, name, text):
    path = stage.storage / name
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def test_the_payload_in_python_does_every_range(stage):
    ranges = stage.has(6)
    ranges.left[2]["LFN"] = "other.root"
    put(stage, "count.py", program(PAGE))
    stage.dispatcher.jobs = [job(sys.executable, "count.py", "2", inputs=["count.py"], events=True, cores=2)]
    status, said = stage.run()
    assert status == 0, said
    assert (ranges.finished, ranges.ends[names(2)[0]]) == (names(0, 1, 3, 4, 5), ["fatal"])
    assert stage.members() == {f"count-{name}.txt": "10\n" for name in names(0, 1, 3, 4, 5)}


def test_the_payload_in_shell_does_every_range(stage):
    ranges = stage.has(3)
    (text,) = re.findall(r"```sh\n(.*?)```", (ROOT / "doc" / PAGE).read_text(), re.DOTALL)
    put(stage, "payload.sh", text)
    put(stage, "simulate.py", f"import sys\nprint(sys.argv[1])\nsys.exit(sys.argv[1] == {names(1)[0]!r})\n")
    stage.dispatcher.jobs = [job("./payload.sh", inputs=["payload.sh", "simulate.py"], events=True)]
    status, said = stage.run()
    assert status == 0, said
    assert (ranges.finished, ranges.failed) == (names(0, 2), names(1))


def test_the_tool_that_asks_for_ranges_gets_them_and_is_heard(tmp_path):
    with serving(tmp_path) as dispatcher:
        ranges = Ranges(dispatcher, 5)
        done = run("howto/ask-for-event-ranges.md", dispatcher.url, "7", "5", folder=tmp_path)
    assert done.stderr == ""
    assert done.stdout.splitlines() == ["1 of 1 taken", "3 of 3 taken", "1 of 1 taken", "0 of 0 taken"]
    assert (ranges.finished, ranges.failed) == (names(0, 4), names(1, 2, 3))


def test_the_same_tool_names_what_is_wrong_and_whether_to_try_again(tmp_path):
    done = run("howto/ask-for-event-ranges.md", "http://127.0.0.1:9", "7", "5", folder=tmp_path)
    assert done.returncode == 1
    assert "try again" in done.stderr
