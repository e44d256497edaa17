"""An OpenID Connect provider of others, django-oauth-toolkit, over TLS on the loopback, for tests."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape
from pathlib import Path
from typing import Any

import requests

from tests.services.authority import Authority
from tests.services.ports import free_ports

BACK = "http://testserver/login/with/iam/back"


class Toolkit:
    """Its site is a process with a database of its own, which outlives `stop` and `start`."""

    def __init__(self, folder: Path) -> None:
        self.authority = Authority(folder / "authority")
        self._folder, (self._port,) = folder, free_ports(1)
        self.client, self.secret = "compass-desk", "not so secret: 100% of it"
        self.address = f"https://localhost:{self._port}/o"
        self._certificate = self.authority.issue("localhost")
        self._site: subprocess.Popen[str] | None = None
        self.say()

    def say(self, **where: Any) -> None:
        """Have claims put into the ``id_token``, or on the page of ``userinfo``."""
        (self._folder / "claims.json").write_text(json.dumps(where))

    def start(self, key: str = "first", *, seconds: int = 600) -> None:
        """Begin to answer, signing by a key; ``seconds``: what its tokens are good for."""
        own = self._folder / f"{key}.pem"
        if not own.exists():
            subprocess.run(["openssl", "genrsa", "-out", own, "2048"], check=True, capture_output=True)
        said = {"port": self._port, "certificate": str(self._certificate), "key": own.name, "redirect": BACK}
        said |= {"client": self.client, "secret": self.secret, "person": "grace", "password": "compass"}
        (self._folder / "site.json").write_text(json.dumps({**said, "seconds": seconds}))
        words = [sys.executable, "-m", "tests.services.toolkit_site", str(self._folder)]
        self._site = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if self._site.stdout is None or self._site.stdout.readline() != "ready\n":
            raise RuntimeError(f"the provider does not start: {self._site.communicate()[1]}")

    def stop(self) -> None:
        if self._site is not None:
            self._site.terminate()
            self._site.communicate()
            self._site = None

    def send_back(self, address: str, *, agrees: bool = True) -> str:
        """Walk from where a browser was sent to where it is sent back, as somebody who logs in there."""
        with requests.Session() as browser:
            browser.trust_env = False  # what REQUESTS_CA_BUNDLE names does not know this provider
            browser.verify = str(self.authority.file)
            page = browser.get(address, timeout=10)
            fields = {**_fields(page.text), "username": "grace", "password": "compass"}
            page = browser.post(page.url, fields, headers={"Referer": page.url}, timeout=10)
            fields = _fields(page.text) | ({"allow": "Authorize"} if agrees else {})
            answer = browser.post(page.url, fields, headers={"Referer": page.url}, allow_redirects=False, timeout=10)
        assert answer.status_code == 302, answer.text
        return answer.headers["Location"].removeprefix("http://testserver")


def _fields(page: str) -> dict[str, str]:
    """Answer the hidden fields of a page's form."""
    hidden = [one for one in re.findall(r"<input[^>]*>", page) if 'type="hidden"' in one]
    found = [dict(re.findall(r'(\w+)="([^"]*)"', one)) for one in hidden]
    return {one["name"]: unescape(one.get("value", "")) for one in found}


@contextmanager
def running(folder: Path) -> Iterator[Toolkit]:
    toolkit = Toolkit(folder)
    try:
        toolkit.start()
        yield toolkit
    finally:
        toolkit.stop()
