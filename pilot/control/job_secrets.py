"""Passwords: what the server has given with jobs, for the pilot's own use, and what was read from files.

They are never written down: not in the journal, not in a log.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from pilot.contract.naming import SECRETS_FILE
from pilot.control.news import Key

#: Jobs whose secrets are kept; a pilot runs fewer.
MOST = 1000
#: Of what a payload is given, shorter texts are no secrets: to mask them would spoil logs.
SHORTEST = 4
_NONE: Mapping[str, str] = {}


class JobSecrets:
    """Written by the thread that asks for jobs, read by others; each step is one of the dictionary's own."""

    def __init__(self) -> None:
        self._by_job: dict[Key, Mapping[str, str]] = {}
        self._seen: dict[str, None] = {}

    def learn(self, found: Mapping[Key, Mapping[str, str]]) -> None:
        """Take what came with jobs."""
        for key, secrets in found.items():
            self._by_job[key] = {**self._by_job.get(key, _NONE), **secrets}
            for name, value in secrets.items():
                if name == SECRETS_FILE:
                    self._see_all(value)
                elif "login" not in name.lower() and "user" not in name.lower():
                    self.see(value)
        while len(self._by_job) > MOST:
            del self._by_job[next(iter(self._by_job))]

    def _see_all(self, text: str) -> None:
        """Note every text in what is JSON most often."""
        if len(text) >= SHORTEST:
            self.see(text)
        try:
            waiting = [json.loads(text)]
        except (ValueError, RecursionError):
            return
        while waiting:
            one = waiting.pop()
            if isinstance(one, str) and len(one) >= SHORTEST:
                self.see(one)
            elif isinstance(one, (dict, list)):
                waiting.extend(one.values() if isinstance(one, dict) else one)

    def handed(self, key: Key) -> str:
        """Answer what a job's payload is to find in its directory, or ""."""
        return self._by_job.get(key, _NONE).get(SECRETS_FILE, "")

    def of(self, key: Key) -> Mapping[str, str]:
        """Answer what came with a job."""
        return self._by_job.get(key, _NONE)

    def see(self, secret: str) -> None:
        """Note a text that no log may hold."""
        if writable := secret.encode("utf-8", "ignore").decode():  # JSON may hold halves of characters, files do not
            self._seen[writable] = None

    def seen(self) -> tuple[str, ...]:
        """Answer every such text so far."""
        return tuple(self._seen)
