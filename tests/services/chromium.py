"""A real Chromium for tests, without windows, which Playwright drives; it reaches this machine's loopback alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, sync_playwright

from tests.services.containers import install

#: Its own sandbox needs rights that a container does not give; nothing but our own pages is ever opened.
WORDS = ("--no-sandbox", "--disable-gpu", "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost")


@contextmanager
def running() -> Iterator[Browser]:
    """Start one, and end it afterwards with all of its processes."""
    folder = install("chromium")
    program = folder / "usr/lib/chromium/chromium-headless-shell"
    with tempfile.TemporaryDirectory(prefix="chromium-") as home, sync_playwright() as driver:
        environment = {"HOME": home, "PATH": "/usr/bin:/bin", "FONTCONFIG_FILE": str(folder / "fonts.conf")}
        browser = driver.chromium.launch(executable_path=program, args=list(WORDS), env=environment)
        try:
            yield browser
        finally:
            browser.close()
