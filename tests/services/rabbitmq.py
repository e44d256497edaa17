"""A real RabbitMQ, for tests: STOMP plain and by TLS, AMQP by TLS with certificates of clients; on the loopback."""

from __future__ import annotations

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.services.authority import Authority
from tests.services.containers import install, missing
from tests.services.daemons import Daemons
from tests.services.ports import free_ports

USER, PASSWORD = "pilot", "of-the-broker-1"
#: Seconds until it has to listen.
PATIENCE = 60.0

CONFIGURATION = """
listeners.tcp = none
listeners.ssl.1 = 127.0.0.1:{amqps}
auth_mechanisms.1 = EXTERNAL
auth_mechanisms.2 = PLAIN
ssl_cert_login_from = common_name
stomp.listeners.tcp.1 = 127.0.0.1:{plain}
stomp.listeners.ssl.1 = 127.0.0.1:{tls}
distribution.listener.interface = 127.0.0.1
distribution.listener.port_range.min = {distribution}
distribution.listener.port_range.max = {distribution}
ssl_options.cacertfile = {authority}
ssl_options.certfile = {certificate}
ssl_options.keyfile = {certificate}
ssl_options.verify = verify_peer
ssl_options.fail_if_no_peer_cert = false
default_user = {user}
default_pass = {password}
log.file.level = info
"""


class RabbitMQ:
    """One broker. ``plain`` and ``tls`` are its ports of STOMP, ``amqps`` that of AMQP; its virtual host is ``/``.

    By AMQP whoever has a certificate that names the user is that user.
    """

    def __init__(self, programs: Path, folder: Path, daemons: Daemons) -> None:
        self.folder, self._programs, self._daemons = folder, programs, daemons
        self.plain, self.tls, self.amqps, self._distribution, self._names = free_ports(5)
        self.authority = Authority(folder / "authority")
        path = f"{programs / 'erlang/bin'}{os.pathsep}{os.environ['PATH']}"
        self._environment: Mapping[str, str] = {
            "PATH": path,
            "HOME": str(folder),  # where it keeps its cookie
            "RABBITMQ_NODENAME": f"tests{self.plain}@localhost",
            "RABBITMQ_MNESIA_BASE": str(folder / "data"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "plugins"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self._names),
            "RUNNING_UNDER_SYSTEMD": "true",  # the script is replaced by the broker, which then is our child
        }

    def write_configuration(self) -> None:
        text = CONFIGURATION.format(
            plain=self.plain,
            tls=self.tls,
            amqps=self.amqps,
            distribution=self._distribution,
            authority=self.authority.file,
            certificate=self.authority.issue("localhost"),
            user=USER,
            password=PASSWORD,
        )
        (self.folder / "rabbitmq.conf").write_text(text)
        (self.folder / "plugins").write_text("[rabbitmq_stomp,rabbitmq_auth_mechanism_ssl].\n")

    def start(self) -> None:
        """Start the broker, and what its kind finds each other by; wait until it listens."""
        names = self._programs / "erlang/bin/epmd"
        self._daemons.start("epmd", [str(names)], self._environment)
        self.start_broker()

    def start_broker(self) -> None:
        """Start it, and wait until it listens."""
        self._daemons.start("rabbitmq", [str(self._programs / "server/sbin/rabbitmq-server")], self._environment)
        self._daemons.wait(self._listens, PATIENCE, "RabbitMQ does not listen")

    def stop_broker(self) -> None:
        """End it; what it has to know is on its disk."""
        self._daemons.stop("rabbitmq")

    def send(self, destination: str, body: bytes) -> None:
        """Send a message, and wait until the broker has taken it."""
        words = {"login": USER, "passcode": PASSWORD, "host": "/", "accept-version": "1.2"}
        with socket.create_connection(("127.0.0.1", self.plain), PATIENCE) as connection:
            for frame, answer in (
                (_frame("CONNECT", words), b"CONNECTED"),
                (_frame("SEND", {"destination": destination, "receipt": "taken"}, body), b"RECEIPT"),
            ):
                connection.sendall(frame)
                said = b""
                while b"\0" not in said:
                    said += connection.recv(4096)
                assert said.strip().startswith(answer), said

    def _listens(self) -> bool:
        """Say whether it has said that it has begun; its ports are open before that."""
        with suppress(OSError):
            logs = (self.folder / "log").glob("tests*.log")
            return any("Server startup complete" in log.read_text(errors="replace") for log in logs)
        return False


def _frame(command: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    return "\n".join([command, *(f"{name}:{value}" for name, value in headers.items()), "", ""]).encode() + body + b"\0"


@contextmanager
def running() -> Iterator[RabbitMQ]:
    """Have one for a while."""
    programs = install("rabbitmq")
    folder = Path(tempfile.mkdtemp(prefix="rabbitmq-"))
    daemons = Daemons(folder)
    try:
        broker = RabbitMQ(programs, folder, daemons)
        broker.write_configuration()
        try:
            broker.start()
        except TimeoutError as wrong:
            missing("rabbitmq", str(wrong))
        yield broker
    finally:
        daemons.close()
        shutil.rmtree(folder, ignore_errors=True)
