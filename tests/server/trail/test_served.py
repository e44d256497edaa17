"""The audit log of a real server: what is done is there when the server is killed, what was looked at when it stops."""

from __future__ import annotations

import re
import signal
import sqlite3
from contextlib import closing
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.server.manage.running import Server, free_port, init

pytestmark = pytest.mark.one_python


class Browser:
    def __init__(self, port):
        self._at, self._opener = f"http://127.0.0.1:{port}", build_opener(HTTPCookieProcessor(CookieJar()))

    def get(self, path):
        return self._opener.open(self._at + path, timeout=60).read().decode()

    def log_in(self, password):
        path = "/admin/login/?next=/admin/"
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)', self.get(path))[1]
        form = {"csrfmiddlewaretoken": token, "username": "admin", "password": password}
        self._opener.open(self._at + path, urlencode(form).encode(), timeout=60).close()


def actions(home):
    with closing(sqlite3.connect(home / "db.sqlite3")) as database:
        return [row[0] for row in database.execute("SELECT action FROM trail_entry WHERE person = 'admin' ORDER BY id")]


def test_what_was_done_outlives_a_kill_and_what_was_looked_at_a_stop(tmp_path):
    home = tmp_path / "home"
    assert init(home).returncode == 0
    password = (home / "admin_password").read_text().strip()
    server = Server(home, free_port(), workers=1)
    Browser(server.port).log_in(password)
    server.end(signal.SIGKILL)
    assert actions(home)[0] == "login"
    server = Server(home, free_port(), workers=1)
    browser = Browser(server.port)
    browser.log_in(password)
    browser.get("/admin/auth/user/?q=petra")
    assert server.end() == 0
    assert actions(home)[-1] == "filter"
    assert password not in (home / "db.sqlite3").read_bytes().decode("latin-1")
