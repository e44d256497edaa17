"""A login and a password, from a file that nobody else can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from pilot.errors import ConfigError

_LARGEST = 65536


class Login(NamedTuple):
    """Who somebody is, and how it is proved; both empty: nobody in particular."""

    name: str = ""
    password: str = ""


def read_private(path: str, setting: str) -> str:
    """Read a file that holds a secret.

    Raises:
        ConfigError: the file cannot be read, others may use it, or it is no text. No message holds a secret.
    """
    try:
        with Path(path).open("rb") as file:
            open_to_others = os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            text = file.read(_LARGEST).decode("utf-8")
    except OSError as wrong:
        raise ConfigError(f"{setting}: {path} cannot be read: {wrong.strerror}") from wrong
    except UnicodeDecodeError:
        raise ConfigError(f"{setting}: {path} is not plain text") from None
    if open_to_others:
        raise ConfigError(f"{setting}: {path} can be used by others; its mode has to be 0600")
    return text


def read_login(path: str, setting: str) -> Login:
    """Read the login and the password, each on a line of its own; from no file, none.

    Raises:
        ConfigError: see `read_private`; or it holds something else.
    """
    if not path:
        return Login()
    found = [line.strip() for line in read_private(path, setting).splitlines() if line.strip()]
    if len(found) != 2:
        words = f"{setting}: {path} holds {len(found)} lines"
        raise ConfigError(f"{words}; a login and a password are expected, a line each")
    return Login(*found)
