"""Whether a job's lines are sent, where to, and which files they are of. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, NamedTuple, Optional

from pilot.errors import ConfigError
from pilot.realtime.address import Address, of_queue, read_address

if TYPE_CHECKING:
    from pilot.contract.queue import QueueData
    from pilot.job import LogStream
    from pilot.settings.realtime import Realtime


class Wish(NamedTuple):
    """A job's lines go to this address, those of these files in its directory."""

    address: Address
    files: tuple[str, ...]


def choose(settings: Realtime, queue: QueueData, asked: Optional[LogStream], *, debug: bool) -> Optional[Wish]:
    """Answer what is to be sent where; ``None``: nothing.

    A plugin's answer (``asked``) counts more than the queue's, and that more than the settings'.

    Raises:
        ConfigError: what was chosen is no address, or no file in a job's directory.
    """
    named, files = of_queue(queue.catchall)
    wanted = settings.use or named is not None or asked is not None or (settings.debug and debug)
    text, where = _first(
        (asked.server if asked else "", "the plugin's answer to realtime_logging"),
        (named or "", f"queue {queue.name}: catchall: logging"),
        (settings.server, "realtime.server"),
    )
    if not wanted or not text:
        return None
    address = read_address(text, where)
    if address.kind == "file" and where != "realtime.server":
        raise ConfigError(f"{where}: {text!r}: only the settings may name a file")
    chosen = (asked.files if asked else ()) or files or settings.files
    for name in chosen:
        if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts or not name.strip():
            raise ConfigError(f"{name!r}: a file in the job's directory is expected, such as payload.stdout")
    return Wish(address, tuple(dict.fromkeys(chosen)))


def _first(*said: tuple[str, str]) -> tuple[str, str]:
    return next((one for one in said if one[0]), ("", ""))


def of_job(secrets: Mapping[str, str], kind: str) -> Optional[tuple[str, str]]:
    """Answer the login and the password that the server gave with a job for this type of service."""
    login, password = secrets.get(f"{kind}_login", ""), secrets.get(f"{kind}_password", "")
    return (login, password) if password else None
