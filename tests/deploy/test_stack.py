"""A production server from the files of deploy/: nginx, PostgreSQL, RabbitMQ by TLS, the units' own commands, a job."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
import requests

from tests.deploy.test_files import DEPLOY, PROGRAM, settings_of
from tests.services import fronts, postgresql, rabbitmq

pytestmark = [pytest.mark.one_python, pytest.mark.campaign]  # a broker, a database and a web server have to start

ROOT = Path(__file__).parents[2]
#: Seconds that anything is waited for.
PATIENCE = 120.0


class Stack:
    """Everything that the files describe, in one folder of this machine."""

    def __init__(self, folder: Path, database, broker, front) -> None:
        self.folder, self.database, self.front = folder, database, front
        self.socket = folder / "run" / "server.sock"
        self.socket.parent.mkdir()
        self.socket.parent.chmod(0o750)
        self.url = f"https://localhost:{front.port}"
        said = settings_of((DEPLOY / "compass.env").read_text())
        here = {
            "COMPASS_SERVER_HOME": str(folder / "home"),
            "COMPASS_SERVER_DATABASE": database.url("compass"),
            "COMPASS_SERVER_HOSTS": "localhost",
            "COMPASS_SERVER_PUBLIC_URL": self.url,
            "COMPASS_SERVER_URL": self.url,
            "COMPASS_SERVER_SOCKET": str(self.socket),
            "COMPASS_SERVER_BROKER": f"amqps://localhost:{broker.amqps}//",
            "COMPASS_SERVER_BROKER_CA_FILE": str(broker.authority.file),
            "COMPASS_SERVER_BROKER_CERTIFICATE": str(broker.authority.issue(rabbitmq.USER)),
        }
        assert here.keys() <= said.keys(), "the file has all that a place of its own has to change"
        for name in ("COMPASS_SERVER_DATABASE_PASSWORD_FILE", "COMPASS_SERVER_BUNDLE"):
            del said[name]
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("COMPASS_", "DJANGO_"))}
        self.environment = {**plain, **said, **here}
        self.started: list[subprocess.Popen[bytes]] = []

    def command(self, *words: str) -> str:
        argv = [sys.executable, "-m", "server.manage", *words]
        done = subprocess.run(argv, env=self.environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE)
        assert done.returncode == 0, done.stderr[-3000:]
        return done.stdout

    def start(self, unit: str) -> None:
        """Start what a unit starts."""
        text = (DEPLOY / "systemd" / unit).read_text()
        (words,) = re.findall(rf"^ExecStart={PROGRAM} (.+)$", text, re.MULTILINE)
        argv = [sys.executable, "-m", "server.manage", *shlex.split(words)]
        with (self.folder / f"{unit}.log").open("wb") as log:
            started = subprocess.Popen(argv, env=self.environment, cwd=ROOT, stdout=log, stderr=subprocess.STDOUT)
        self.started.append(started)

    def serve(self) -> None:
        """Put nginx in front, by its file."""
        text = (DEPLOY / "nginx/compass.conf").read_text()
        places = {
            "/etc/grid-security/hostcert.pem": self.front.host,
            "/etc/grid-security/hostkey.pem": self.front.host,
            "/etc/grid-security/authorities.pem": self.front.authority.file,
            "/run/compass/server.sock": self.socket,
            "listen 25443": f"listen 127.0.0.1:{self.front.port}",
            "prod.example.org": "localhost",
        }
        for name, place in places.items():
            assert name in text
            text = text.replace(name, str(place))
        self.front.serve(text)

    def wait_for(self, met, what: str) -> None:
        until = time.monotonic() + PATIENCE
        while not met():
            logs = {path.name: path.read_text()[-2000:] for path in self.folder.glob("*.log")}
            assert time.monotonic() < until, f"it did not come that {what}: {logs}"
            time.sleep(0.2)

    def close(self) -> None:
        for started in self.started:
            started.terminate()
        for started in self.started:
            started.wait(PATIENCE)


@pytest.fixture
def stack(tmp_path):
    tmp_path.chmod(0o755)
    with ExitStack() as running:
        database = running.enter_context(postgresql.running())
        database.make_database("compass")
        broker = running.enter_context(rabbitmq.running())
        front = running.enter_context(fronts.running("nginx"))
        made = Stack(tmp_path, database, broker, front)
        running.callback(made.close)
        yield made


def test_a_production_server_from_these_files_runs_a_job_and_its_services_and_lets_people_in(stack):
    stack.command("init", "--local-queue", "LOCAL", "--storage", str(stack.folder / "storage"), "--slots", "0")
    stack.command("admin", "create", "ada", "--no-password")
    stack.start("compass-server.service")
    said = stack.folder / "compass-server.service.log"
    stack.wait_for(lambda: f"serving on unix:{stack.socket}" in said.read_text(), "the server listens")
    stack.serve()
    home = Path(stack.environment["COMPASS_SERVER_HOME"])

    def call(role, method, fields):
        token = (home / f"{role}.token").read_text().strip()
        headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        known = str(stack.front.authority.file)
        answer = requests.post(f"{stack.url}/api/v1/{method}", json=fields, headers=headers, verify=known, timeout=30)
        assert answer.status_code == 200, (stack.front.folder / "nginx.log").read_text()[-700:]
        assert answer.json()["success"], answer.text
        return answer.json()["data"]

    job = {"computingSite": "LOCAL", "transformation": "/bin/true", "files": [], "maxAttempt": 1}
    ((number, *_),) = call("production", "job/submit", {"jobs": [job]})
    (taken,) = call("pilot", "pilot/acquire_jobs", {"site_name": "LOCAL"})["jobs"]
    assert int(taken["PandaID"]) == number
    call("pilot", "pilot/update_job", {"job_id": number, "job_status": "running", "attempt_nr": taken["attemptNr"]})
    call("pilot", "pilot/update_job", {"job_id": number, "job_status": "finished", "attempt_nr": taken["attemptNr"]})
    state = stack.database.execute(f"SELECT state FROM taskbuffer_job WHERE id = {number}", "compass")
    assert state.strip() == "finished"

    stack.start("compass-services.service")
    ran = "SELECT COUNT(DISTINCT service_id) FROM services_servicerun WHERE outcome <> 'failed'"
    stack.wait_for(lambda: int(stack.database.execute(ran, "compass").strip()) >= 10, "services run")

    person = requests.Session()
    person.trust_env = False
    person.verify = str(stack.front.authority.file)
    person.cert = str(stack.front.authority.issue("Alice Example"))
    page = person.get(f"{stack.url}/login/certificate", timeout=30)
    assert (page.status_code, page.url) == (200, f"{stack.url}/welcome")
    assert "Production team" in page.text
    assert page.headers["Strict-Transport-Security"]
    assert all(cookie.secure for cookie in person.cookies)
    assert requests.get(f"{stack.url}/", verify=person.verify, timeout=30).url.startswith(f"{stack.url}/login")
