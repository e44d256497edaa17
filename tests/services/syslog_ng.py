"""A real syslog-ng on the loopback, for tests: takes lines by TCP, TLS and UDP, and messages of RFC 5424."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.services.authority import Authority
from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: Seconds until it has to listen.
PATIENCE = 90.0

CONFIGURATION = """
@version: 3.38
options {{ stats-freq(0); flush-lines(0); use-dns(no); keep-hostname(yes); log-msg-size(262144); }};
template lines {{ template("$MSG\\n"); }};
template messages {{ template("$PROGRAM|$PID|$MSGID|$PRIORITY|$MSG\\n"); }};
source lines {{
  network(ip("127.0.0.1") port({tcp}) transport("tcp") flags(no-parse));
  network(ip("127.0.0.1") port({udp}) transport("udp") flags(no-parse));
  network(ip("127.0.0.1") port({tls}) transport("tls") flags(no-parse) {certificates});
}};
source messages {{
  syslog(ip("127.0.0.1") port({syslog}) transport("tls") {certificates});
  syslog(ip("127.0.0.1") port({syslog_udp}) transport("udp"));
}};
destination lines {{ file("{folder}/lines" template(lines)); }};
destination messages {{ file("{folder}/messages" template(messages)); }};
log {{ source(lines); destination(lines); }};
log {{ source(messages); destination(messages); }};
"""


class SyslogNg:
    """One daemon. ``tcp``, ``udp`` and ``tls`` take lines, ``syslog`` (TLS) and ``syslog_udp`` messages."""

    def __init__(self, programs: Path, folder: Path, daemons: Daemons) -> None:
        self.folder, self._programs, self._daemons = folder, programs, daemons
        self.tcp, self.udp, self.tls, self.syslog, self.syslog_udp = free_ports(5)
        self.authority = Authority(folder / "authority")

    def start(self) -> None:
        """Start it, and wait until it listens."""
        certificate = self.authority.issue("localhost")
        certificates = f'tls(key-file("{certificate}") cert-file("{certificate}") peer-verify(optional-untrusted))'
        ports = {name: getattr(self, name) for name in ("tcp", "udp", "tls", "syslog", "syslog_udp")}
        configuration = self.folder / "syslog-ng.conf"
        configuration.write_text(CONFIGURATION.format(folder=self.folder, certificates=certificates, **ports))
        own = {"persist-file": "persist", "pidfile": "pid", "control": "control"}
        words = [f"--{name}={self.folder / file}" for name, file in own.items()]
        plugins = f"--module-path={self._programs / 'usr/lib/syslog-ng/3.38'}"
        argv = [str(self._programs / "usr/sbin/syslog-ng"), "--foreground", "--no-caps", "--verbose", "--stderr"]
        argv += [f"--cfgfile={configuration}", plugins, *words]
        self._daemons.start("syslog-ng", argv, {"LD_LIBRARY_PATH": str(self._programs / "libraries")})
        output = self.folder / "syslog-ng.out"
        self._daemons.wait(lambda: "starting up" in output.read_text(), PATIENCE, "syslog-ng does not listen")

    def lines(self, count: int, name: str = "lines") -> list[str]:
        """Wait for so many lines, or ``messages``; answer them, and forget them."""
        path, found = self.folder / name, list[str]()

        def there() -> bool:
            if path.exists():
                found[:] = path.read_text().splitlines()
            return len(found) >= count

        self._daemons.wait(there, PATIENCE, f"{len(found)} of {count} lines came")
        path.write_text("")
        return found


@contextmanager
def running() -> Iterator[SyslogNg]:
    """Have one for a while."""
    programs = install("syslog_ng")
    folder = Path(tempfile.mkdtemp(prefix="syslog-ng-"))
    daemons = Daemons(folder)
    try:
        daemon = SyslogNg(programs, folder, daemons)
        try:
            daemon.start()
        except TimeoutError as wrong:
            missing("syslog-ng", str(wrong))
        yield daemon
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
