"""The pilot's proxy and token: how long they live, whether a job may begin with them, and how they are renewed."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable, Optional, Protocol

from pilot.api.replies import ServerError
from pilot.contract.codes import ErrorCode
from pilot.contract.routes import PASS_MARK
from pilot.errors import ConfigError, JobFailed
from pilot.job import Problem
from pilot.site import proxy

if TYPE_CHECKING:
    from pilot.settings import Settings

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Credential:
    """When proxy and token end, in seconds since 1970 (``None``: they do not say), and what is wrong with the proxy.

    ``renewal`` tells in words what an attempt to renew one came to.
    """

    certificate_end: Optional[float] = None
    token_end: Optional[float] = None
    problem: Optional[Problem] = None
    renewal: str = ""


class Issuer(Protocol):
    """Who gives new credentials; raises `ServerError` when none can be had."""

    def new_proxy(self, role: str) -> str:
        """Answer a proxy with its key, in PEM."""

    def new_token(self, client: str, key: str) -> str:
        """Answer a token."""

    def new_pass(self) -> str:
        """Answer the pass that follows the one that is asked with."""


def objection(found: Credential, now: float, least: float) -> Optional[Problem]:
    """Say why no job should begin: a proxy is missing, something has expired or lives less than ``least`` seconds."""
    if found.problem is not None:
        return found.problem
    for name, end in (("proxy", found.certificate_end), ("token", found.token_end)):
        if end is not None and end <= now:
            return Problem(ErrorCode.CERTIFICATE_EXPIRED, f"the {name} has expired {now - end:.0f} s ago")
        if end is not None and end - now < least:
            words = f"the {name} lives {end - now:.0f} s, {least:.0f} s are needed (credentials.at_start)"
            return Problem(ErrorCode.PROXY_TOO_SHORT, words)
    return None


class CredentialReader:
    """Reads the files anew each time, so that anybody may renew them; asks the server for new ones where that is set.

    ``token`` answers the token as requests use it. Safe to be used by two threads: files are replaced as a whole.
    """

    def __init__(
        self,
        settings: Settings,
        token: Callable[[], str],
        issuer: Issuer,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._server, self._settings = settings.server, settings.credentials
        self._token, self._issuer, self._now = token, issuer, now

    def read(self) -> Credential:
        """Look at what there is."""
        try:
            end = proxy.certificate_end(Path(self._server.certificate)) if self._server.certificate else None
        except JobFailed as wrong:
            return Credential(None, self._token_end(), Problem(wrong.code, wrong.detail))
        return Credential(end, self._token_end())

    def renewed(self) -> Credential:
        """Look at what there is, and try to renew what lives no longer than it should."""
        found, words = self.read(), []
        soon = self._now() + self._settings.left
        if self._server.certificate and self._settings.proxy_role and (found.certificate_end or 0.0) < soon:
            words.append(self._renew("proxy", lambda: self._new_proxy(found.certificate_end)))
        if self._server.token_file and found.token_end is not None and found.token_end < soon:
            if self._has_pass():
                words.append(self._renew("pass", lambda: self._keep(self._issuer.new_pass(), found.token_end)))
            elif self._settings.token_key_file:
                words.append(self._renew("token", lambda: self._new_token(found.token_end)))
        return replace(self.read(), renewal="; ".join(words)) if words else found

    def _has_pass(self) -> bool:
        try:
            return self._token().startswith(PASS_MARK)
        except ConfigError:  # it was there a moment ago, and is looked for again later
            return False

    def _token_end(self) -> Optional[float]:
        try:
            return proxy.token_end(self._token())
        except ConfigError as wrong:
            log.warning("%s", wrong)
            return None

    def _renew(self, name: str, do: Callable[[], None]) -> str:
        try:
            do()
        except ServerError as refused:
            # Not its words: they may hold what was asked with.
            return f"no new {name} can be had: {type(refused).__name__} ({refused.code.name})"
        except (OSError, ValueError) as wrong:
            return f"a new {name} cannot be used: {getattr(wrong, 'strerror', None) or wrong}"
        return f"the {name} was renewed"

    def _new_proxy(self, old_end: Optional[float]) -> None:
        text = self._issuer.new_proxy(self._settings.proxy_role)
        self._compare(proxy.end_of(text.encode("ascii")), old_end)
        if "PRIVATE KEY" not in text:
            raise ValueError("it holds no key")
        proxy.replace_secret(Path(self._server.certificate), text)

    def _compare(self, end: float, old_end: Optional[float]) -> None:
        """Object to a credential that is no better than what there is; a server may give what it has in store."""
        if end <= self._now():
            raise ValueError("it has expired already")
        if old_end is not None and end <= old_end:
            raise ValueError("it lives no longer than the old one")

    def _new_token(self, old_end: Optional[float]) -> None:
        key = Path(self._settings.token_key_file).read_text(encoding="ascii").strip()
        self._keep(self._issuer.new_token(self._settings.token_client, key), old_end)

    def _keep(self, text: str, old_end: Optional[float]) -> None:
        """Put another token into the place of the old one, when it is one and lives longer."""
        token = text.strip()
        if not token or not token.isascii() or not token.isprintable() or " " in token:
            raise ValueError("it has blanks, or letters that no token has")
        if (end := proxy.token_end(token)) is None:
            raise ValueError("it does not say when it ends, as the old one does")
        self._compare(end, old_end)
        proxy.replace_secret(Path(self._server.token_file), token + "\n")
