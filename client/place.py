"""Which server a command talks to, and as whom: options, then the environment, then what `compass up` started."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from client.errors import ClientError

#: Where `compass up` keeps its system when nobody says otherwise.
DEFAULT_HOME = "~/.local/share/compass"


@dataclass(frozen=True)
class Home:
    """The folder of a local system. The server's own folder, the storage and the logs lie below it."""

    folder: Path

    @property
    def server(self) -> Path:
        """The server's home: database, secrets, tokens."""
        return self.folder / "server"

    @property
    def storage(self) -> Path:
        """The storage element of the local queue."""
        return self.folder / "storage"

    @property
    def run(self) -> Path:
        """What says which system is up: process numbers and addresses."""
        return self.folder / "run"

    @property
    def logs(self) -> Path:
        """The output of every part of the system."""
        return self.folder / "logs"

    @property
    def system_file(self) -> Path:
        """Written while a system is up."""
        return self.run / "system.json"

    def make(self) -> None:
        """Make the folders; only their owner may look into them."""
        try:
            for folder in (self.folder, self.run, self.logs, self.storage):
                folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as wrong:
            raise ClientError(
                f"{self.folder} cannot be made: {wrong.strerror}", "give another folder by --home"
            ) from wrong


@dataclass(frozen=True)
class Place:
    """A server's address and the file that holds the token for it."""

    url: str
    token_file: Path | None

    def token(self) -> str | None:
        """Read the token; it is held in memory only."""
        if self.token_file is None:
            return None
        remedy = "give a readable file by --token-file or COMPASS_TOKEN_FILE"
        try:
            token = self.token_file.read_text(encoding="ascii").strip()
        except OSError as wrong:
            raise ClientError(f"the token file {self.token_file} cannot be read: {wrong.strerror}", remedy) from wrong
        except UnicodeDecodeError:
            token = ""
        if not token.isprintable() or " " in token or not token:
            raise ClientError(f"the token file {self.token_file} holds no token", remedy)
        return token


def find_home(option: str | None, environment: Mapping[str, str] = os.environ) -> Home:
    """Answer the home that the option, ``COMPASS_HOME`` or the default names."""
    return Home(Path(option or environment.get("COMPASS_HOME") or DEFAULT_HOME).expanduser().absolute())


def read_system(home: Home) -> dict[str, Any] | None:
    """Read what the running system wrote about itself; ``None`` when none is up."""
    try:
        found = json.loads(home.system_file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def find_place(
    url: str | None, token_file: str | None, home: Home, environment: Mapping[str, str] = os.environ
) -> Place:
    """Say which server is meant.

    Raises:
        ClientError: nothing names a server and none is up here.
    """
    url = url or environment.get("COMPASS_URL")
    token_file = token_file or environment.get("COMPASS_TOKEN_FILE")
    system = read_system(home)
    if not url and system:
        url, token_file = str(system["url"]), token_file or str(system["token_file"])
    if not url:
        remedy = "start one by 'compass up', or give --url or COMPASS_URL"
        raise ClientError(f"no server is known and none is up in {home.folder}", remedy)
    if "://" not in url:
        raise ClientError(f"--url {url!r} is not an address", "give one such as https://host:25443")
    return Place(url.rstrip("/"), Path(token_file).expanduser() if token_file else None)
