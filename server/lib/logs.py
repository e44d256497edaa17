"""Lines of the log: in one form for people or for programs, with what the request is about, and without secrets."""

from __future__ import annotations

import itertools
import logging
import os
import re
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

import orjson

#: What the request in hand is about: its id, and the job, attempt and identity as far as they are known.
_ABOUT: ContextVar[dict[str, object] | None] = ContextVar("about", default=None)
_NUMBERS = itertools.count(1)
_NAME = re.compile(r"[A-Za-z0-9._:-]{1,64}", re.ASCII)
_TRACE = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}", re.ASCII)
#: What begins a line, moves a terminal's cursor, or is no character; a tab does no harm.
_CONTROL = re.compile("[\0-\x08\n-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

HIDDEN = "(hidden)"
#: Tokens and passes of ours, what a bearer bears, JSON web tokens, private keys, passwords in addresses.
_SECRETS = re.compile(
    r"\bcp[sp]_[\w.-]{16,}"
    r"|(?<=[Bb]earer )[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?<=://)[^/\s:@]*:[^/\s@]+(?=@)",
    re.DOTALL,
)


def begin(name: str = "") -> str:
    """Begin a request, under the name that it came with if that is one; answer its name."""
    if not _NAME.fullmatch(name):
        name = f"{os.getpid():x}-{next(_NUMBERS):x}"
    _ABOUT.set({"request": name})
    return name


def trace_in(said: str) -> str:
    """Answer the trace that a caller names in the form of W3C's trace context; "" if this is none."""
    found = _TRACE.fullmatch(said)
    return found[1] if found and found[1].strip("0") else ""


def about(**said: object) -> None:
    """Note what the request in hand is about: it stands in all lines that follow, until the next request begins."""
    known = _ABOUT.get()
    if known is not None:
        known.update(said)


def at_work(**said: object) -> None:
    """Note what this thread works on that is no request, as a periodic service; without anything, that it is done."""
    _ABOUT.set(said)


def known() -> dict[str, object]:
    """Answer what the request, or the work, in hand is about."""
    return dict(_ABOUT.get() or {})


def masked(text: str) -> str:
    """Answer a text without what looks like a secret."""
    return _SECRETS.sub(HIDDEN, text)


def blotted(content: bytes) -> bytes:
    """Answer bytes with stars in place of what looks like a secret: as many, so that all else stays where it was."""
    text = content.decode("latin-1")
    return _SECRETS.sub(lambda found: "*" * len(found[0]), text).encode("latin-1")


class Line(logging.Formatter):
    """A line for people: time, level, logger, words, and in brackets what it is about."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s: %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 (logging's own name)
        line, known = super().formatMessage(record), _ABOUT.get()
        if known:
            line = f"{line} [{' '.join(f'{name}={value}' for name, value in known.items())}]"
        # What a caller can make up, as an address, begins no line of its own and does nothing to a terminal.
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), line)

    def format(self, record: logging.LogRecord) -> str:
        return masked(super().format(record))


class Json(logging.Formatter):
    """A line for programs: one JSON object."""

    def format(self, record: logging.LogRecord) -> str:
        said: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **(_ABOUT.get() or {}),
        }
        if record.exc_info and record.exc_info[0] is not None:
            said["exception"] = "".join(traceback.format_exception(*record.exc_info))
        return orjson.dumps({name: _plain(value) for name, value in said.items()}).decode()


def _plain(value: object) -> object:
    return value if isinstance(value, int) else masked(str(value)).encode("utf-8", "replace").decode()
