"""What ``compass-server check`` says of whom the server believes: the web server in front, and issuers of tokens."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution

from server.accounts.certificates import SHORTEST, roles_from
from server.accounts.issuers import BadIssuers, BrowserLogin, issuers_in
from server.accounts.oidc import NotLoggedIn, secret_of

FILE, ROLES = "COMPASS_SERVER_FRONT_SECRET_FILE", "COMPASS_SERVER_VOMS_ROLES"
SOCKET = "COMPASS_SERVER_SOCKET"
ISSUERS = "COMPASS_SERVER_ISSUERS_FILE"


def check_front(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Look at the file with the front's secret, and at the roles of VOMS attributes."""
    said = settings.ENVIRONMENT
    front = said.front_secret_file or said.socket
    return [*_check_file(said.front_secret_file), *_check_socket(said.socket), *_check_roles(said.voms_roles, front)]


def _check_socket(name: str) -> list[CheckMessage]:
    if not name:
        return []
    path = Path(name).expanduser()
    try:
        folder, mode = path.parent.stat().st_mode, path.stat().st_mode if path.exists() else 0
    except OSError as wrong:
        # What systemd makes for a server (RuntimeDirectory) is there while that runs; `serve` refuses without it.
        hint = "Make that folder, unless what starts the server does."
        return [Caution(f"{SOCKET}: {path.parent}: {wrong.strerror}", hint=hint, id="compass.W006")]
    if folder & 0o002:
        words = f"{SOCKET}: everybody on this machine may put another socket into the place of {path}"
        return [Caution(words, hint=f"chmod o-w {path.parent}", id="compass.W004")]
    if mode & 0o002 and folder & 0o001:
        words = f"{SOCKET}: everybody on this machine may open {path}, and can pretend to be anybody"
        return [Caution(words, hint="chmod o-w", id="compass.W005")]
    return []


def _check_file(name: str) -> list[CheckMessage]:
    if not name:
        return []
    path = Path(name).expanduser()
    try:
        mode, text = path.stat().st_mode, path.read_text().strip()
    except OSError as wrong:
        return [Error(f"{FILE}: {path}: {wrong.strerror}", hint="Write a long random text there.", id="compass.E001")]
    found: list[CheckMessage] = []
    if mode & 0o007:
        words = f"{FILE}: everybody on this machine may read {path}, and can pretend to be anybody"
        found.append(Caution(words, hint="chmod o-rwx", id="compass.W001"))
    if len(text) < SHORTEST:
        words = f"{FILE}: {path} has {len(text)} signs; at least {SHORTEST} are needed"
        found.append(Error(words, hint="openssl rand -hex 32", id="compass.E002"))
    return found


def _check_roles(text: str, front: str) -> list[CheckMessage]:
    try:
        rules = roles_from(text)
    except ValueError as wrong:
        return [Error(f"{ROLES}: {wrong}", id="compass.E003")]
    if rules and not front:
        return [Caution(f"{ROLES} is of no use without a front that proves itself", hint=FILE, id="compass.W002")]
    return []


def check_issuers(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Read the file of issuers, and see who may write to it."""
    name = settings.ENVIRONMENT.issuers_file
    try:
        issuers_in(name)
    except BadIssuers as wrong:
        return [Error(f"{ISSUERS}: {wrong}", hint="See Let web tokens in.", id="compass.E004")]
    if name and Path(name).expanduser().stat().st_mode & 0o002:
        words = f"{ISSUERS}: everybody on this machine may write to {name}, and so become an administrator"
        return [Caution(words, hint="chmod o-w", id="compass.W003")]
    return [problem for one in issuers_in(name).values() if one.login for problem in _check_login(one.login)]


def _check_login(login: BrowserLogin) -> list[CheckMessage]:
    if find_spec("authlib") is None:
        words = f"{ISSUERS}: people log in by {login.title}, and Authlib is missing"
        return [Error(words, hint="pip install compass-pilot[server,oidc]", id="compass.E006")]
    try:
        secret_of(login)
    except NotLoggedIn as wrong:
        return [Error(f"{ISSUERS}: login {login.name}: {wrong}", hint="See Let people in by OIDC.", id="compass.E007")]
    return []
