"""Brings a local system up and down: folders, secrets, the supervisor and its plan."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import requests

from client.errors import ClientError
from client.local.processes import Identity
from client.local.supervisor import Supervisor, supervisor_from, timed
from client.place import Home, read_system
from pilot.contract.routes import IS_ALIVE

#: Seconds that a system gets to answer after it was started.
PATIENCE = 60.0
#: Seconds that pilots get to end their jobs, store the logs and report.
PILOTS = 90.0
#: Seconds between two looks at a starting or stopping system.
LOOK = 0.05
#: On one machine a pilot that is silent for minutes is dead, and its job need not wait for hours. Seconds.
SILENCE = {"COMPASS_SERVER_HEARTBEAT_TIMEOUT": "180", "COMPASS_SERVER_SENT_TIMEOUT": "60"}


@dataclass(frozen=True)
class Wishes:
    """How a local system is to be: where it listens, its queue and how many jobs run at once.

    Without a port it is the one that the home's last system had, so that pilots which outlived it find the new one.
    """

    port: int | None = None
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


def free_or_refused(port: int) -> int:
    """Answer a port of the loopback interface that is free.

    Raises:
        ClientError: somebody listens on it.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as wrong:
            why = getattr(wrong, "strerror", None) or "ports are 1 to 65535"
            raise ClientError(f"cannot listen on port {port}: {why}", "give another --port, or none") from wrong
    return port


def _port(home: Home, wished: int | None) -> int:
    if wished is not None:
        return free_or_refused(wished)
    try:
        return free_or_refused(int(json.loads(_plan_file(home).read_text())["port"]))
    except (OSError, ValueError, KeyError, ClientError):
        return free_port()


def _plan_file(home: Home) -> Path:
    return home.run / "plan.json"


def supervisor_of(system: Mapping[str, Any] | None) -> Identity | None:
    """Answer the supervisor of a system that says it is up, if that process still lives."""
    if not system:
        return None
    identity = Identity(int(system["pid"]), float(system["started"]))
    return identity if identity.process() is not None else None


def server_environment(home: Home) -> dict[str, str]:
    """What the server's programs need to find this home; what a person has set beside it stays."""
    silence = {name: os.environ.get(name, seconds) for name, seconds in SILENCE.items()}
    return {**silence, "COMPASS_SERVER_HOME": str(home.server), "COMPASS_SERVER_OPEN_PAGES": "yes"}


def server_command(*words: str) -> tuple[str, ...]:
    """Write a call of `compass-server` with the Python that runs this program."""
    return (sys.executable, "-m", "server.manage", *words)


def run_server_command(home: Home, *words: str) -> str:
    """Run one command of the server to its end and answer what it printed.

    Raises:
        ClientError: it failed; with its last line. All that it wrote is in the logs.
    """
    environment = {**os.environ, **server_environment(home)}
    done = subprocess.run(server_command(*words), env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        said = done.stderr.strip() or done.stdout.strip() or "it said nothing"
        what = f"compass-server {words[0]} failed: {said.splitlines()[-1]}"
        log = home.logs / f"{words[0]}.log"
        try:
            log.write_text(said)
        except OSError as wrong:
            remedy = f"{home.folder} cannot be written ({wrong.strerror}): free some space, or give another --home"
            raise ClientError(what, remedy) from wrong
        raise ClientError(what, f"see {log}")
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
        if wishes.bundle is not None and not wishes.bundle.is_file():
            raise ClientError(
                f"the pilot bundle {wishes.bundle} is not there", "run 'make bundle', or correct --bundle"
            )
        if (old := _last_supervisor(home)) is not None:
            old.end_leftovers()
        placed = replace(wishes, port=_port(home, wishes.port))
        run_server_command(home, *_initial(home, placed))
        return _start(home, placed)


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
        # Whoever may log in to this machine may look at the pages; nothing can be changed there.
        _part(
            home, "server", ("serve", "--port", str(wishes.port)), {**environment, "COMPASS_SERVER_OPEN_PAGES": "yes"}
        ),
        {
            **_part(home, "services", ("services",), services),
            # Pilots outlive the services by design: what was started here is ended here, while the server can still
            # take their last reports.
            "afterwards": server_command("stop_pilots", "--wait", f"{PILOTS:.0f}"),
        },
    ]
    plan = _plan_file(home)
    plan.write_text(json.dumps({"port": wishes.port, "parts": parts, "record": str(_record(home))}))
    return plan


def _record(home: Home) -> Path:
    """Where the supervisor writes what runs; removed when it has ended everything."""
    return home.run / "parts.json"


def _last_supervisor(home: Home) -> Supervisor | None:
    """Answer what can end what a supervisor that died has left; ``None`` when it had ended everything."""
    if not _record(home).exists() or not _plan_file(home).exists():
        return None

    def say(words: str) -> None:
        with (home.logs / "supervisor.log").open("a") as log:
            log.write(f"{timed(words)}\n")

    return supervisor_from(_plan_file(home), say)


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
    with ExitStack() as if_it_fails:
        if_it_fails.callback(_take_back, supervisor, home)
        identity = Identity.of(supervisor.pid)
        system = {
            "pid": identity.pid,
            "started": identity.started,
            "url": f"http://127.0.0.1:{wishes.port}",
            "token_file": str(home.server / "production.token"),
        }
        fresh = home.system_file.with_suffix(".new")
        fresh.write_text(json.dumps(system))
        fresh.replace(home.system_file)
        _await_answer(system["url"], supervisor, home)
        if_it_fails.pop_all()
    return system


def _take_back(supervisor: subprocess.Popen[bytes], home: Home) -> None:
    """Stop what was started: it did not come up, or the person at the terminal has changed their mind."""
    supervisor.terminate()
    supervisor.wait(PATIENCE + PILOTS)
    home.system_file.unlink(missing_ok=True)


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


def down(home: Home) -> bool:
    """Stop the system of this home and everything that it started; answer whether there was anything."""
    if not home.run.is_dir():
        return False
    with only_one(home):
        identity = supervisor_of(read_system(home))
        if identity is not None:
            identity.end(PATIENCE + PILOTS)
        home.system_file.unlink(missing_ok=True)
        old = _last_supervisor(home)
        if old is not None:
            old.clear_away()
        return identity is not None or old is not None
