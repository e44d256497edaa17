"""What deploy/ has is what the server knows: its settings, commands and units; real programs read the rest."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from server.settings.environment import read_environment
from tests.services import fronts, mariadb, postgresql

DEPLOY = Path(__file__).parents[2] / "deploy"
UNITS = sorted(DEPLOY.glob("systemd/*"))
PROGRAM = "/opt/compass/bin/compass-server"


def settings_of(text, *, commented=False):
    mark = "#?" if commented else ""
    return dict(re.findall(rf"^{mark}(COMPASS_[A-Z_]+)=(.*)$", text, re.MULTILINE))


def test_every_setting_of_the_environment_file_is_one_of_the_server():
    text = (DEPLOY / "compass.env").read_text()
    found = read_environment(settings_of(text))
    assert found.socket == "/run/compass/server.sock"
    commented = settings_of(text, commented=True)
    assert len(commented) > len(settings_of(text))
    read_environment(commented)


def test_units_name_the_environment_file_and_commands_that_exist():
    from django.core.management import get_commands, load_command_class

    seen = set()
    for unit in UNITS:
        for line in re.findall(rf"^Exec\w+={PROGRAM} (.+)$", unit.read_text(), re.MULTILINE):
            name, *words = line.split()
            command = load_command_class(get_commands()[name], name)
            command.create_parser("compass-server", name).parse_args(words)
            seen.add(name)
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
