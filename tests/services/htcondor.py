"""A real HTCondor pool of one machine, for tests: its own daemons, on the loopback, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import psutil

from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: Seconds until the pool has to take jobs, and until a job has to be what a test waits for.
PATIENCE = 90.0
#: As whom everything runs when the tests are root's, whose jobs no pool takes.
USER = "nobody"

CONFIGURATION = """
RELEASE_DIR = {programs}/usr
LOCAL_DIR = {folder}
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
BIN = $(RELEASE_DIR)/bin
SBIN = $(RELEASE_DIR)/sbin
LIB = $(RELEASE_DIR)/lib/condor
LIBEXEC = $(RELEASE_DIR)/libexec/condor
SHARE = $(RELEASE_DIR)/share/condor
LOG = {folder}/log
SPOOL = {folder}/spool
EXECUTE = {folder}/execute
LOCK = {folder}/lock
RUN = {folder}/run
CRED_STORE_DIR = {folder}/cred

DAEMON_LIST = MASTER COLLECTOR NEGOTIATOR SCHEDD STARTD
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
USE_SHARED_PORT = True
SHARED_PORT_PORT = {port}
DAEMON_SOCKET_DIR = {folder}/sock
NETWORK_INTERFACE = 127.0.0.1
BIND_ALL_INTERFACES = False
ENABLE_IPV6 = False
NO_DNS = True
DEFAULT_DOMAIN_NAME = pool.test
UID_DOMAIN = pool.test
FILESYSTEM_DOMAIN = pool.test
SCHEDD_NAME = schedd@pool.test
CREDD_HOST =

SEC_DEFAULT_AUTHENTICATION = REQUIRED
SEC_DEFAULT_AUTHENTICATION_METHODS = FS, IDTOKENS
SEC_PASSWORD_DIRECTORY = {folder}/passwords
SEC_TOKEN_POOL_SIGNING_KEY_FILE = {folder}/passwords/POOL
SEC_TOKEN_DIRECTORY = {folder}/tokens
SEC_TOKEN_SYSTEM_DIRECTORY = {folder}/tokens
TRUST_DOMAIN = pool.test
SEC_DEFAULT_ENCRYPTION = OPTIONAL
ALLOW_READ = *
ALLOW_WRITE = *
ALLOW_DAEMON = *
ALLOW_NEGOTIATOR = *
ALLOW_ADMINISTRATOR = *

NUM_CPUS = 8
MEMORY = 8192
SLOT_TYPE_1 = 100%
SLOT_TYPE_1_PARTITIONABLE = True
NUM_SLOTS_TYPE_1 = 1
START = True
SUSPEND = False
PREEMPT = False
KILL = False
RANK = 0
RUNBENCHMARKS = False
STARTD_CRON_JOBLIST =
STARTD_DETECT_GPUS =
JOB_DEFAULT_REQUESTMEMORY = 64
JOB_DEFAULT_REQUESTDISK = 1024
# Proxies are copied: OpenSSL, moved as it is, makes no requests for certificates.
DELEGATE_JOB_GSI_CREDENTIALS = False
BASE_CGROUP =
USE_PID_NAMESPACES = False
MAIL = /bin/true

MASTER_BACKOFF_CONSTANT = 1
MASTER_BACKOFF_CEILING = 2
NEGOTIATOR_INTERVAL = 1
NEGOTIATOR_MIN_INTERVAL = 0
NEGOTIATOR_CYCLE_DELAY = 0
SCHEDD_INTERVAL = 1
SCHEDD_MIN_INTERVAL = 1
UPDATE_INTERVAL = 5
UPDATE_OFFSET = 0
STARTER_UPDATE_INTERVAL = 2
STARTER_INITIAL_UPDATE_INTERVAL = 1
SHADOW_QUEUE_UPDATE_INTERVAL = 2
PERIODIC_EXPR_INTERVAL = 1
MAX_JOB_RETIREMENT_TIME = 0
MACHINE_MAX_VACATE_TIME = 20
"""

#: Of those who speak with the pool from outside, each with a token of its own.
CLIENT = """
CONDOR_HOST = 127.0.0.1
COLLECTOR_HOST = 127.0.0.1:{port}
SCHEDD_HOST = schedd@pool.test
TRUST_DOMAIN = pool.test
UID_DOMAIN = pool.test
NO_DNS = True
DEFAULT_DOMAIN_NAME = pool.test
ENABLE_IPV6 = False
NETWORK_INTERFACE = 127.0.0.1
SEC_CLIENT_AUTHENTICATION = REQUIRED
SEC_CLIENT_AUTHENTICATION_METHODS = IDTOKENS
SEC_PASSWORD_DIRECTORY = {folder}/passwords
SEC_TOKEN_DIRECTORY = {folder}/tokens
SEC_TOKEN_SYSTEM_DIRECTORY = {folder}/tokens
CONDOR_IDS = {uid}.{gid}
LOCAL_DIR = {folder}
LOG = {folder}
LOCAL_CONFIG_FILE =
LOCAL_CONFIG_DIR =
# The next job begins where the last one was, without a word of the negotiator's.
SUBMIT_ATTRS = KeepClaimIdle
KeepClaimIdle = 20
"""


class Pool:
    """One pool. ``environment`` is what its commands need; they and its jobs run as one ordinary user."""

    def __init__(self, programs: Path, folder: Path, daemons: Daemons, more: str = "") -> None:
        self.programs, self.folder, self._daemons, self._more = programs, folder, daemons, more
        path = f"{programs / 'usr/bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment: Mapping[str, str] = {"CONDOR_CONFIG": str(folder / "condor_config"), "PATH": path}
        self._as_user = becoming(USER) if os.geteuid() == 0 else ()
        self.user = USER if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
        self.port = free_ports(1)[0]

    def start(self) -> None:
        """Start everything and wait until the pool takes jobs."""
        for name in ("log", "spool", "execute", "lock", "run", "cred", "sock", "jobs"):
            (self.folder / name).mkdir()
        for name in ("passwords", "tokens"):
            (self.folder / name).mkdir(mode=0o700)
        (self.folder / "passwords" / "POOL").touch(0o600)
        (self.folder / "passwords" / "POOL").write_bytes(secrets.token_bytes(64))
        text = CONFIGURATION.format(programs=self.programs, folder=self.folder, port=self.port)
        (self.folder / "condor_config").write_text(text + self._more)
        master = [str(self.programs / "usr/sbin/condor_master"), "-f"]
        self._daemons.start("master", master, self.environment, before=self._as_user, ends_by=signal.SIGQUIT)
        self._daemons.wait(self._takes_jobs, PATIENCE, "the pool does not come up")

    def _takes_jobs(self) -> bool:
        slots, queues = (self.run("condor_status", *kind, "-af", "Name", check=False) for kind in ((), ("-schedd",)))
        return "slot1" in slots and "schedd" in queues

    def kill_schedd(self) -> None:
        """End the schedd as a power failure would; the master starts another."""
        self._schedd().kill()

    def schedds(self) -> Sequence[int]:
        """Answer the number of the schedd; none while it has ended and the master has not started another."""
        master = psutil.Process(self._daemons.pid("master"))
        return [each.pid for each in master.children() if each.name() == "condor_schedd"]

    def shadows(self) -> Sequence[psutil.Process]:
        """Answer the processes that look after running jobs."""
        return [each for each in self._schedd().children() if each.name() == "condor_shadow"]

    def _schedd(self) -> psutil.Process:
        (number,) = self.schedds()
        return psutil.Process(number)

    def client(self, name: str, identity: str = "") -> Path:
        """Write the configuration of somebody outside, with a token for an identity; the pool's user when left out."""
        home, who = self.folder / "clients" / name, pwd.getpwnam(self.user)
        for folder in ("passwords", "tokens"):
            (home / folder).mkdir(parents=True, mode=0o700)
        said = CLIENT.format(folder=home, port=self.port, uid=who.pw_uid, gid=who.pw_gid)
        (home / "condor_config").write_text(said)
        token = self.run("condor_token_create", "-identity", identity or f"{self.user}@pool.test")
        (home / "tokens" / "token").touch(0o600)
        (home / "tokens" / "token").write_text(token)
        return home / "condor_config"

    def submit(self, program: str, arguments: str, environment: Mapping[str, str] = {}, **more: str) -> str:
        """Submit a job; answer its number. Its output is told by `output`; ``more`` are further lines."""
        spoken = " ".join(f"{name}='{value}'" for name, value in environment.items())
        lines = {
            "universe": "vanilla",
            "executable": program,
            "arguments": arguments,
            "environment": f'"{spoken}"',
            "transfer_executable": "false",
            "should_transfer_files": "no",
            "initialdir": str(self.folder / "jobs"),
            "output": "out.$(ClusterId)",
            "error": "err.$(ClusterId)",
            "log": "log.$(ClusterId)",
            **more,
        }
        path = self.folder / "jobs" / "job.sub"
        path.write_text("".join(f"{name} = {value}\n" for name, value in lines.items()) + "queue\n")
        return self.run("condor_submit", "-terse", str(path)).split(".")[0]

    def attribute(self, job: str, name: str) -> str:
        """Answer one attribute of a job, in the queue or behind it; "" when there is none."""
        for command in (("condor_q", job), ("condor_history", job, "-limit", "1")):
            found = self.run(*command, "-af", name, check=False).strip()
            if found not in ("", "undefined"):
                return found
        return ""

    def wait(self, met: Callable[[], bool], words: str) -> None:
        """Wait until something is so of a job."""
        self._daemons.wait(met, PATIENCE, words)

    def output(self, job: str, kind: str = "out") -> str:
        """Answer what a job has written to its output (``out``, ``err``), or its log (``log``)."""
        path = self.folder / "jobs" / f"{kind}.{job}"
        return path.read_text(errors="replace") if path.exists() else ""

    def run(self, *argv: str, check: bool = True) -> str:
        """Run one of HTCondor's commands; answer what it wrote."""
        done = subprocess.run(
            [*self._as_user, *argv],
            env={**os.environ, **self.environment},
            capture_output=True,
            text=True,
            timeout=60,
            cwd=self.folder,
            stdin=subprocess.DEVNULL,
        )
        if check and done.returncode:
            raise AssertionError(f"{' '.join(argv)}: {done.stderr}")
        return done.stdout


def becoming(name: str) -> Sequence[str]:
    """Answer the words by which root runs a command as another user who may still read what root may."""
    who = pwd.getpwnam(name)
    return ("unshare", "--user", f"--map-user={who.pw_uid}", f"--map-group={who.pw_gid}", "--")


@contextmanager
def running(more: str = "") -> Iterator[Pool]:
    """Install and start a pool; skip, or in CI fail, where that cannot be. Ends it by its master's number.

    ``more`` are further lines of its configuration.
    """
    programs = install("htcondor")
    folder = Path(tempfile.mkdtemp(prefix="condor-"))  # short: the names of sockets have a limit
    daemons = Daemons(folder)
    try:
        pool = Pool(programs, folder, daemons, more)
        try:
            pool.start()
        except TimeoutError as wrong:
            missing("htcondor", str(wrong))
        yield pool
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
