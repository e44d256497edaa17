"""A real Slurm of some nodes on this machine, for tests: its own daemons, on the loopback, in a folder of its own."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: The nodes' names, unless others are given; each has so many CPUs, whatever this machine has.
NODES = ("n1", "n2", "n3")
CPUS = 8
#: Seconds until all nodes have to be idle.
PATIENCE = 90.0

CONFIGURATION = """
ClusterName={name}
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.sock
PluginDir={plugins}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool/%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SwitchType=switch/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
AccountingStorageType=accounting_storage/none
JobCompType=jobcomp/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
SlurmdParameters=config_overrides
SchedulerType=sched/backfill
SchedulerParameters=sched_interval=1,bf_interval=1,batch_sched_delay=0,sched_min_interval=0
DefMemPerCPU=100
ReturnToService=2
MinJobAge=600
KillWait=5
MailProg=/bin/true
PropagateResourceLimits=NONE
OverTimeLimit=0
"""


class Slurm:
    """One cluster. ``environment`` is what its commands need; its partitions are ``standard`` and ``debug`` (n1)."""

    def __init__(
        self, programs: Path, folder: Path, daemons: Daemons, nodes: Sequence[str] = NODES, name: str = "tests"
    ) -> None:
        self.programs, self.folder, self._daemons, self.nodes, self.name = programs, folder, daemons, nodes, name
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        path = f"{programs / 'usr/bin'}{os.pathsep}{os.environ['PATH']}"
        self.environment: Mapping[str, str] = {"SLURM_CONF": str(folder / "slurm.conf"), "PATH": path}

    def write_configuration(self, more: str = "", key: bytes = b"") -> None:
        """Write everything that the daemons need, with further lines for slurm.conf; those who share a key trust."""
        ports = free_ports(1 + len(self.nodes))
        for name in ("state", *(f"spool/{node}" for node in self.nodes)):
            (self.folder / name).mkdir(parents=True)
        (self.folder / "munge.key").write_bytes(key or os.urandom(128))
        (self.folder / "munge.key").chmod(0o600)
        host = socket.gethostname().partition(".")[0]
        plugins = (self.programs / "plugins").resolve()
        names = {"name": self.name, "host": host, "user": self.user, "folder": self.folder, "plugins": plugins}
        text = CONFIGURATION.format(ports=ports, **names)
        shape = f"CPUs={CPUS} CoresPerSocket={CPUS} SocketsPerBoard=1 Boards=1 ThreadsPerCore=1 RealMemory=4096"
        for number, name in enumerate(self.nodes, 1):
            text += (
                f"NodeName={name} NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[number]} {shape} State=UNKNOWN\n"
            )
        text += "PartitionName=standard Nodes=ALL Default=YES MaxTime=1-00:00:00 State=UP OverSubscribe=NO\n"
        text += f"PartitionName=debug Nodes={self.nodes[0]} MaxTime=00:30:00 State=UP\n" + more
        (self.folder / "slurm.conf").write_text(text)
        (self.folder / "cgroup.conf").write_text("CgroupAutomount=no\nCgroupPlugin=cgroup/v1\n")
        (self.folder / "plugstack.conf").touch()

    def start(self) -> None:
        """Start everything and wait until all nodes are idle."""
        self.start_munge()
        self.start_slurm()

    def start_slurm(self) -> None:
        self.start_controller()
        for name in self.nodes:
            argv = [self._program("slurmd"), "-D", "-N", name, "-d", self._program("slurmstepd")]
            self._daemons.start(name, argv, self.environment)
        self._wait(lambda: len(self.idle()) == len(self.nodes), "the nodes are not idle")

    def start_munge(self) -> None:
        folder, program = self.folder, self._program("munged")
        names = {"key-file": "munge.key", "socket": "munge.sock", "pid-file": "munged.pid"}
        names.update({"log-file": "munged.log", "seed-file": "munge.seed"})
        argv = [program, "--foreground", "--force", *(f"--{name}={folder / file}" for name, file in names.items())]
        self._daemons.start("munged", argv, {})
        self._wait((folder / "munge.sock").is_socket, "munged does not come up")

    def start_controller(self) -> None:
        self._daemons.start("slurmctld", [self._program("slurmctld"), "-D"], self.environment)

    def stop_controller(self) -> None:
        """End the controller; what runs goes on."""
        self._daemons.stop("slurmctld")

    def until(self, met: Callable[[], object], words: str) -> None:
        """Wait until something is so.

        Raises:
            TimeoutError: it is not.
        """
        self._wait(lambda: bool(met()), words)

    def idle(self) -> Sequence[str]:
        """Answer the nodes that have nothing to do."""
        return self.run("sinfo", "-h", "-N", "-p", "standard", "-t", "idle", "-o", "%N", check=False).split()

    def empty(self) -> None:
        """End all jobs, and wait until they are gone: what a node runs would outlive its daemon."""
        self.run("scancel", f"--user={self.user}", check=False)
        self._wait(lambda: not self.run("squeue", "-h", check=False), "jobs do not end")

    def close(self) -> None:
        """End its jobs and its daemons."""
        try:
            self.empty()
        finally:
            self._daemons.close()

    def run(self, *argv: str, check: bool = True, **more: str) -> str:
        """Run one of Slurm's commands, with further variables in its environment; answer what it wrote."""
        variables = {**os.environ, **more, **self.environment}
        done = subprocess.run(argv, env=variables, capture_output=True, text=True, timeout=60, cwd=self.folder)
        if check and done.returncode:
            raise AssertionError(f"{' '.join(argv)}: {done.stderr}")
        return done.stdout

    def _program(self, name: str) -> str:
        return str(self.programs / "usr/sbin" / name)

    def _wait(self, met: Callable[[], bool], words: str) -> None:
        self._daemons.wait(met, PATIENCE, words)


@contextmanager
def running(nodes: Sequence[str] = NODES, more: str = "") -> Iterator[Slurm]:
    """Install and start a cluster; skip, or in CI fail, where that cannot be. Ends it by its processes' numbers.

    Args:
        nodes: The names of its nodes.
        more: Further lines for its slurm.conf.
    """
    programs = install("slurm")
    folder = Path(tempfile.mkdtemp(prefix="slurm-"))  # short: the name of a socket has a limit
    daemons = Daemons(folder)
    try:
        cluster = Slurm(programs, folder, daemons, nodes)
        cluster.write_configuration(more)
        try:
            cluster.start()
        except TimeoutError as wrong:
            missing("slurm", str(wrong))
        yield cluster
        cluster.empty()
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
