"""A stage with a server that has event ranges, and payloads that work on them."""

from __future__ import annotations

import os
import sys
import tarfile

import pytest

from tests.pilot.dispatcher import local_storage, serving
from tests.pilot.eventservice.ranges_server import Ranges
from tests.pilot.test_end_to_end import Stage, job

#: A payload that asks for ranges itself. It may be told to do something else at a range, by that range's first event.
PAYLOAD = """
import os, signal, sys
sys.path.append(os.getcwd())
import compass_events

odd = {int(word.split("=")[0]): word.split("=")[1] for word in sys.argv[1:]}
line = compass_events.Events()
for number, one in enumerate(line):
    name, what = one["eventRangeID"], odd.get(one["startEvent"], "")
    if what == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    if what == "leave":
        sys.exit(0)
    if what == "exit":
        sys.exit(9)
    if what == "fail":
        line.failed(name, "bad luck")
        continue
    if what == "fatal":
        line.failed(name, "bad event", fatal=True)
        continue
    if what == "hold":
        with open(os.environ["REACHED"], "w") as told:
            told.write("here")
        with open(os.environ["RELEASED"]) as waiting:
            waiting.read()
    with open(f"out-{name}", "w") as file:
        file.write(f"events {one['startEvent']} to {one['lastEvent']}\\n" * (0 if what == "empty" else 1))
    path = {"outside": "/etc/hostname", "link": f"link-{name}"}.get(what, f"out-{name}")
    if what == "link":
        os.symlink("/etc/hostname", path)
    try:
        line.done(name, path, cpu=0.5)
    except compass_events.NotTaken as refused:
        print("refused:", refused)
"""


class EventStage(Stage):
    """A stage with ranges."""

    def __post_init__(self):
        super().__post_init__()
        self.dispatcher.queue["astorages"]["es_events"] = ["OBJECTS"]
        self.dispatcher.queue["acopytools"]["es_events"] = ["local"]
        objects = self.folder / "objects"
        objects.mkdir()
        entry = local_storage("OBJECTS", str(objects), ("es_events",))
        self.dispatcher.storages["OBJECTS"] = {**entry, "id": 42}
        self.objects = objects
        self.released = self.folder / "released"
        os.mkfifo(self.released)
        self.environment["RELEASED"] = str(self.released)
        (self.storage / "payload.py").write_text(PAYLOAD)
        self.environment.update(
            COMPASS_PILOT__EVENTS__RESERVE="1",
            COMPASS_PILOT__EVENTS__ASK_WAIT="0.05",
            COMPASS_PILOT__EVENTS__STORE_WAIT="0.05",
            COMPASS_PILOT__PAYLOAD__GRACE="1",
            COMPASS_PILOT__PAYLOAD__ENVIRONMENT="[REACHED, RELEASED]",
        )

    def has(self, count, **more):
        """Have so many ranges on the server, for the one job there is."""
        self.ranges = Ranges(self.dispatcher, count, **more)
        return self.ranges

    def offer(self, *words, **more):
        """Offer a job whose payload does something odd at some ranges."""
        inputs = ["payload.py"]
        spec = job(sys.executable, "payload.py", *words, inputs=inputs, events=True, jobset_id=5, task_id=1, **more)
        self.dispatcher.jobs = [spec]

    def members(self):
        """Answer what lies in the archives on the storage: texts by name."""
        found = {}
        for path in self.objects.rglob("EventService_premerge_*"):
            with tarfile.open(path) as tar:
                for member in tar.getmembers():
                    found[member.name] = tar.extractfile(member).read().decode()
        return found


@pytest.fixture
def stage(tmp_path):
    with serving(tmp_path / "storage") as dispatcher:
        made = EventStage(tmp_path, dispatcher)
        yield made
        made.close()
