"""Brings a local system up and down: folders, secrets, the supervisor and its plan."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests

from client.errors import ClientError
from client.local.processes import Identity
from client.place import Home, read_system
from pilot.contract.routes import IS_ALIVE

#: Seconds that a system gets to answer after it was started.
PATIENCE = 60.0
#: Seconds that pilots get to end their jobs, store the logs and report.
PILOTS = 90.0
#: Seconds between two looks at a starting or stopping system.
LOOK = 0.05


@dataclass(frozen=True)
class Wishes:
    """How a local system is to be: where it listens, its queue and how many jobs run at once."""

    port: int
    queue: str = "LOCAL"
    slots: int = 2
    bundle: Path | None = None


def free_port() -> int:
    """Answer a port of the loopback interface that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def only_one(home: Home) -> Iterator[None]:
    """Let one `up` or `down` work on a home at a time."""
    with (home.run / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as taken:
            raise ClientError(f"another compass works on {home.folder} right now", "wait for it") from taken
        yield


def supervisor_of(system: Mapping[str, Any] | None) -> Identity | None:
    """Answer the supervisor of a system that says it is up, if that process still lives."""
    if not system:
        return None
    identity = Identity(int(system["pid"]), float(system["started"]))
    return identity if identity.process() is not None else None


def server_environment(home: Home) -> dict[str, str]:
    """What the server's programs need to find this home."""
    return {"COMPASS_SERVER_HOME": str(home.server), "COMPASS_SERVER_OPEN_PAGES": "yes"}


def server_command(*words: str) -> tuple[str, ...]:
    """Write a call of `compass-server` with the Python that runs this program."""
    return (sys.executable, "-m", "server.manage", *words)


def run_server_command(home: Home, *words: str) -> str:
    """Run one command of the server to its end and answer what it printed.

    Raises:
        ClientError: it failed; with its last line.
    """
    environment = {**os.environ, **server_environment(home)}
    done = subprocess.run(server_command(*words), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "it said nothing").splitlines()[-1]
        raise ClientError(f"compass-server {words[0]} failed: {last}", f"look into {home.logs}")
    return done.stdout


def up(home: Home, wishes: Wishes) -> dict[str, Any]:
    """Start a system that lives on without this process; answer what `system.json` says of it.

    Raises:
        ClientError: it did not come up; with the end of the log that tells why.
    """
    home.make()
    with only_one(home):
        system = read_system(home)
        if system and supervisor_of(system):
            return system
        home.system_file.unlink(missing_ok=True)
        run_server_command(home, *_initial(home, wishes))
        return _start(home, wishes)


def _initial(home: Home, wishes: Wishes) -> list[str]:
    """Init with a queue of this machine whose payloads find the programs that are installed beside this one."""
    words = ["init", "--local-queue", wishes.queue, "--storage", str(home.storage), "--slots", str(wishes.slots)]
    return [*words, "--programs", str(Path(sys.executable).parent)]


def _plan(home: Home, wishes: Wishes) -> Path:
    environment = server_environment(home)
    services = {**environment, "COMPASS_SERVER_URL": f"http://127.0.0.1:{wishes.port}"}
    if wishes.bundle is not None:
        services["COMPASS_SERVER_BUNDLE"] = str(wishes.bundle)
    parts = [
        _part(home, "server", ("serve", "--port", str(wishes.port)), environment),
        {
            **_part(home, "services", ("services",), services),
            # Pilots outlive the services by design: what was started here is ended here, while the server can still
            # take their last reports.
            "afterwards": server_command("stop_pilots", "--wait", f"{PILOTS:.0f}"),
        },
    ]
    plan = home.run / "plan.json"
    plan.write_text(json.dumps({"parts": parts, "record": str(home.run / "parts.json")}))
    return plan


def _part(home: Home, name: str, words: tuple[str, ...], environment: dict[str, str]) -> dict[str, Any]:
    log = str(home.logs / f"{name}.log")
    return {"name": name, "argv": server_command(*words), "environment": environment, "log": log}


def _start(home: Home, wishes: Wishes) -> dict[str, Any]:
    plan, log_path = _plan(home, wishes), home.logs / "supervisor.log"
    with log_path.open("ab") as log:
        supervisor = subprocess.Popen(
            (sys.executable, "-m", "client.local.supervisor", str(plan)),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    identity = Identity.of(supervisor.pid)
    system = {
        "pid": identity.pid,
        "started": identity.started,
        "url": f"http://127.0.0.1:{wishes.port}",
        "token_file": str(home.server / "production.token"),
    }
    home.system_file.write_text(json.dumps(system))
    try:
        _await_answer(system["url"], supervisor, home)
    except BaseException:
        down(home, locked=True)
        raise
    return system


def _await_answer(url: Any, supervisor: subprocess.Popen[bytes], home: Home) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if supervisor.poll() is not None:
            raise ClientError(
                f"the system ended at once: {last_line(home.logs / 'supervisor.log')}", f"see {home.logs}"
            )
        try:
            if requests.get(f"{url}{IS_ALIVE}", headers={"Accept": "application/json"}, timeout=2).ok:
                return
        except requests.exceptions.RequestException:
            pass
        time.sleep(LOOK)
    said = last_line(home.logs / "server.log")
    raise ClientError(f"the server did not answer in {PATIENCE:.0f} s; its last words: {said}", f"see {home.logs}")


def last_line(path: Path) -> str:
    """Answer the last line of a log, or words for there being none."""
    try:
        lines = path.read_text(errors="replace").strip().splitlines()
    except FileNotFoundError:
        lines = []
    return lines[-1] if lines else "nothing was written"


def down(home: Home, *, locked: bool = False) -> bool:
    """Stop the system of this home and everything that it started; answer whether one was up."""
    if not locked:
        if not home.run.is_dir():
            return False
        with only_one(home):
            return down(home, locked=True)
    identity = supervisor_of(read_system(home))
    if identity is not None:
        identity.end(PATIENCE + PILOTS)
    home.system_file.unlink(missing_ok=True)
    return identity is not None


def forget(home: Home) -> None:
    """Remove a home that is down, with everything in it."""
    shutil.rmtree(home.folder, ignore_errors=True)
