"""A pilot is killed at every single thing it does; the next one on the disk brings its job to one end."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from pilot.contract.codes import ErrorCode
from tests.pilot.dispatcher import serving
from tests.pilot.test_end_to_end import UPDATE, Stage, shell

pytestmark = pytest.mark.one_python

SCRIPT = "cat in.txt > out.txt; cat in.txt in.txt > more.txt; echo said"
OUTPUTS = {"out.txt": "hello", "more.txt": "hellohello"}


class Deathbed(Stage):
    """A stage on which pilots die."""

    def __post_init__(self):
        super().__post_init__()
        (self.storage / "in.txt").write_text("hello")
        self.dispatcher.jobs = [shell(SCRIPT, inputs=["in.txt"], outputs=list(OUTPUTS))]
        self.environment["COMPASS_PILOT__PLUGINS__ALSO"] = "[]"
        self.environment["COMPASS_PILOT__RECOVERY__KEEP_LOGS"] = "0"
        self.environment["KILL_ROOT"] = str(self.folder)

    def die(self, at="", listed="", **settings):
        """Run a pilot that is killed at an effect; answer whether it was, and not before it could end."""
        self.environment.update(KILL_AT=str(at), KILL_LIST=str(listed))
        pilot = self.start(program="tests.pilot.killing", **settings)
        pilot.communicate(timeout=60)
        return pilot.returncode == -signal.SIGKILL

    def die_after(self, request):
        """Run a pilot that is killed when the server has done with this request, before its answer is sent."""
        answer, count = self.dispatcher._answer, [0]

        def kill(path, body, headers):
            said = answer(path, body, headers)
            count[0] += 1
            if count[0] == request:
                pilot.kill()
                pilot.wait()
                raise ConnectionAbortedError
            return said

        self.dispatcher._answer = kill
        pilot = self.start()
        pilot.communicate(timeout=60)
        self.dispatcher._answer = answer
        return pilot.returncode == -signal.SIGKILL

    def listen_again(self):
        """Forget who has told that something was reached."""
        os.close(self._listening)
        self._listening = os.open(self.fifo, os.O_RDONLY | os.O_NONBLOCK)

    def check(self, **settings):
        """Let the next pilot live; the job has one end, and nothing is left of those that died."""
        status, said = self.run(**settings)
        assert status in (0, 82), said
        finals = self.dispatcher.finals()
        assert len({json.dumps(final, sort_keys=True) for final in finals}) == 1, finals
        final = finals[0]
        stored = json.loads(final["job_output_report"])
        there = {path.name: path for path in self.storage.iterdir()}
        assert set(there) == {"in.txt", *stored}, "what lies there was reported, and nothing else lies there"
        if final["job_status"] == "finished":
            assert set(stored) == {*OUTPUTS, "job.log.tgz"}
            assert {name: there[name].read_text() for name in OUTPUTS} == OUTPUTS
        else:
            assert final["pilot_error_code"] == ErrorCode.PILOT_LOST
            assert set(stored) == {"job.log.tgz"}
        left = [path.name for path in self.base.iterdir() if not path.name.startswith(".")]
        assert left == []
        return final["job_status"]


@pytest.fixture
def deathbed(tmp_path):
    beds = []

    def make():
        folder = tmp_path / str(len(beds))
        folder.mkdir()
        manager = serving(folder / "storage")
        bed = Deathbed(folder, manager.__enter__())
        beds.append(SimpleNamespace(bed=bed, manager=manager))
        return bed

    yield make
    for made in beds:
        made.bed.close()
        made.manager.__exit__(None, None, None)


def effects_of(bed):
    """Answer what a pilot does that lives, as the numbers at which one may die."""
    listed = bed.folder / "effects"
    assert not bed.die(listed=listed)
    return listed.read_text().splitlines()


@pytest.mark.parametrize(
    ("at", "end"),
    [
        ("os.rename:7-1.json:1", "finished"),  # the job is not written down yet; the request is
        ("subprocess.Popen::1", "failed"),  # the payload is about to be started
        ("os.link:more.txt:1", "finished"),  # one output is stored, the other one almost
        ("os.rename:7-1.json:7", "finished"),  # all outputs are stored
        ("http.client.send::9", "finished"),  # the final report is written down, and not sent
        ("os.remove:7-1.json:1", "finished"),  # it is sent, and not forgotten
    ],
)
def test_a_job_has_one_end_although_its_pilot_is_killed(deathbed, at, end):
    bed = deathbed()
    assert bed.die(at)
    assert bed.check() == end


def test_a_job_has_one_end_although_its_pilot_is_killed_when_its_last_report_was_taken(deathbed):
    bed = deathbed()
    assert bed.die_after(6)
    assert bed.check() == "finished"


def test_a_job_has_one_end_although_the_pilot_that_takes_it_over_is_killed_too(deathbed):
    bed = deathbed()
    assert bed.die("os.link:more.txt:1")
    assert bed.die("os.rename:PanDA_Pilot-7-1:2")
    assert bed.check() == "finished"


@pytest.fixture(params=[pytest.param("one file system", marks=pytest.mark.campaign), "two"])
def shared(request, tmp_path):
    """A folder that the site names for what pilots could not settle."""
    if request.param == "one file system":
        yield tmp_path / "shared"
        return
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("not tested: there is no second file system here")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder) / "shared"


def test_what_a_pilot_cannot_settle_is_brought_to_its_end_by_one_on_another_node(deathbed, shared):
    bed = deathbed()
    assert bed.die("os.link:more.txt:1")
    # The second one takes the job over, cannot reach the storage, and has to go; the third one is elsewhere.
    storage = bed.storage.parent
    storage.rename(storage.with_name("away"))
    bed.dispatcher.misbehave = lambda path, count: (500, b"") if path == UPDATE and count > 2 else None
    assert bed.run(recovery__folder=shared, server__report_for=0.3)[0] == 79
    assert list(bed.base.glob("*/PanDA_Pilot-*")) == []
    assert [path.name for path in shared.glob("compass-pilot-*/PanDA_Pilot-*")] == ["PanDA_Pilot-7-1"]
    storage.with_name("away").rename(storage)
    bed.dispatcher.misbehave = lambda path, count: None
    bed.base = bed.folder / "elsewhere"
    assert bed.run(recovery__folder=shared)[0] == 82
    assert len(bed.dispatcher.finals()) == 1
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize("first", [signal.SIGKILL, signal.SIGTERM])
def test_outputs_that_were_made_outlive_one_pilot_and_then_another(deathbed, shared, first):
    bed = deathbed()
    bed.dispatcher.jobs = [shell("echo > hold-out.txt", outputs=["hold-out.txt"])]
    bed.environment["COMPASS_PILOT__PLUGINS__ALSO"] = "[slow]"
    for number in (first, signal.SIGTERM):
        pilot = bed.start(recovery__folder=shared)
        bed.reached()  # it is storing the output
        pilot.send_signal(number)
        pilot.wait(30)
        bed.listen_again()
    assert len(list(shared.glob("compass-pilot-*/PanDA_Pilot-*/hold-out.txt"))) == 1
    assert bed.dispatcher.finals() == []
    assert bed.run(plugins__also="[]", recovery__folder=shared)[0] == 82
    assert bed.final()["job_status"] == "finished"
    assert (bed.storage / "hold-out.txt").read_text() == "\n"
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize("at", ["subprocess.Popen::1", "os.rename:7-1.json:9"])
def test_peer_defect_21_a_pilot_that_is_killed_leaves_no_secret_on_the_disk(deathbed, at):
    bed = deathbed()
    assert bed.die(at)
    files = [path for path in bed.base.rglob("*") if path.is_file()]
    assert any(path.name == "7-1.json" for path in files)
    assert [path for path in files if b"tok-secret-1" in path.read_bytes()] == []
    assert {path.stat().st_mode & 0o077 for path in files if path.parent.name == "journal"} == {0}


@pytest.mark.campaign
def test_a_job_has_one_end_whatever_effect_its_pilot_is_killed_before(deathbed):
    count = len(effects_of(deathbed()))
    assert count > 40
    ends = []
    for number in range(1, count + 1):
        bed = deathbed()
        bed.die(number)  # in another order of threads it may come to its end before
        ends.append(bed.check())
    assert set(ends) == {"finished", "failed"}


@pytest.mark.campaign
def test_a_job_has_one_end_whatever_request_its_pilot_is_killed_after(deathbed):
    request = 1
    while True:
        bed = deathbed()
        if not bed.die_after(request):
            break
        bed.check()
        request += 1
    assert request > 6


@pytest.mark.campaign
@pytest.mark.parametrize("first", ["os.link:more.txt:1", "subprocess.Popen::1", "os.remove:7-1.json:1"])
def test_a_job_has_one_end_whatever_effect_the_pilot_that_takes_it_over_is_killed_before(deathbed, first):
    bed = deathbed()
    assert bed.die(first)
    count = len(effects_of(bed))
    for number in range(1, count + 1):
        bed = deathbed()
        assert bed.die(first)
        bed.die(number)
        bed.check()
