"""What deploy/ has is what the server knows: its settings, commands and units; real programs read the rest."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.services import fronts, mariadb, postgresql

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*"))
PROGRAM = "/opt/compass/bin/compass-server"


def settings_of(text, *, commented=False):
    mark = "#?" if commented else ""
    return dict(re.findall(rf"^{mark}(COMPASS_[A-Z_]+)=(.*)$", text, re.MULTILINE))


def python(folder, *words, **settings):
    """Run Python with a server's settings alone, in a process: they are read once in each."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("COMPASS_", "DJANGO_"))}
    environment = {**plain, "COMPASS_SERVER_HOME": str(folder), **settings}
    done = subprocess.run([sys.executable, *words], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_setting_of_the_environment_file_is_one_of_the_server(tmp_path):
    text = (DEPLOY / "compass.env").read_text()
    commented = settings_of(text, commented=True)
    assert len(commented) > len(settings_of(text))
    script = "from server.settings.environment import read_environment, PREFIX; import json, sys;"
    script += "print(read_environment(json.loads(sys.argv[1])).socket)"
    for said in (settings_of(text), commented):
        assert python(tmp_path, "-c", script, json.dumps(said)).strip() == "/run/compass/server.sock"


def test_units_name_the_environment_file_and_commands_that_exist(tmp_path):
    seen = set()
    for unit in UNITS:
        for line in re.findall(rf"^Exec\w+={PROGRAM} (.+)$", unit.read_text(), re.MULTILINE):
            assert "usage" in python(tmp_path, "-m", "server.manage", *line.split(), "--help")
            seen.add(line.split()[0])
    assert seen == {"serve", "services", "check"}
    services = [unit.read_text() for unit in UNITS if unit.suffix == ".service"]
    assert all("EnvironmentFile=/etc/compass/compass.env" in text for text in services)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze on this machine")
def test_systemd_understands_the_units(tmp_path):
    for unit in UNITS:
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, "/bin/true"))
    argv = ["systemd-analyze", "verify", *map(str, sorted(tmp_path.iterdir()))]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert (done.returncode, [line for line in done.stderr.splitlines() if str(tmp_path) in line]) == (0, [])


@pytest.mark.parametrize("kind", ["nginx", "apache"])
def test_the_web_server_in_front_understands_its_file(tmp_path, kind):
    with fronts.running(kind) as front:
        text = (DEPLOY / kind / "compass.conf").read_text()
        for name in ("hostcert.pem", "hostkey.pem"):
            text = text.replace(f"/etc/grid-security/{name}", str(front.host))
        text = text.replace("/etc/grid-security/authorities.pem", str(front.authority.file))
        known = f"SSLCACertificateFile {front.authority.file}"
        done = front.checked(text.replace("SSLCACertificatePath /etc/grid-security/certificates", known))
    assert done.returncode == 0, done.stderr


def test_postgresql_knows_each_setting_and_takes_its_value():
    lines = re.findall(r"^(\w+) = (\S+)$", (DEPLOY / "postgresql/compass.conf").read_text(), re.MULTILINE)
    assert len(lines) > 10
    with postgresql.running() as server:
        for name, value in lines:
            server.execute(f"ALTER SYSTEM SET {name} = '{value}'", "postgres")


def test_mariadb_knows_each_setting():
    names = re.findall(r"^(\w+) = \S+$", (DEPLOY / "mariadb/compass.cnf").read_text(), re.MULTILINE)
    spelled = {"transaction_isolation": "tx_isolation"}
    assert len(names) > 7
    with mariadb.running() as server:
        for name in names:
            assert server.execute(f"SHOW GLOBAL VARIABLES LIKE '{spelled.get(name, name)}'"), name
