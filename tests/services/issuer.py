"""An issuer of web tokens on the loopback, for tests: HTTPS, its own description, keys that it changes when told."""

from __future__ import annotations

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec

from tests.services.authority import Authority


class Issuer:
    """``address`` is its name, ``asked`` what it was asked for; ``answers`` may put others in its answers' places."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder)
        self.asked: list[str] = []
        self.answers: dict[str, Callable[[Any], bytes]] = {}
        self.status = 200
        self._keys: dict[str, ec.EllipticCurvePrivateKey] = {}
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self.authority.issue("localhost"))
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._door(), bind_and_activate=True)
        self._server.daemon_threads = True
        self._server.socket = self._context.wrap_socket(self._server.socket, server_side=True)
        self.address = f"https://localhost:{self._server.server_port}/"
        self.rotate("first")
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()

    def rotate(self, *numbers: str) -> None:
        """Sign by the last of these keys, and publish them all; others are withdrawn."""
        made = {number: ec.generate_private_key(ec.SECP256R1()) for number in numbers}
        self._keys = {number: self._keys.get(number, made[number]) for number in numbers}

    def key(self, number: str) -> ec.EllipticCurvePrivateKey:
        return self._keys[number]

    def published(self) -> dict[str, Any]:
        """Answer its keys as it publishes them."""
        algorithm = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256)
        return {
            "keys": [
                {**algorithm.to_jwk(key.public_key(), as_dict=True), "kid": number, "use": "sig", "alg": "ES256"}
                for number, key in self._keys.items()
            ]
        }

    def token(self, **said: Any) -> str:
        """Issue a token for alice, good for an hour; claims are put in, or with ``None`` taken out."""
        now = int(time.time())
        claims = {"iss": self.address, "sub": "1234", "aud": "compass", "exp": now + 3600, "nbf": now, **said}
        number, key = list(self._keys.items())[-1]
        plain = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(plain, key, "ES256", {"kid": number})

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _door(self) -> type[BaseHTTPRequestHandler]:
        issuer = self

        class Door(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.asked.append(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
                own = issuer.page(self.command, self.path, body, self.headers) if issuer.status == 200 else None
                if own is None:
                    answer = issuer.answers.get(self.path, issuer.answer)(self.path)
                    own = issuer.status, {"Location": "/elsewhere"}, answer
                self.send_response(own[0])
                for name, value in own[1].items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(own[2])

            def do_POST(self) -> None:
                self.do_GET()

            def log_message(self, *words: Any) -> None:
                """Be silent."""

        return Door

    def answer(self, path: str) -> bytes:
        return json.dumps(self.published() if path == "/keys" else self.described()).encode()

    def described(self) -> dict[str, Any]:
        """Answer what it says of itself."""
        return {"issuer": self.address, "jwks_uri": f"{self.address}keys"}

    def page(self, method: str, path: str, body: str, headers: Any) -> tuple[int, dict[str, str], bytes] | None:
        """Answer status, headers and body of a further page; nothing where there is none."""
        return None


@contextmanager
def running(folder: Path) -> Iterator[Issuer]:
    issuer = Issuer(folder)
    try:
        yield issuer
    finally:
        issuer.close()
