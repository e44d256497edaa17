"""Chirp: how a job of HTCondor writes into its own ClassAd, through the starter that runs it. No program is needed.

The starter leaves a file with its address and a cookie. A line is sent for each attribute, and answered with a number:
0, or a negative one for a refusal. HTCondor's manual, "Chirp"; the protocol is that of its ``condor_chirp``.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple, Union

#: The variable of a job's environment in which the starter names its file.
CONFIG = "_CONDOR_CHIRP_CONFIG"
#: Names that begin so may be set on any pool; others only in jobs with ``want_io_proxy = true`` in their submit file.
DELAYED = "Chirp"
#: The longest line that is sent, in bytes as it is sent: a starter refuses those of more than 1024.
LONGEST = 1000
_ANSWER, _MOMENT = 256, 0.001

Value = Union[int, str]


class Refused(Exception):
    """The starter has said no, or what cannot be understood."""


class Door(NamedTuple):
    """Where a starter listens, and the cookie by which it knows its job."""

    host: str
    port: int
    cookie: str


def read(path: str) -> Door:
    """Read a starter's file.

    Raises:
        OSError: it cannot be read.
        Refused: it holds something else.
    """
    words = Path(path).read_text(encoding="utf-8", errors="replace").split()
    if len(words) != 3 or not words[1].isdigit():
        raise Refused(f"{path} does not hold host, port and cookie")
    return Door(words[0], int(words[1]), words[2])


def set_attributes(door: Door, attributes: Mapping[str, Value], seconds: float) -> bool:
    """Write attributes into the job's ClassAd.

    Where a job may not do so at once, they get there with the starter's next update, under names that begin with
    ``Chirp``.

    Args:
        door: The starter's.
        attributes: Numbers and texts by name.
        seconds: The time for all of it.

    Returns:
        Whether they were written at once, under their own names.

    Raises:
        OSError: the starter is not there, or does not answer in time.
        Refused: it takes them in neither way.
    """
    until = time.monotonic() + seconds
    with socket.create_connection((door.host, door.port), timeout=seconds) as line:
        if _say(line, until, "cookie", door.cookie) != 0:
            raise Refused("the starter does not know its own cookie")
        at_once = True
        for name, value in attributes.items():
            written = _written(value, LONGEST - len(f"set_job_attr_delayed {DELAYED}{name} "))
            at_once = at_once and _say(line, until, "set_job_attr", name, written) == 0
            if at_once:
                continue
            if (answer := _say(line, until, "set_job_attr_delayed", DELAYED + name, written)) != 0:
                raise Refused(f"the starter answered {answer} to {DELAYED}{name}")
        return at_once


def _written(value: Value, most: int = LONGEST) -> str:
    """Write a value as ClassAds have it; a text without what would end it, and cut so that it fits in so many bytes."""
    if isinstance(value, int):
        return str(value)
    plain = "".join(letter if letter.isprintable() else " " for letter in value[:most])
    while len(_marked(written := '"' + plain.replace("\\", "\\\\").replace('"', '\\"') + '"').encode()) > most:
        plain = plain[:-1]
    return written


def _marked(word: str) -> str:
    return word.replace("\\", "\\\\").replace(" ", "\\ ")


def _say(line: socket.socket, until: float, *words: str) -> int:
    """Send a command, blanks within its words marked, and hear the answer."""
    line.settimeout(max(_MOMENT, until - time.monotonic()))
    line.sendall((" ".join(map(_marked, words)) + "\n").encode())
    heard = b""
    while not heard.endswith(b"\n"):
        line.settimeout(max(_MOMENT, until - time.monotonic()))
        more = line.recv(_ANSWER)
        heard += more
        if not more or len(heard) > _ANSWER:
            raise Refused(f"the starter's answer has no end: {heard[:80]!r}")
    try:
        return int(heard)
    except ValueError:
        raise Refused(f"the starter answered {heard!r}") from None
