"""Real receivers on the loopback: a mail server, and webhooks, plain and by TLS."""

from __future__ import annotations

import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from aiosmtpd.controller import Controller

from server.credentials.keyring import NAME, new_key
from tests.services.authority import Authority
from tests.services.ports import free_ports


class Mailbox:
    """Keeps what it is sent, or answers as it is told."""

    def __init__(self) -> None:
        self.mails: list[tuple[list[str], str]] = []
        self.answer = "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address.startswith("nobody@"):
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.mails.append((envelope.rcpt_tos, envelope.content.decode()))
        return self.answer


@pytest.fixture
def mailbox(settings):
    """A mail server that the settings name."""
    box = Mailbox()
    host, port = "127.0.0.1", free_ports(1)[0]
    controller = Controller(box, hostname=host, port=port)
    controller.start()
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = host, port
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.DEFAULT_FROM_EMAIL = "compass@server.example.org"
    yield box
    controller.stop()


class Hook:
    """A receiver of webhooks: keeps what it gets, answers as it is told."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.status, self.drips = 200, False
        self.on_call = lambda: None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, dict(self.headers), body))
                hook.on_call()
                if hook.drips:
                    hook.stop.wait(60)
                self.send_response(hook.status)
                self.send_header("Location", "http://127.0.0.1:1/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        self.stop = threading.Event()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def close(self) -> None:
        self.stop.set()
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def hook():
    receiver = Hook()
    receiver.thread.start()
    yield receiver
    receiver.close()


@pytest.fixture
def safe_hook(tmp_path):
    """A receiver by TLS, and who has issued its certificate."""
    receiver, authority = Hook(), Authority(tmp_path / "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.issue("localhost"))
    receiver.server.socket = context.wrap_socket(receiver.server.socket, server_side=True)
    receiver.thread.start()
    yield receiver, ssl.create_default_context(cafile=authority.file)
    receiver.close()


@pytest.fixture
def keys(settings, tmp_path):
    """A home with keys to seal with, and settings that name it; further settings as words."""
    from dataclasses import replace

    home = tmp_path / "home"
    home.mkdir()
    (home / NAME).write_text(new_key() + "\n")
    (home / NAME).chmod(0o600)

    def having(**more):
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, home=str(home), **more)
        return home

    settings.HOME = having()
    return having
