"""A login and a password, from a file that nobody else can read."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import NamedTuple

from pilot.errors import ConfigError

_LARGEST = 4096


class Login(NamedTuple):
    """Who somebody is, and how it is proved; both empty: nobody in particular."""

    name: str = ""
    password: str = ""


def read_login(path: str, setting: str) -> Login:
    """Read the login and the password, each on a line of its own; from no file, none.

    Raises:
        ConfigError: the file cannot be read, others may read it, or it holds something else. No message holds a secret.
    """
    if not path:
        return Login()
    try:
        with Path(path).open("rb") as file:
            open_to_others = os.fstat(file.fileno()).st_mode & (stat.S_IRWXG | stat.S_IRWXO)
            lines = file.read(_LARGEST).decode("utf-8").splitlines()
    except OSError as wrong:
        raise ConfigError(f"{setting}: {path} cannot be read: {wrong.strerror}") from wrong
    except UnicodeDecodeError:
        raise ConfigError(f"{setting}: {path} holds no login: it is not plain text") from None
    if open_to_others:
        raise ConfigError(f"{setting}: {path} can be used by others; its mode has to be 0600")
    found = [line.strip() for line in lines if line.strip()]
    if len(found) != 2:
        words = f"{setting}: {path} holds {len(found)} lines"
        raise ConfigError(f"{words}; a login and a password are expected, a line each")
    return Login(*found)
