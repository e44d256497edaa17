"""Which issuers of web tokens (WLCG, OpenID Connect) are believed, and what their tokens mean: one YAML file."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import yaml

from server.accounts.models import Role

#: Signatures by a pair of keys. What is signed by a shared secret (HS...), or not at all (none), is never taken.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")


#: What an entry may say, and what its login may.
_KEYS = ("issuer", "audience", "roles", "algorithms", "authorities", "person", "groups", "login")
_LOGIN_KEYS = ("name", "client", "secret_file", "title", "scopes", "address")


class BadIssuers(ValueError):
    """The file of issuers cannot be used; the text names the entry, the value and the remedy."""


@dataclass(frozen=True)
class Meaning:
    """One line of an issuer's table: a token with all that is named here means this role."""

    role: Role
    group: str = ""  # without the slash that WLCG's begin with
    scope: str = ""
    subject: str = ""
    queues: tuple[str, ...] = ()  # that the role is for; none: all

    def fits(self, *, groups: Collection[str], scopes: Collection[str], subject: str) -> bool:
        """Say whether a token has all that is named."""
        return (
            (not self.group or self.group in groups)
            and (not self.scope or self.scope in scopes)
            and (not self.subject or self.subject == subject)
        )


@dataclass(frozen=True)
class BrowserLogin:
    """How people log in at an issuer in their browsers: this server is a client of it."""

    name: str  # in addresses, such as /login/with/NAME/back
    client: str
    secret_file: str = ""  # mode 0600; "": a public client, which has none
    title: str = ""  # what people call the issuer
    scopes: tuple[str, ...] = ("openid", "profile", "email")
    address: str = ""  # where browsers reach this server; "": where the request went


@dataclass(frozen=True)
class Issuer:
    """An issuer whose tokens are believed when they are meant for one of ``audiences``."""

    address: str
    audiences: tuple[str, ...]
    meanings: tuple[Meaning, ...]
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    authorities: str = ""  # file or folder of certificates by which its own is verified; "": those of `certifi`
    person: str = "sub"  # the claim that names the person
    groups: str = ""  # a claim with groups, beside `groups` and `wlcg.groups`
    login: BrowserLogin | None = None


def meaning_of(
    issuer: Issuer, *, groups: Collection[str], scopes: Collection[str], subject: str, origin: str = ""
) -> Meaning | None:
    """Answer what a token means: the first line of the table that fits.

    Args:
        issuer: Whose token it is.
        groups: The token's, without leading slashes.
        scopes: The token's.
        subject: The token's.
        origin: PanDA's ``VO:role`` or ``VO.role``, which asks for the line of the group ``VO/role``; "" for any.
    """
    wanted = _group_in(origin, issuer.meanings)
    for meaning in issuer.meanings:
        if wanted in {"", meaning.group} and meaning.fits(groups=groups, scopes=scopes, subject=subject):
            return meaning
    return None


def meanings_of(
    issuer: Issuer, *, groups: Collection[str], scopes: Collection[str], subject: str
) -> tuple[Meaning, ...]:
    """Answer every line of the table that fits: what somebody at a page is, who asks for no single role."""
    return tuple(one for one in issuer.meanings if one.fits(groups=groups, scopes=scopes, subject=subject))


def _group_in(origin: str, meanings: Sequence[Meaning]) -> str:
    if "/" in origin:  # a browser's, which names a page
        return ""
    if ":" in origin:
        return origin.replace(":", "/")
    wanted = "/".join(origin.rsplit(".", 1))  # a VO may have dots in its own name
    return wanted if any(meaning.group == wanted for meaning in meanings) else ""


@lru_cache(maxsize=4)
def issuers_in(path: str) -> Mapping[str, Issuer]:
    """Read a file of issuers once; none when no file is named.

    Raises:
        BadIssuers: it cannot be read, or says what cannot be meant.
    """
    if not path:
        return {}
    try:
        entries = yaml.safe_load(Path(path).expanduser().read_text())
    except OSError as wrong:
        raise BadIssuers(f"{path}: {wrong.strerror}") from wrong
    except (yaml.YAMLError, UnicodeDecodeError) as wrong:
        raise BadIssuers(f"{path} is not YAML: {' '.join(str(wrong).split())}") from wrong
    return read_issuers(entries)


def read_issuers(entries: Any) -> Mapping[str, Issuer]:
    """Check what a file of issuers says; the issuers by their addresses.

    Raises:
        BadIssuers: as its text says.
    """
    if not isinstance(entries, list) or not entries:
        raise BadIssuers("a list of issuers is expected, each with issuer, audience and roles")
    found: dict[str, Issuer] = {}
    for number, entry in enumerate(entries, 1):
        one = _issuer(entry, f"issuer {number}")
        if one.address in found:
            raise BadIssuers(f"issuer {number}: {one.address} stands here twice")
        if one.login and one.login.name in {other.login.name for other in found.values() if other.login}:
            raise BadIssuers(f"issuer {number}: login: name: {one.login.name!r} is another issuer's; choose one")
        found[one.address] = one
    return found


def _issuer(entry: Any, where: str) -> Issuer:
    _refuse_unknown(entry, _KEYS, where)
    address, person = _text(entry, "issuer", where), _text(entry, "person", where, "sub")
    parts = urlsplit(address)
    if parts.scheme != "https" or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise BadIssuers(f"{where}: issuer: {address!r} is not an address that begins with https://")
    audiences = _texts(entry, "audience", where)
    algorithms = _texts(entry, "algorithms", where) or ("RS256", "ES256")
    if not audiences:
        raise BadIssuers(f"{where}: audience is missing: what the issuer's tokens for this server have in `aud`")
    if strange := [one for one in algorithms if one not in ALGORITHMS]:
        raise BadIssuers(f"{where}: algorithms: {strange[0]!r} is not taken; known are {', '.join(ALGORITHMS)}")
    roles = entry.get("roles")
    if not isinstance(roles, list) or not roles:
        raise BadIssuers(f"{where}: roles: a list is expected, of lines such as {{group: compass/users, role: user}}")
    meanings = tuple(_meaning(line, f"{where}: roles, line {number}") for number, line in enumerate(roles, 1))
    authorities, groups = _text(entry, "authorities", where, ""), _text(entry, "groups", where, "")
    login = _login(entry["login"], f"{where}: login") if "login" in entry else None
    return Issuer(address, audiences, meanings, algorithms, authorities, person, groups, login)


def _login(entry: Any, where: str) -> BrowserLogin:
    _refuse_unknown(entry, _LOGIN_KEYS, where)
    name, client = _text(entry, "name", where), _text(entry, "client", where)
    if not re.fullmatch(r"[a-z0-9-]{1,30}", name):
        raise BadIssuers(f"{where}: name: {name!r} stands in addresses; write at most 30 of a-z, 0-9 and -")
    scopes = _texts(entry, "scopes", where) or BrowserLogin.scopes
    if "openid" not in scopes:
        raise BadIssuers(f"{where}: scopes: openid is missing; without it an issuer does not say who somebody is")
    address = _text(entry, "address", where, "").rstrip("/")
    if address and (urlsplit(address).scheme not in {"https", "http"} or not urlsplit(address).hostname):
        raise BadIssuers(f"{where}: address: {address!r} is no address such as https://prod.example.org")
    secret, title = _text(entry, "secret_file", where, ""), _text(entry, "title", where, "")
    return BrowserLogin(name, client, secret, title or name, scopes, address)


def _meaning(line: Any, where: str) -> Meaning:
    _refuse_unknown(line, ("group", "scope", "subject", "role", "queues"), where)
    role = _text(line, "role", where)
    if role not in {one.value for one in Role}:
        raise BadIssuers(f"{where}: role: {role!r} is none; known are {', '.join(one.value for one in Role)}")
    group, scope, subject = (_text(line, name, where, "") for name in ("group", "scope", "subject"))
    group = group.strip("/")
    if not (group or scope or subject):
        raise BadIssuers(f"{where}: name a group, a scope or a subject; without one anybody would be a {role}")
    queues = _texts(line, "queues", where)
    if role == Role.SITE_ADMIN.value and not queues:
        raise BadIssuers(f"{where}: queues: the role site_admin is for some queues; name them")
    if queues and role not in {Role.SITE_ADMIN.value, Role.PILOT.value}:
        raise BadIssuers(f"{where}: queues: the role {role} is for all queues; leave them out")
    return Meaning(Role(role), group, scope, subject, queues)


def _refuse_unknown(entry: Any, known: Sequence[str], where: str) -> None:
    if not isinstance(entry, dict):
        raise BadIssuers(f"{where}: {entry!r} is not a mapping with {', '.join(known)}")
    for name in entry:
        if name not in known:
            near = get_close_matches(str(name), known, 1)
            meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
            raise BadIssuers(f"{where}: {name!r} is not known; {meant}")


def _text(entry: Mapping[str, Any], name: str, where: str, default: str | None = None) -> str:
    value = entry.get(name, default)
    if not isinstance(value, str) or (not value and default is None):
        raise BadIssuers(f"{where}: {name}: {value!r} is not a text")
    return value


def _texts(entry: Mapping[str, Any], name: str, where: str) -> tuple[str, ...]:
    value = entry.get(name, [])
    listed = [value] if isinstance(value, str) else value
    if not isinstance(listed, list) or not all(isinstance(one, str) and one for one in listed):
        raise BadIssuers(f"{where}: {name}: {value!r} is not a text, or a list of texts")
    return tuple(listed)
