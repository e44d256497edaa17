"""Who calls: a token or a certificate becomes an identity; what was looked up is believed for one second."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from django.conf import settings
from django.utils import timezone

from server.accounts import logic, own_tokens, passes
from server.accounts.certificates import (
    PROOF,
    SUBJECT,
    Certificate,
    certificate_of,
    role_of,
    roles_from,
    secret_in,
)
from server.accounts.issuers import issuers_in, meaning_of
from server.accounts.models import Person, Role, Token
from server.accounts.subjects import BadFront
from server.accounts.web_tokens import MARK as WEB_MARK
from server.accounts.web_tokens import BadToken, Claims, WebTokens
from server.lib.remembered import Remembered


@dataclass(frozen=True)
class Identity:
    """The bearer of a valid token."""

    name: str
    role: Role
    person: str = ""  # whose jobs are its own; "" when it belongs to nobody
    queues: frozenset[str] = frozenset()  # that it is for; none: all

    def may_serve(self, queue: str) -> bool:
        """Say whether its pilots may run the jobs of a queue."""
        return not self.queues or queue in self.queues

    def may_act_on(self, *, owner: str, queue: str) -> bool:
        """Say whether it may end, or look into, a job of this owner at this queue."""
        if self.role in {Role.ADMIN, Role.PRODUCTION}:
            return True
        if self.role is Role.SITE_ADMIN:
            return queue in self.queues
        if self.role is Role.PILOT:  # which never asks for an end, only for a look
            return self.may_serve(queue)
        return self.role is Role.USER and bool(self.person) and owner == self.person


class IdentityRefused(Exception):
    """The request says not who calls, or nobody whom we know; the text says what to do, the reason is one of few."""

    def __init__(self, text: str, *, reason: str) -> None:
        super().__init__(text)
        self.reason = reason


def _look_up(key: str | int) -> Identity:
    """Look up a token by its digest, or by the number that a pass has of it."""
    now = timezone.now()
    wanted = {"pk": key} if isinstance(key, int) else {"digest": key}
    token = Token.objects.filter(**wanted).select_related("person__account").first()
    if token is None:
        raise IdentityRefused(
            "this token is not known here; ask the server's administrator for one", reason="unknown_token"
        )
    if token.revoked_at is not None:
        raise IdentityRefused(f"the token {token.name} was revoked; ask for a new one", reason="revoked")
    if token.expires_at is not None and token.expires_at <= now:
        when = f"{token.expires_at:%Y-%m-%d %H:%M}"
        raise IdentityRefused(f"the token {token.name} expired at {when} UTC; ask for a new one", reason="expired")
    _refuse_banned(token.person)
    queues = frozenset(token.queues)
    if token.is_own:
        try:
            queues = own_tokens.queues_now(token)
        except own_tokens.Outgrown as gone:
            raise IdentityRefused(str(gone), reason="role_gone") from gone
    logic.note_use(token, now)
    person = "" if token.person is None else token.person.name
    return Identity(token.name, Role(token.role), person, queues)


def _refuse_banned(person: Person | None) -> None:
    if person is not None and person.banned_at is not None:
        because = person.banned_because or "no reason was given"
        text = f"{person.name} is banned: {because}; ask the server's administrator"
        raise IdentityRefused(text, reason="banned")


#: What this process remembers, by the digest of a token, or by the number that passes have of it.
IDENTITIES: Remembered[str | int, Identity] = Remembered(_look_up, seconds=1.0)


def _look_up_voms(certificate: Certificate) -> Identity:
    """Take somebody whom nobody has named here for what the attributes mean; the subject is the person."""
    role = role_of(certificate.fqans, roles_from(settings.ENVIRONMENT.voms_roles))
    if role is None:
        text = f"the certificate {certificate.subject} is not known here, and its attributes mean no role"
        raise IdentityRefused(f"{text}; ask the server's administrator", reason="unknown_certificate")
    _refuse_banned(Person.objects.filter(name=certificate.subject, banned_at__isnull=False).first())
    return Identity(certificate.subject[-80:], role, certificate.subject)


#: What this process remembers of certificates that have a role by their attributes.
BY_ATTRIBUTES: Remembered[Certificate, Identity] = Remembered(_look_up_voms, seconds=1.0)


@dataclass(frozen=True)
class WebBearer:
    """Who comes with a verified web token, and which of its roles is asked for."""

    digest: str
    origin: str
    claims: Claims = field(compare=False)  # as the digest says


def _look_up_web(bearer: WebBearer) -> Identity:
    """Take the bearer of a web token for the person whom its issuer means, in the role that its table gives."""
    said = bearer.claims
    meaning = meaning_of(
        said.issuer, groups=said.groups, scopes=said.scopes, subject=said.subject, origin=bearer.origin
    )
    if meaning is None:
        text = f"nothing in this token of {said.subject} means a role here"
        asked = f" that Origin: {bearer.origin} asks for" if bearer.origin else ""
        has = f"groups: {', '.join(sorted(said.groups)) or 'none'}; scopes: {', '.join(sorted(said.scopes)) or 'none'}"
        raise IdentityRefused(f"{text}{asked} ({has}); ask the server's administrator", reason="no_role")
    try:
        person = logic.person_of_login(said.issuer.address, said.subject, said.name)
    except logic.TokenRefused as refused:
        raise IdentityRefused(str(refused), reason="name_taken") from refused
    _refuse_banned(person)
    return Identity(person.name[:80], meaning.role, person.name, frozenset(meaning.queues))


#: Web tokens that were verified in this process, and what it remembers of their bearers.
WEB_TOKENS = WebTokens()
BY_LOGIN: Remembered[WebBearer, Identity] = Remembered(_look_up_web, seconds=1.0)


def identify_caller(meta: Mapping[str, str]) -> Identity:
    """Answer who sent these headers, as WSGI has them: by a token, else by a certificate that a front has verified.

    Raises:
        IdentityRefused: they name nobody, or somebody who is not let in.
    """
    header = meta.get("HTTP_AUTHORIZATION", "")
    if header or (PROOF not in meta and SUBJECT not in meta):
        return identify(header, meta.get("HTTP_ORIGIN", ""))
    try:
        certificate = certificate_of(meta, secret_in(settings.ENVIRONMENT.front_secret_file))
    except BadFront as bad:
        raise IdentityRefused(str(bad), reason="unproven_certificate") from bad
    if certificate is None:
        return identify("")
    if "HTTP_ORIGIN" in meta and meta.get("HTTP_SEC_FETCH_SITE") != "same-origin":
        # A browser shows its owner's certificate for any page that is open in it, and says then which page it is.
        text = f"a page of {meta['HTTP_ORIGIN'][:80]} calls by the certificate of whoever looks at it; send a token"
        raise IdentityRefused(text, reason="another_page")
    try:
        return IDENTITIES.of(logic.digest_of_certificate(certificate.subject))
    except IdentityRefused as refused:
        if refused.reason != "unknown_token":
            raise
    return BY_ATTRIBUTES.of(certificate)


def identify(header: str, origin: str = "") -> Identity:
    """Answer who sent this ``Authorization`` header; ``origin`` is PanDA's word for the role that is asked for.

    Raises:
        IdentityRefused: it names nobody, or somebody whose token has ended.
    """
    token = bearer_of(header)
    if token.startswith(passes.MARK):
        return IDENTITIES.of(pass_of(token).token)
    if token.startswith(WEB_MARK) and settings.ENVIRONMENT.issuers_file:
        return _identify_web(token, origin)
    return IDENTITIES.of(logic.digest_of(token))


def _identify_web(token: str, origin: str) -> Identity:
    digest = logic.digest_of(token)
    try:
        claims = WEB_TOKENS.verify(token, digest, issuers_in(settings.ENVIRONMENT.issuers_file))
    except BadToken as bad:
        raise IdentityRefused(str(bad), reason=bad.reason) from bad
    return BY_LOGIN.of(WebBearer(digest, origin[:100], claims))


def bearer_of(header: str) -> str:
    """Answer the token in an ``Authorization`` header.

    Raises:
        IdentityRefused: there is none.
    """
    scheme, _, token = header.partition(" ")
    if scheme.lower() != "bearer" or not token.strip():
        text = "no token: send `Authorization: Bearer <token>`; `compass-server token create` makes one"
        raise IdentityRefused(text, reason="no_token")
    return token.strip()


def pass_of(text: str) -> passes.Pass:
    """Read a pass.

    Raises:
        IdentityRefused: it is not good.
    """
    try:
        return passes.read(text, logic.pass_keys(), now=time.time())
    except passes.BadPass as bad:
        raise IdentityRefused(str(bad), reason="bad_pass") from bad
