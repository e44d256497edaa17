"""Real XRootD servers for tests: root:// and http(s)://, on the loopback, each with data in a folder of its own.

One server for all tests of a session is the fixture ``xrootd`` (with TLS, so that it speaks ``root``, ``roots``,
``http`` and ``davs``); one of a test's own, with what it wants, comes from ``running``::

    def test_it(xrootd, xrootd_client):          # the second puts xrdcp and xrdfs on the PATH
        xrootd.put("folder/a", b"content")
        run("xrdcp", f"{xrootd.root}/folder/a", ...)     # also xrootd.roots, .http, .davs
        with xrootd.frozen(): ...                        # it hangs (SIGSTOP), and goes on afterwards

    with running(tape=[sys.executable, "robot.py"]) as tape, running(disk=65536) as full: ...

A file is named as its URL has it after the root, ``folder/a``; on the disk it is ``server.data / "folder/a"``.
Of a server with TLS, clients trust ``server.authority.file``, or the folder ``server.authority.hashed()``.
"""

from __future__ import annotations

import contextlib
import functools
import os
import pwd
import shlex
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.services.authority import Authority
from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: Whose the server is when the tests are root's: it refuses to be that.
USER = "nobody"
#: Lets a program that it runs be found also where only root may look: the tests' own Python, for instance.
READS_ALL = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
#: Seconds until it has to listen; it takes a tenth of one.
PATIENCE = 90.0

CONFIGURATION = """
all.role server
all.export /
all.adminpath {folder}/admin
all.pidpath {folder}/admin
oss.localroot {data}
xrd.port {ports[0]}
xrd.allow host localhost
xrd.allow host 127.0.0.1
xrootd.async off
xrootd.chksum max 4 adler32 md5 crc32c
ofs.tpc pgm {programs}/usr/bin/xrdcp --server
xrd.protocol http:{ports[1]} libXrdHttp.so
http.listingdeny no
http.selfhttps2http no
"""
PROXIES = """
xrootd.seclib libXrdSec.so
sec.protocol gsi -certdir:{authorities} -cert:{certificate} -key:{certificate} -crl:0 -gmapopt:10
sec.protbind * only gsi
"""
TLS = """
xrd.tls {certificate}
xrd.tlsca certdir {authorities}
http.exthandler xrdtpc libXrdHttpTPC.so
"""


class XRootD:
    """One server. What it has is in ``data``; ``root``, ``roots``, ``http`` and ``davs`` begin its URLs.

    It keeps checksums (adler32, md5, crc32c) once it has computed them, and takes copies from another server.
    """

    def __init__(
        self,
        programs: Path,
        folder: Path,
        daemons: Daemons,
        data: Path | None,
        authority: Authority | None,
        tape: Sequence[str],
    ) -> None:
        self.folder, self.authority, self._programs, self._daemons = folder, authority, programs, daemons
        self.data = data or folder / "data"
        self._tape = tape
        self.ports = free_ports(2)
        self.root = f"root://127.0.0.1:{self.ports[0]}/"
        self.roots = f"roots://localhost:{self.ports[0]}/"
        self.http = f"http://127.0.0.1:{self.ports[1]}"
        self.davs = f"davs://localhost:{self.ports[1]}"

    @property
    def https(self) -> str:
        """As ``davs``, in the words of programs that know no other name for it."""
        return self.davs.replace("davs", "https")

    @property
    def pid(self) -> int:
        return self._daemons.pid("xrootd")

    @property
    def log(self) -> str:
        """What it has said."""
        return (self.folder / "xrootd.out").read_text(errors="replace")

    def write_configuration(self, proxies: bool, more: str) -> None:
        text = CONFIGURATION.format(folder=self.folder, data=self.data, ports=self.ports, programs=self._programs)
        if self.authority is not None:
            certificate = self.folder / "host.pem"
            shutil.copyfile(self.authority.issue("localhost", delegates=proxies), certificate)
            certificate.chmod(0o600)
            self.give(certificate)
            text += TLS.format(certificate=certificate, authorities=self.authority.hashed())
            text += PROXIES.format(certificate=certificate, authorities=self.authority.hashed()) if proxies else ""
        if self._tape:
            text += f"ofs.preplib libXrdOfsPrepGPI.so -admit all -cgi -maxfiles 1024 -maxreq 64 -run {self._robot()}\n"
        (self.folder / "xrootd.cfg").write_text(text + more)
        for name in (self.data, self.folder / "admin"):
            name.mkdir(exist_ok=True)
            self.give(name)
        self.give(self.folder)

    def start(self) -> None:
        """Start it, and wait until it listens."""
        program = self._programs / "usr/bin/xrootd"
        argv = [str(program), "-n", "tests", "-I", "v4", "-c", str(self.folder / "xrootd.cfg")]
        before: list[str] = []
        if os.geteuid() == 0:
            group = pwd.getpwnam(USER).pw_gid
            may = READS_ALL if self._tape else ()
            before = ["setpriv", f"--reuid={USER}", f"--regid={group}", "--clear-groups", *may, "--"]
        self._daemons.start("xrootd", argv, {"HOME": str(self.folder)}, before=before)
        self._daemons.wait(self._listens, PATIENCE, "XRootD does not listen")

    def kill(self) -> None:
        """End it as a power failure would."""
        self._daemons.kill("xrootd")

    def restart(self) -> None:
        """Start it again, at the same address and with what it had, whether it runs or not."""
        with contextlib.suppress(KeyError):
            self.kill()
        self.start()

    def freeze(self) -> None:
        """Have it hang: its connections stay open, and it answers nothing."""
        os.kill(self.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Have it go on."""
        os.kill(self.pid, signal.SIGCONT)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have it hang for a while."""
        self.freeze()
        try:
            yield
        finally:
            self.thaw()

    def put(self, name: str, content: bytes) -> Path:
        """Let a file lie there which is the server's own; answer where."""
        path = self.data / name
        for folder in [*reversed(path.relative_to(self.data).parents)][1:]:
            if not (self.data / folder).is_dir():
                (self.data / folder).mkdir()
                self.give(self.data / folder)
        path.write_bytes(content)
        self.give(path)
        return path

    def files(self) -> Sequence[str]:
        """Answer the names of all files that lie there, in order."""
        return sorted(str(path.relative_to(self.data)) for path in self.data.rglob("*") if not path.is_dir())

    def _robot(self) -> Path:
        """Write a program that runs the tape's with its arguments: the plug-in takes no blanks within one."""
        program = self.folder / "prepare"
        program.write_text(f'#!/bin/sh\nexec {shlex.join(self._tape)} "$@"\n')
        program.chmod(0o755)
        return program

    def give(self, path: Path) -> None:
        """Make a file or a folder the server's own."""
        if os.geteuid() == 0:
            user = pwd.getpwnam(USER)
            os.chown(path, user.pw_uid, user.pw_gid)

    def _listens(self) -> bool:
        for port in self.ports:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)):
                    return False
        return True


class Part:
    """A folder of a server that a test has for itself; ``root`` begins the URLs of its files."""

    def __init__(self, server: XRootD) -> None:
        self.server, self.name = server, f"tests/{uuid.uuid4().hex}"
        self.root, self.folder = f"{server.root}/{self.name}", server.data / self.name
        self.put("made", b"").unlink()

    def put(self, name: str, content: bytes) -> Path:
        return self.server.put(f"{self.name}/{name}", content)

    def names(self) -> Sequence[str]:
        return [name[len(self.name) + 1 :] for name in self.server.files() if name.startswith(f"{self.name}/")]


def flip_a_bit(path: Path) -> None:
    """Change a file as a bad disk does: in its middle, and without a trace of when."""
    times = path.stat()
    with path.open("r+b") as file:
        file.seek(times.st_size // 2)
        (byte,) = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


@contextmanager
def running(
    *,
    data: Path | None = None,
    disk: int = 0,
    authority: Authority | None = None,
    tls: bool = False,
    proxies: bool = False,
    tape: Sequence[str] = (),
    more: str = "",
) -> Iterator[XRootD]:
    """Have a server for a while; several may run side by side.

    Args:
        data: A folder for what it has, which becomes the server's own; one that is made and goes with it if left out.
        disk: Bytes of a disk of its own, for what it has; where mounting is not permitted, the test is skipped.
        authority: Whose certificate it shows; one of its own when ``tls`` is true and this is left out.
        tls: Whether it has a certificate, and with it ``roots``, ``davs`` and third-party copies by HTTP.
        proxies: Whether clients of ``root`` have to show a proxy (``server.authority.proxy(...)``, of somebody who was
            issued a certificate that delegates), and call it localhost.
        tape: A program and its arguments, run for each request by the server's user, with these words after its own:
            ``-p 0 -- <id> stage /a /b`` (priority first), ``-- <id> query /a`` (what it writes is the answer),
            ``-- * evict /a``, ``-- <id> cancel``. A path need not exist. A request is answered before it ends.
        more: Further lines of configuration.
    """
    programs = _programs()
    with contextlib.ExitStack() as stack:
        folder = _folder(stack)
        if (tls or proxies) and authority is None:
            authority = Authority(_folder(stack) / "authority")
        daemons = Daemons(folder)
        stack.callback(daemons.close)
        if disk:
            data = _mount(stack, disk)
        server = XRootD(programs, folder, daemons, data, authority, tape)
        server.write_configuration(proxies, more)
        try:
            server.start()
        except TimeoutError as wrong:
            missing("xrootd", str(wrong))
        try:
            yield server
        finally:
            with contextlib.suppress(KeyError):
                server.thaw()  # what is stopped cannot be ended


def _mount(stack: contextlib.ExitStack, size: int) -> Path:
    folder = _folder(stack)
    argv = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(folder)]
    done = subprocess.run(argv, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"not tested: no small disk can be mounted here: {done.stderr.strip()}")
    stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)
    return folder


def client() -> Mapping[str, str]:
    """Answer what the environment of a process needs to find xrdcp and xrdfs, which then also know HTTP."""
    programs = _programs()
    path = f"{programs / 'usr/bin'}{os.pathsep}{os.environ['PATH']}"
    return {"PATH": path, "XRD_PLUGINCONFDIR": str(programs / "plugins")}


@functools.cache
def _programs() -> Path:
    return install("xrootd")


def _folder(stack: contextlib.ExitStack) -> Path:
    """Make a folder that the server's user can enter."""
    folder = Path(tempfile.mkdtemp(prefix="xrootd-"))
    stack.callback(shutil.rmtree, folder, ignore_errors=True)
    folder.chmod(stat.S_IRWXU | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    return folder
