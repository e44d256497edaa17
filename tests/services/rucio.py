"""A real Rucio server for tests: REST and authentication by TLS, on the loopback, on a PostgreSQL of its own.

One for all tests of a session is the fixture ``rucio``. Its storages are `DISK` and `OTHER`, folders of this machine,
and, where an XRootD with a certificate is given, `ROOT` and `DAVS`. The account `ACCOUNT` may do what a production
does; it shows the password `PASSWORD`, or the certificate ``rucio.certificate``. What a client needs is in
``rucio.home``, a folder for RUCIO_HOME.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import ssl
import subprocess
import tempfile
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.services import postgresql
from tests.services.authority import Authority
from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports
from tests.services.xrootd import XRootD

ACCOUNT, PASSWORD, SCOPE = "pilot", "of-rucio-1", "tests"
#: Storages: two folders of this machine, and an XRootD by two protocols.
DISK, OTHER, ROOT, DAVS = "TESTS_DISK", "TESTS_OTHER", "TESTS_ROOT", "TESTS_DAVS"
#: Seconds until it has to answer.
PATIENCE = 60.0

SERVER = """
[common]
logdir = {folder}
loglevel = WARNING
[client]
rucio_host = {address}
auth_host = {address}
[database]
default = {database}
schema = dev
pool_reset_on_return = rollback
[bootstrap]
userpass_identity = root
userpass_pwd = {password}
userpass_email = root@localhost
x509_identity =
gss_identity =
ssh_identity =
[policy]
permission = generic
schema = generic
lfn2pfn_algorithm_default = hash
[alembic]
cfg = {folder}/alembic.ini
[monitor]
enable_metrics = False
[cache]
url = 127.0.0.1:1
[api]
endpoints_add = meta_conventions,traces
[trace]
tracedir = {folder}
# An address that no IPv4 broker has: traces stay in their file.
brokers = ::1
port = 1
topic = none
username =
password =
"""
SCHEMA = """
[alembic]
script_location = {package}/db/sqla/migrate_repo
sqlalchemy.url = {database}
version_table_schema = dev
[loggers]
keys = root
[handlers]
keys =
[formatters]
keys =
[logger_root]
level = WARN
handlers =
"""
CLIENT = """
[client]
rucio_host = {address}
auth_host = {address}
ca_cert = {authority}
account = {account}
request_retries = 1
{identity}
[policy]
permission = generic
schema = generic
lfn2pfn_algorithm_default = hash
"""
#: Run by the server's own Python, once: tables, accounts, storages.
SETUP = """
import json, sys
from rucio.common.types import InternalAccount, InternalScope
from rucio.core import account, account_limit, identity, rse, scope, distance
from rucio.db.sqla import util
from rucio.db.sqla.constants import AccountType, DatabaseOperationType, IdentityType
from rucio.db.sqla.session import db_session

said = json.load(sys.stdin)
util.build_database(); util.create_base_vo(); util.create_root_account()
own, area = InternalAccount(said["account"]), dict(read=1, write=1, delete=1)
domains = dict(lan=area, wan=dict(area, third_party_copy_read=1, third_party_copy_write=1))
numbers = []
with db_session(DatabaseOperationType.WRITE) as session:
    by = dict(session=session)
    account.add_account(own, AccountType.SERVICE, "", **by)
    account.add_account_attribute(key="admin", value=True, account=own, **by)
    for name, kind in ((said["account"], IdentityType.USERPASS), (said["subject"], IdentityType.X509)):
        identity.add_identity(name, kind, "", password=said["password"], **by)
        identity.add_account_identity(name, kind, own, "", default=True, **by)
    scope.add_scope(InternalScope(said["scope"]), own, **by)
    for name, protocol in said["storages"].items():
        number = rse.add_rse(name, **by)
        rse.add_protocol(number, dict(protocol, domains=domains, extended_attributes=None), **by)
        rse.add_rse_attribute(number, "site", name, **by)
        account_limit.set_local_account_limit(own, number, 10**12, **by)
        for other in numbers:
            distance.add_distance(number, other, 1, bidirectional=True, **by)
        numbers.append(number)
"""
#: What the web server runs: whom a certificate names is for Apache to say, which is not here.
APPLICATION = """
from cryptography import x509
from rucio.web.rest.flaskapi.v1.main import application as rucio


def application(environ, start_response):
    for name in [name for name in environ if name.startswith("SSL_CLIENT_")]:
        del environ[name]
    shown = environ["gunicorn.socket"].getpeercert(True)
    if shown:
        names = x509.load_der_x509_certificate(shown).subject.rdns
        environ["SSL_CLIENT_S_DN"] = "".join("/" + name.rfc4514_string() for name in names)
        environ["SSL_CLIENT_VERIFY"] = "SUCCESS"
    return rucio(environ, start_response)
"""


class Rucio:
    """One server at ``address``. ``python`` is one that has its clients; ``disk`` is the folder of `DISK`."""

    def __init__(self, programs: Path, folder: Path, daemons: Daemons, xrootd: XRootD | None) -> None:
        self.folder, self._programs, self._daemons, self._xrootd = folder, programs, daemons, xrootd
        (self._port,) = free_ports(1)
        self.address = f"https://localhost:{self._port}"
        self.traces_address = f"{self.address}/traces/"
        self.python = programs / "bin/python"
        # Rucio's clients trust whom X509_CERT_DIR names, and nobody else.
        shared = None if xrootd is None else xrootd.authority
        self.authority = shared or Authority(folder / "authority")
        self.certificate = self.authority.issue(ACCOUNT)
        self.disk = folder / "disk"

    @property
    def home(self) -> Path:
        """The folder of a client with the right password."""
        return self.folder / "homes" / ACCOUNT

    def make_home(self, name: str, account: str = ACCOUNT, **identity: str) -> Path:
        """Make a folder for RUCIO_HOME: whom a client is, as rucio.cfg has it (``auth_type``, ``username`` ...)."""
        home = self.folder / "homes" / name
        (home / "etc").mkdir(parents=True, exist_ok=True)
        lines = "\n".join(f"{key} = {value}" for key, value in identity.items())
        text = CLIENT.format(address=self.address, authority=self.authority.file, account=account, identity=lines)
        (home / "etc/rucio.cfg").write_text(text)
        return home

    def write_configuration(self, database: str) -> None:
        package = next((self._programs / "lib").glob("python3*/site-packages/rucio"))
        folder = self.folder / "server"
        (folder / "etc").mkdir(parents=True)
        words = {"folder": folder, "database": database, "address": self.address, "package": package}
        (folder / "etc/rucio.cfg").write_text(SERVER.format(password=PASSWORD, **words))
        (folder / "alembic.ini").write_text(SCHEMA.format(**words))
        (folder / "application.py").write_text(APPLICATION)
        self.make_home(ACCOUNT, auth_type="userpass", username=ACCOUNT, password=PASSWORD)
        for name in ("disk", "other"):
            (self.folder / name).mkdir()

    def set_up(self) -> None:
        """Make its tables, and what `SETUP` makes."""
        said = {"account": ACCOUNT, "password": PASSWORD, "scope": SCOPE, "subject": f"/CN={ACCOUNT}"}
        self._run(["-c", SETUP], json.dumps({**said, "storages": self._storages()}))

    def start(self) -> None:
        """Start it, and wait until it answers."""
        host = self.authority.issue("localhost")
        tls = ["--cert-reqs", "1", "--ca-certs", self.authority.file, "--certfile", host, "--keyfile", host]
        where = ["--bind", f"127.0.0.1:{self._port}", "--pythonpath", self.folder / "server", "--no-control-socket"]
        argv = [self._programs / "bin/gunicorn", *where, *tls, "--threads", "4", "application:application"]
        # By the word for a fast end: clients keep their connections.
        self._daemons.start("rucio", [str(word) for word in argv], self._environment, ends_by=signal.SIGINT)
        self._daemons.wait(self._answers, PATIENCE, "Rucio does not answer")

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it hang for a while: connections are taken, and nothing is answered."""
        group = self._daemons.pid("rucio")
        os.killpg(group, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(group, signal.SIGCONT)

    def traces(self) -> Sequence[Mapping[str, Any]]:
        """Answer the traces that it has taken.

        Raises:
            AssertionError: it has found one wrong.
        """
        file = self.folder / "server/trace"
        lines = file.read_text().splitlines() if file.is_file() else []
        wrong = [line for line in lines if not line.startswith("{")]
        assert not wrong, wrong
        return [json.loads(line) for line in lines]

    def run_daemon(self, name: str, *words: str) -> None:
        """Run one of Rucio's daemons once: ``judge-evaluator``, ``undertaker`` ..."""
        self._run([str(self._programs / f"bin/rucio-{name}"), "--run-once", *words])

    @property
    def _environment(self) -> Mapping[str, str]:
        own = {"RUCIO_HOME": str(self.folder / "server"), "HOME": str(self.folder), "TMPDIR": str(self.folder)}
        return {**own, "PYTHONDONTWRITEBYTECODE": ""}  # what the first start compiles is there for the next one

    def _storages(self) -> Mapping[str, Mapping[str, object]]:
        file = {"scheme": "file", "hostname": "localhost", "port": 0, "impl": "rucio.rse.protocols.posix.Default"}
        found = {DISK: {**file, "prefix": f"{self.disk}/"}, OTHER: {**file, "prefix": f"{self.folder / 'other'}/"}}
        if self._xrootd is not None:
            root, http = self._xrootd.ports
            by_root = {"scheme": "root", "hostname": "127.0.0.1", "port": root, "prefix": "//rucio/"}
            by_davs = {"scheme": "davs", "hostname": "localhost", "port": http, "prefix": "/davs/"}
            found[ROOT] = {**by_root, "impl": "rucio.rse.protocols.xrootd.Default"}
            found[DAVS] = {**by_davs, "impl": "rucio.rse.protocols.gfal.Default"}
        return found

    def _run(self, words: Sequence[str], said: str = "") -> None:
        argv, variables = [str(self.python), *words], {**os.environ, **self._environment}
        done = subprocess.run(argv, env=variables, input=said, capture_output=True, text=True, timeout=PATIENCE)
        if done.returncode:
            raise AssertionError(f"{words[0]}: {done.stderr[-2000:]}")

    def _answers(self) -> bool:
        trusted = ssl.create_default_context(cafile=str(self.authority.file))
        try:
            urllib.request.urlopen(f"{self.address}/ping", timeout=5, context=trusted).close()
        except OSError:
            return False
        return True


@contextmanager
def running(xrootd: XRootD | None = None) -> Iterator[Rucio]:
    """Install and start one; skip, or in CI fail, where that cannot be. Ends it by its process's number."""
    programs = install("rucio")
    with postgresql.running() as database:
        folder = Path(tempfile.mkdtemp(prefix="rucio-"))
        daemons = Daemons(folder)
        try:
            server = Rucio(programs, folder, daemons, xrootd)
            database.make_database("rucio")
            server.write_configuration(database.url("rucio", "postgresql+psycopg"))
            try:
                server.set_up()
                server.start()
            except (AssertionError, TimeoutError) as wrong:
                missing("rucio", str(wrong))
            yield server
        finally:
            daemons.close()
            shutil.rmtree(folder, ignore_errors=True)
