"""The server's home: a folder that only its owner may enter, with the database, the secrets and the first tokens."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from django.contrib.auth import get_user_model

from server.accounts.logic import create_token
from server.accounts.models import Role, Token
from server.credentials import keyring

#: Roles that get a token at the first start, each in a file of its own.
FIRST_TOKENS = (Role.PILOT, Role.PRODUCTION, Role.ADMIN)

ADMIN_NAME = "admin"


def make_folder(home: Path) -> None:
    """Make the home, or take away from others what rights they have on it."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    home.chmod(0o700)


def write_secret(path: Path, text: str) -> None:
    """Write a file that nobody else could read at any moment; an existing one is left alone."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        path.chmod(0o600)
        return
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")


def token_file(home: Path, role: Role) -> Path:
    """Say where the first token of a role lies."""
    return home / f"{role.value}.token"


def write_key(home: Path) -> None:
    """Make the key that signs sessions."""
    write_secret(home / "secret_key", secrets.token_urlsafe(48))


def write_credential_key(home: Path) -> None:
    """Make the key that credentials and secrets are sealed with in the database."""
    write_secret(home / keyring.NAME, keyring.new_key())


def write_first_tokens(home: Path) -> list[Path]:
    """Make the tokens that are not there yet; answer the files that were written."""
    written = []
    for role in FIRST_TOKENS:
        path = token_file(home, role)
        if path.exists():
            continue
        Token.objects.filter(name=role.value).delete()  # its file is lost, so nobody knows it any more
        write_secret(path, create_token(role.value, role))
        written.append(path)
    return written


def make_administrator(home: Path) -> Path | None:
    """Make the admin's first user, with a password that lies in the home; nothing when there is a user already."""
    users = get_user_model()
    if users.objects.exists():
        return None
    password = secrets.token_urlsafe(16)
    path = home / "admin_password"
    path.unlink(missing_ok=True)
    write_secret(path, password)
    users.objects.create_superuser(ADMIN_NAME, password=password)
    return path
