"""A site for whole productions: a disk and a tape robot, each behind a real XRootD, and a queue whose pilots use them.

Raw files lie on tape and nowhere else, what jobs write goes to the disk, and what is archived to the tapes::

    with running() as site:
        system = LocalSystem(...)            # of which this is a site, once it is up
        site.put_raw_files({...})
        site.define(system)
        site.on_tape(), site.on_disk()       # what the simulator and the disk really have
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.services import tape, xrootd
from tests.whole.local_system import ROOT, LocalSystem

#: The queue, and its two storages.
QUEUE, DISK, TAPE = "CERN_COMPASS_PROD", "EOS_COMPASS", "CTA_COMPASS"
#: The folder of both storages below which everything lies.
AREA = "compass"
#: A robot whose every step is quick; new files go to tape at once, and leave its disk when they were compared.
ROBOT = {"drives": 2, "mount": 0.2, "rate": 50e6, "migrate_after": 0.5, "keep": 30.0, "repair": 1.0}
SETTINGS = "tests.whole.production_settings"
#: Writes what an admin writes in the admin's pages.
DEFINE = """
import json, sys, time
import django
django.setup()
from django_celery_beat.models import IntervalSchedule, PeriodicTask, PeriodicTasks
from server.services.models import Service
from server.services.registry import declared
from server.factory.logic import define_queue as define_factory_queue
from server.pandaconfig.logic import define_queue, define_storage
told = json.loads(sys.argv[1])
for name, said in told["storages"].items():
    define_storage(name, said)
define_queue(told["queue"])
define_factory_queue(told["queue"]["nickname"], slots=told["slots"], pilot_options=told["pilot_options"])
names = [name for name in declared() if name.startswith(("production.", "dataservice."))]
mine = Service.objects.filter(name__in=names, schedule__isnull=False)
deadline = time.monotonic() + 60
while mine.count() < len(names):  # the services write them down when they begin
    assert time.monotonic() < deadline, sorted(set(names) - set(mine.values_list("name", flat=True)))
    time.sleep(0.1)
often, _ = IntervalSchedule.objects.get_or_create(every=told["period"], period="seconds")
slow = mine.filter(schedule__interval__every__gt=told["period"])
PeriodicTask.objects.filter(pk__in=list(slow.values_list("schedule", flat=True))).update(interval=often)
mine.update(next_run=None)  # or it would still be what the longer period has made it
PeriodicTasks.update_changed()
"""
#: Seconds between two runs of the services of productions and storages.
PERIOD = 2


@dataclass(frozen=True)
class Stored:
    """A file as it lies somewhere: size in bytes, ``adler32:xxxxxxxx``."""

    size: int
    checksum: str


class Site:
    """The two storages while they run."""

    def __init__(self, disk: xrootd.XRootD, robot: tape.Tape) -> None:
        self.disk, self.robot = disk, robot
        for server in (disk, robot.server):
            (server.data / AREA).mkdir(exist_ok=True)
            server.give(server.data / AREA)

    def put_raw_files(self, files: Mapping[str, bytes]) -> None:
        """Put files on tape, by their names below the storage's folder; no disk has them."""
        for name, content in files.items():
            self.robot.put_on_tape(f"{AREA}/{name}", content)

    def define(self, system: LocalSystem, *, slots: int = 2) -> None:
        """Tell a system of the storages and of the queue, with so many pilots at a time."""
        config = system.home / "pilot.yaml"
        config.write_text(json.dumps({"xrdcp": {"python": sys.executable}}))  # which is YAML, too
        options = ["--pilot-user", "compass", "--joblabel", "unified", "--getjobrequests", "1", "--heartbeat", "2"]
        told = {
            "storages": {DISK: self.storage(DISK), TAPE: self.storage(TAPE)},
            "queue": queue(),
            "slots": slots,
            "period": PERIOD,
            "pilot_options": [*options, "--config", str(config)],
        }
        tell(system, DEFINE, json.dumps(told))

    def storage(self, name: str) -> dict[str, Any]:
        """Write the entry of one of them as ``ddmendpoints.json`` has it."""
        server = self.robot.server if name == TAPE else self.disk
        address = server.root.rstrip("/")
        protocol = {"endpoint": address, "path": f"/{AREA}", "flavour": "XROOTD", "id": 1}
        root, options = f"{address}//{AREA}", {"patience": 10}
        entry: dict[str, Any] = {
            "name": name,
            "type": "DATATAPE" if name == TAPE else "DATADISK",
            "state": "ACTIVE",
            "is_deterministic": False,
            "is_tape": name == TAPE,
            "arprotocols": {activity: [protocol] for activity in ("read_lan", "write_lan", "pr", "pw", "pl", "r", "w")},
            "compass_storage": {"root": root, "options": options},
        }
        if name == TAPE:
            entry["compass_storage"]["options"] = {**options, "lifetime_key": "pin", "files_per_request": 40}
        return entry

    def on_tape(self) -> dict[str, Stored]:
        """Answer what is on tape: the simulator's own files, read by us."""
        return _found(self.robot.layout.tapes / AREA)

    def on_disk(self) -> dict[str, Stored]:
        """Answer what the disk has."""
        return _found(self.disk.data / AREA)

    def tape_file(self, name: str) -> Path:
        return self.robot.layout.tapes / AREA / name

    def lose(self, name: str) -> None:
        """Let a file vanish from the disk, as a broken disk server does."""
        (self.disk.data / AREA / name).unlink()

    def drives(self, state: str, *numbers: int) -> None:
        """Take drives of the robot out of service (``down``), or back into it (``up``)."""
        for number in numbers:
            self.robot.drive(number, state)

    def restart_robot(self) -> None:
        """Let the robot lose its power, and come back."""
        self.robot.robot_kill()
        self.robot.robot_start()


def queue() -> dict[str, Any]:
    """Describe the queue."""
    activities = ("read_lan", "write_lan", "pr", "pw", "pl")
    return {
        "nickname": QUEUE,
        "gstat": "CERN",
        "status": "online",
        "corecount": 1,
        "maxrss": 2000,
        "maxtime": 86400,
        "maxwdir": 20000,
        "timefloor": 30,
        "resource_type": "local",
        "environ": f"'PATH={Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin'",
        "copytools": {"xrdcp": {"setup": ""}},
        "acopytools": {activity: ["xrdcp"] for activity in (*activities, "default")},
        "astorages": {activity: [DISK] for activity in activities},
        "params": {},
    }


#: Switches services on or off as an admin does.
SWITCH = """
import sys
import django
django.setup()
from django_celery_beat.models import PeriodicTask, PeriodicTasks
assert PeriodicTask.objects.filter(service__name=sys.argv[1]).update(enabled=sys.argv[2] == "on")
PeriodicTasks.update_changed()
"""


def switch(system: LocalSystem, service: str, state: str) -> None:
    """Switch a service ``on`` or ``off``."""
    tell(system, SWITCH, service, state)


def tell(system: LocalSystem, program: str, *words: str) -> str:
    """Run a program with the tables of a system; answer what it printed."""
    environment = {"DJANGO_SETTINGS_MODULE": SETTINGS, "COMPASS_SERVER_HOME": str(system.home / "server")}
    argv = [sys.executable, "-c", program, *words]
    done = subprocess.run(
        argv, env={**system.environment, **environment}, cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _found(root: Path) -> dict[str, Stored]:
    """Read all files below a folder; a link to nowhere is a file that is only on tape, and is none here."""
    found = {}
    for path in sorted(root.rglob("*")):
        if path.is_file():
            content = path.read_bytes()
            found[str(path.relative_to(root))] = Stored(len(content), f"adler32:{zlib.adler32(content):08x}")
    return found


@contextmanager
def running(**robot: Any) -> Iterator[Site]:
    """Have a site for a while.

    Args:
        robot: Settings of the tape robot, where they are to be other than `ROBOT`.
    """
    with contextlib.ExitStack() as stack:
        one = stack.enter_context(tape.running(**{**ROBOT, **robot}))
        disk = stack.enter_context(xrootd.running())
        yield Site(disk, one)


def environment() -> dict[str, str]:
    """Answer what a system of this site has in its environment."""
    return {"DJANGO_SETTINGS_MODULE": SETTINGS}


def write_raw_files(folder: Path, runs: Mapping[int, int], events: int, *, programs: int = 2) -> None:
    """Make raw files as the detector would, by the example's generator: ``runs`` are numbers of chunks by run."""
    from pilot.contract import naming

    folder.mkdir(parents=True, exist_ok=True)
    orders = [(run, chunk) for run, chunks in runs.items() for chunk in range(1, chunks + 1)]
    argv = [str(Path(sys.executable).with_name("compass-mc")), "generate"]

    def ordered(run: int, chunk: int) -> list[str]:
        words = {"run": run, "chunk": chunk, "seed": run + chunk, "events": events}
        said = [word for name, value in words.items() for word in (f"--{name}", str(value))]
        return [*argv, *said, "--output", str(folder / naming.raw(run, chunk))]

    for start in range(0, len(orders), programs):
        made = [subprocess.Popen(ordered(*one), stdout=subprocess.DEVNULL) for one in orders[start : start + programs]]
        assert [one.wait(120) for one in made] == [0] * len(made)
