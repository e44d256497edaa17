"""A real browser, a server in this process, and a production with something of everything to look at.

The rows are written once for a file of tests, into a transaction that is rolled back when the file is over. Playwright
runs an event loop in the thread of the tests, beside which Django has to be told that its database may be used.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.contrib.staticfiles.handlers import StaticFilesHandler
from django.db import connections, transaction
from django.test import Client, override_settings
from django.test.testcases import LiveServerThread
from playwright.sync_api import Browser, BrowserContext, Page, Request

from tests.server.browser.scene import make
from tests.services import chromium

PASSWORD = "correct horse"


class Served:
    """The server: its address, and the one lock under which anybody uses its database."""

    def __init__(self, url: str, lock: threading.RLock) -> None:
        self.url, self._lock = url, lock

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Use the database while no request is answered."""
        with self._lock:
            yield


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser for a file of tests: its loop must be gone before another file, which may want one of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        with chromium.running() as found:
            yield found
    assert asyncio._get_running_loop() is None, "Playwright has left its event loop running in the thread of the tests"


@pytest.fixture(scope="module")
def served(browser: Browser, django_db_setup, django_db_blocker) -> Iterator[Served]:
    """The pages over HTTP, with the scene's rows."""
    lock = threading.RLock()

    class OneByOne(StaticFilesHandler):
        """Answers one request at a time: all of them share one connection, and one transaction."""

        def __call__(self, environ: Any, start_response: Any) -> Any:
            with lock:
                return super().__call__(environ, start_response)

    connection = connections["default"]
    said = override_settings(ALLOWED_HOSTS=["127.0.0.1"], PRODUCTION={"retry_delay": 0})
    with django_db_blocker.unblock(), said, transaction.atomic():
        make()
        connection.inc_thread_sharing()
        thread = LiveServerThread("127.0.0.1", OneByOne, connections_override={"default": connection})
        thread.daemon = True
        thread.start()
        try:
            thread.is_ready.wait()
            assert thread.error is None, thread.error
            yield Served(f"http://127.0.0.1:{thread.port}", lock)
        finally:
            thread.terminate()
            connection.dec_thread_sharing()
            transaction.set_rollback(True)


@dataclass
class Seen:
    """What a browser has met on the way: words on its console, and addresses that it asked of anybody else."""

    host: str
    console: list[str] = field(default_factory=list)
    elsewhere: list[str] = field(default_factory=list)

    def watch(self, page: Page) -> None:
        page.on("console", lambda one: self.console.append(one.text) if one.type in ("error", "warning") else None)
        page.on("pageerror", lambda one: self.console.append(str(one)))
        page.on("request", self._asked)

    def _asked(self, request: Request) -> None:
        if urlsplit(request.url).netloc != self.host and not request.url.startswith(("data:", "blob:")):
            self.elsewhere.append(request.url)


@dataclass
class Person:
    """Somebody with a browser of their own; addresses are paths."""

    context: BrowserContext
    page: Page
    seen: Seen

    def open(self, path: str) -> Page:
        answer = self.page.goto(path)
        assert answer is not None
        assert answer.status == 200, f"{path}: {answer.status}"
        return self.page


Meet = Callable[..., Person]


@pytest.fixture
def person(browser: Browser, served: Served) -> Iterator[Meet]:
    """Bring somebody in: logged in under a name, of the group production or not, with a screen as told."""
    contexts = []

    def meet(name: str = "ada", *, manages: bool = True, **screen: Any) -> Person:
        context = browser.new_context(base_url=served.url, **screen)
        contexts.append(context)
        context.set_default_timeout(10_000)
        if name:
            context.add_cookies([_session(name, manages=manages, served=served)])
        page = context.new_page()
        seen = Seen(urlsplit(served.url).netloc)
        seen.watch(page)
        return Person(context, page, seen)

    yield meet
    for context in contexts:
        context.close()


def account(name: str, *, manages: bool) -> Any:
    """Answer an account that is no administrator's."""
    user, new = get_user_model().objects.get_or_create(username=name)
    if new:
        user.set_password(PASSWORD)
        user.save()
    user.groups.add(Group.objects.get_or_create(name="production" if manages else "reader")[0])
    return user


def _session(name: str, *, manages: bool, served: Served) -> Any:
    with served.alone():
        client = Client()
        client.force_login(account(name, manages=manages))
        return {"name": settings.SESSION_COOKIE_NAME, "value": client.cookies[settings.SESSION_COOKIE_NAME].value} | {
            "url": served.url
        }
