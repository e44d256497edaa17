"""Real web servers in front of ours, for tests: nginx, and Apache with GridSite's module, on the loopback, with TLS.

They are configured as the page on fronts in doc/howto says.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.authority import Authority
from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

#: Seconds until one has to listen.
PATIENCE = 60.0

NGINX = """
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {host};
    ssl_certificate_key {host};
    ssl_client_certificate {authority};
    ssl_verify_client optional;
    location / {{
      proxy_pass {backend};
      client_max_body_size 32m;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $remote_addr;
      proxy_set_header X-Request-Id $request_id;
      proxy_set_header X-Compass-Front {secret};
      proxy_set_header X-Compass-Verified $ssl_client_verify;
      proxy_set_header X-Compass-Subject $ssl_client_s_dn;
      proxy_set_header X-Compass-Fqans "";
    }}
  }}
"""
MODULES = (
    *("mpm_event", "authn_core", "authz_core", "headers", "ssl", "socache_shmcb"),
    *("proxy", "proxy_http", "gridsite"),
)
APACHE = """
Listen 127.0.0.1:{port}
<VirtualHost 127.0.0.1:{port}>
  SSLEngine on
  SSLCertificateFile {host}
  SSLCertificateKeyFile {host}
  SSLCACertificateFile {authority}
  SSLVerifyClient optional
  SSLVerifyDepth 10
  SSLOptions +StdEnvVars +LegacyDNStringFormat
  GridSiteEnvs on
  GridSiteGSIProxyLimit 9
  ProxyPass / {backend}/
  ProxyPreserveHost on
  RequestHeader set X-Compass-Front {secret}
  RequestHeader set X-Compass-Verified "%{{SSL_CLIENT_VERIFY}}s"
  RequestHeader set X-Compass-Subject "%{{SSL_CLIENT_S_DN}}s"
  RequestHeader set X-Compass-Fqans "%{{GRST_VOMS_FQANS}}e"
</VirtualHost>
"""

#: What a machine's own configuration has around that of a site.
NGINX_AROUND = """
{user}
worker_processes 1;
pid {folder}/nginx.pid;
daemon off;
events {{ worker_connections 64; }}
http {{
  access_log off;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  {site}
}}
"""
APACHE_AROUND = """
{modules}
ServerRoot {folder}
ServerName localhost
PidFile {folder}/apache.pid
ErrorLog {folder}/apache.log
DefaultRuntimeDir {folder}
Mutex fcntl:{folder} default
{user}
StartServers 1
ServerLimit 2
ThreadsPerChild 8
MaxRequestWorkers 16
SSLSessionCache shmcb:{folder}/sessions(512000)
"""


class Front:
    """A web server on ``port``; ``authority`` issues the certificates that it takes."""

    def __init__(self, kind: str, programs: Path, folder: Path, daemons: Daemons, *, delegates: bool) -> None:
        self.kind, self.folder, self._programs, self._daemons = kind, folder, programs, daemons
        (self.port,) = free_ports(1)
        self.authority = Authority(folder / "authority", delegates=delegates)
        self.host = self.authority.issue("localhost")

    def start(self, backend: int | Path, secret: str, grid: Path | None = None) -> None:
        """Start it in front of a server of ours, at a port or a Unix socket, and wait until it listens.

        ``grid``: it sees this folder's content below /etc, where GridSite looks for ``grid-security``; root only.
        """
        socket = f"http://unix:{backend}:" if self.kind == "nginx" else f"unix:{backend}|http://localhost"
        said = {
            "folder": self.folder, "port": self.port, "host": self.host, "authority": self.authority.file,
            "backend": f"http://127.0.0.1:{backend}" if isinstance(backend, int) else socket, "secret": secret,
        }  # fmt: skip
        argv = self.written((NGINX if self.kind == "nginx" else APACHE).format(**said))
        argv += [] if self.kind == "nginx" else ["-DFOREGROUND"]
        if grid is not None:
            argv = seeing(grid, argv)
        self._daemons.start(self.kind, argv, {})
        self._daemons.wait(self._listens, PATIENCE, f"{self.kind} does not listen")

    def written(self, text: str) -> list[str]:
        """Write somebody's own configuration of a site, in the least that has to be around it; answer the command."""
        programs, configuration = self._programs / "usr/sbin", self.folder / f"{self.kind}.conf"
        if self.kind == "nginx":
            user = "" if os.geteuid() else "user root;"
            configuration.write_text(NGINX_AROUND.format(user=user, folder=self.folder, site=text))
            return [str(programs / "nginx"), "-e", str(self.folder / "nginx.log"), "-c", str(configuration)]
        user = "" if os.geteuid() else "User nobody\nGroup nogroup"
        folder = self._programs / "usr/lib/apache2/modules"
        modules = "\n".join(f"LoadModule {name}_module {folder}/mod_{name}.so" for name in MODULES)
        around = APACHE_AROUND.format(user=user, modules=modules, folder=self.folder)
        configuration.write_text(f"{around}\n{text}")
        return [str(programs / "apache2"), "-f", str(configuration)]

    def checked(self, text: str) -> subprocess.CompletedProcess[str]:
        """Have the program look at a site's configuration, as its administrator does before it is used."""
        return subprocess.run([*self.written(text), "-t"], capture_output=True, text=True, timeout=PATIENCE)

    def serve(self, text: str) -> None:
        """Start with a site's own configuration, which listens at ``port``."""
        foreground = [] if self.kind == "nginx" else ["-DFOREGROUND"]
        self._daemons.start(self.kind, [*self.written(text), *foreground], {})
        self._daemons.wait(self._listens, PATIENCE, f"{self.kind} does not listen")

    def attributes(self, person: Path, issuer: Path, folder: Path, *fqans: str) -> Path:
        """Answer a proxy of somebody with VOMS attributes of the VO ``tests``, as an issuer has signed them."""
        proxy = self.folder / f"{person.stem}-{issuer.parent.name}-{issuer.stem}-{len(fqans)}.pem"
        said = [word for fqan in fqans for word in ("-fqan", fqan)]
        files = ["-cert", person, "-key", person, "-hostcert", issuer, "-hostkey", issuer, "-certdir", folder]
        argv = [self._programs / "usr/bin/voms-proxy-fake", "-rfc", "-bits", "2048", "-hours", "1", *files, *said]
        argv += ["-voms", "tests", "-uri", "voms.test:15000", "-out", proxy]
        subprocess.run([str(word) for word in argv], check=True, capture_output=True, stdin=subprocess.DEVNULL)
        return proxy

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), 5.0):
            return True
        return False


def seeing(grid: Path, argv: list[str]) -> list[str]:
    """Answer a command that runs another one, which sees a folder's content below /etc beside what is there."""
    mount = f'mount -t overlay overlay -o lowerdir="{grid}":/etc /etc && exec "$@"'
    return ["unshare", "--mount", "sh", "-c", mount, "sh", *argv]


@contextmanager
def running(kind: str, *, delegates: bool = False) -> Iterator[Front]:
    """Have nginx or Apache for a while; it is started by who asks. ``delegates`` is said to its authority."""
    programs = install("fronts")
    folder = Path(tempfile.mkdtemp(prefix=f"{kind}-"))
    folder.chmod(0o755)
    daemons = Daemons(folder)
    try:
        yield Front(kind, programs, folder, daemons, delegates=delegates)
    except TimeoutError as wrong:
        missing(kind, str(wrong))
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
