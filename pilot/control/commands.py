"""The server's commands on a job, as they come in its answers to reports. Pure."""

from __future__ import annotations

import shlex
from typing import Any, Optional

from pilot.contract.messages import LOOKS, Command
from pilot.contract.named import NamedTuple


class Commands(NamedTuple):
    """What is wanted done with a job. ``debug`` is ``None`` when it stays as it is.

    ``show`` holds what is to be looked at, as argument lists; ``unknown`` what nobody here understands.
    """

    kill: bool = False
    soft_kill: bool = False
    debug: Optional[bool] = None
    keep: bool = False
    show: tuple[tuple[str, ...], ...] = ()
    unknown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return self != Commands()


def read_commands(text: str) -> Commands:
    """Read a command, or several with commas between them; of two that contradict each other the later counts.

    A word with a blank in it is something to be looked at (``tail payload.stdout``).
    """
    found = Commands()
    for word in (part.strip() for part in text.split(",")):
        found = _add(found, word)
    return found


def _add(found: Commands, word: str) -> Commands:
    changes = _CHANGES.get(word)
    if changes is not None:
        return found._replace(**changes)
    if word not in LOOKS and " " not in word:
        return found._replace(unknown=(*found.unknown, word))
    try:
        return found._replace(show=(*found.show, tuple(shlex.split(word))))
    except ValueError:  # a quotation that does not end
        return found._replace(unknown=(*found.unknown, word))


_CHANGES: dict[str, dict[str, Any]] = {
    "": {},
    Command.NONE.value: {},
    Command.KILL.value: {"kill": True},
    Command.SOFT_KILL.value: {"soft_kill": True},
    Command.DEBUG.value: {"debug": True},
    Command.DEBUG_OFF.value: {"debug": False},
    Command.NO_CLEANUP.value: {"keep": True},
}
