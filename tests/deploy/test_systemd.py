"""The units of deploy/ under a real systemd: started, killed, stopped, and held to what they may."""

from __future__ import annotations

import json
import socket
import time
from http.client import HTTPConnection
from pathlib import Path

import pytest

from tests.deploy.test_files import DEPLOY
from tests.services import systemd

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.campaign,
    pytest.mark.skipif(bool(systemd.why_not()), reason=systemd.why_not()),
]

SERVER, SERVICES = "compass-server.service", "compass-services.service"
SETTINGS = """\
COMPASS_SERVER_HOME=/var/lib/compass
COMPASS_SERVER_SOCKET=/run/compass/server.sock
COMPASS_SERVER_HOSTS=localhost
"""
AS_COMPASS = ("setpriv", "--reuid", "compass", "--regid", "compass", "--clear-groups")


class Wire(HTTPConnection):
    """A connection to a Unix socket."""

    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=30)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self._path))


class Machine:
    """A machine on which the howto was followed."""

    def __init__(self, own: systemd.Systemd) -> None:
        self.own = own
        (own.root / "etc/compass/compass.env").write_text(SETTINGS)
        own.run("install", "-d", "-o", "compass", "-g", "compass", "-m", "700", "/var/lib/compass")
        self.command("init", "--local-queue", "LOCAL", "--storage", "/var/lib/compass/storage", "--slots", "0")

    def command(self, *words: str) -> str:
        said = [line for line in SETTINGS.splitlines() if line]
        return self.own.run(*AS_COMPASS, "env", "-C", "/", *said, "/opt/compass/bin/compass-server", *words)

    def call(self, role: str, method: str, fields: dict | None = None) -> object:
        token = (self.own.root / f"var/lib/compass/{role}.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
        wire = Wire(self.own.root / "run/compass/server.sock")
        verb = "GET" if fields is None else "POST"
        wire.request(verb, f"/api/v1/{method}", None if fields is None else json.dumps(fields), headers)
        answer = json.loads(wire.getresponse().read())
        assert answer["success"], answer
        return answer["data"]

    def answers(self) -> bool:
        wire = Wire(self.own.root / "run/compass/server.sock")
        try:
            wire.request("GET", "/readyz")
            return wire.getresponse().status == 200
        except OSError:
            return False

    def restarts(self, unit: str) -> int:
        return int(self.own.systemctl("show", "-P", "NRestarts", unit))

    def states(self) -> list[str]:
        return self.own.systemctl("show", "-P", "ActiveState", SERVER, SERVICES).split()

    def kill(self, unit: str) -> None:
        self.own.run("kill", "-9", str(self.own.main_pid(unit)))


@pytest.fixture
def machine(tmp_path):
    with systemd.running(tmp_path, DEPLOY / "systemd") as own:
        yield Machine(own)


def wait_for(met, what: str, seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < until, f"it did not come that {what}"
        time.sleep(0.1)


def test_the_units_start_bear_being_killed_and_stop_and_nothing_is_lost(machine):
    own = machine.own
    own.systemctl("start", "compass.target")
    wait_for(machine.answers, "the server answers")
    job = {"computingSite": "LOCAL", "transformation": "/bin/true", "files": [], "maxAttempt": 1}
    ((number, *_),) = machine.call("production", "job/submit", {"jobs": [job]})

    # The server with its workers, in the middle of its life.
    machine.kill(SERVER)
    wait_for(lambda: machine.restarts(SERVER) == 1 and machine.answers(), "the server is started again")
    (taken,) = machine.call("pilot", "pilot/acquire_jobs", {"site_name": "LOCAL"})["jobs"]
    assert int(taken["PandaID"]) == number

    # One worker alone: the server starts another one itself.
    main = own.main_pid(SERVER)
    worker = own.run("pgrep", "-P", str(main), "-f", "serve").split()[-1]
    own.run("kill", "-9", worker)
    wait_for(lambda: worker not in own.run("pgrep", "-P", str(main)).split(), "the worker is gone")
    wait_for(machine.answers, "another worker answers")
    assert (own.main_pid(SERVER), machine.restarts(SERVER)) == (main, 1)
    said = {"job_id": number, "attempt_nr": taken["attemptNr"]}
    machine.call("pilot", "pilot/update_job", {**said, "job_status": "running"})

    # The services.
    machine.kill(SERVICES)
    wait_for(lambda: machine.restarts(SERVICES) == 1 and machine.states() == ["active"] * 2, "services start again")

    begun = time.monotonic()
    own.systemctl("stop", "compass.target")
    wait_for(lambda: machine.states() == ["inactive"] * 2, "both have ended")
    assert time.monotonic() - begun < 30  # of the 90 s after which systemd would kill
    assert own.systemctl("show", "-P", "Result", SERVER, SERVICES).split() == ["success"] * 2
    assert not (own.root / "run/compass").exists()
    own.systemctl("start", "compass.target")
    wait_for(machine.answers, "the server answers again")
    machine.call("pilot", "pilot/update_job", {**said, "job_status": "finished"})
    (found,) = machine.call("production", f"job/get_status?job_ids={number}")
    assert "finished" in json.dumps(found)


def test_they_may_write_their_own_folders_alone_and_have_no_rights(machine):
    own = machine.own
    own.systemctl("start", "compass.target")
    wait_for(machine.answers, "the server answers")
    for unit, folders in ((SERVER, ["/run/compass", "/var/lib/compass"]), (SERVICES, ["/var/lib/compass"])):
        pid = own.main_pid(unit)
        status = dict(
            line.split(":\t", 1) for line in (own.root / f"proc/{pid}/status").read_text().splitlines() if ":\t" in line
        )
        assert status["Uid"].split() == ["4711"] * 4
        assert (status["NoNewPrivs"], int(status["CapBnd"], 16)) == ("1", 0)

        def can_write(folder: str, pid: int = pid) -> bool:
            own.run(*AS_COMPASS, "touch", f"{folder}/probe", check=False, inside=pid)
            return not own.run("test", "-e", f"{folder}/probe", check=False, inside=pid) and (
                "yes" in own.run("sh", "-c", f"test -e {folder}/probe && echo yes || true", inside=pid)
            )

        assert [folder for folder in (*folders, "/tmp") if not can_write(folder)] == []
        assert [folder for folder in ("/etc", "/opt/compass", "/usr", "/var/lib", "/root") if can_write(folder)] == []
        assert own.run("ls", "/root", check=False, inside=pid).strip() == ""
    assert (own.root / "run/compass").stat().st_mode & 0o7777 == 0o2750
    assert (own.root / "var/lib/compass").stat().st_mode & 0o7777 == 0o700
