"""One record of the log as the incident log takes it: what makes it alike to others, and what is kept of it."""

from __future__ import annotations

import hashlib
import logging
import re
import traceback
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from server.incidents.queries import slot_of
from server.lib.logs import known, masked
from server.lib.texts import storable

#: Characters of a sample that are kept: its head, where it began, and its tail, where it broke.
HEAD, TAIL = 4000, 8000
#: Frames of a traceback.
FRAMES = 40

#: The folder that the parts of the product lie in.
_ROOT = Path(__file__).parents[2]
_FILLED_IN = re.compile(r"%(?:\(\w+\))?[-#0 +]*[\d.*]*[a-zA-Z]")
_DIFFERS = re.compile(r"'[^']*'|\"[^\"]*\"|/[^\s:,;]*/[^\s:,;]*|0x[0-9a-fA-F]+|\b[0-9a-fA-F-]{16,}\b|\d+(?:[.:]\d+)*")


@dataclass(frozen=True)
class Sighting:
    """What was seen once, or ``times`` times within ten minutes; ``latest`` is the moment of the last."""

    app: str
    logger: str
    level: int
    words: str
    exception: str
    place: str
    sample: str
    first: datetime
    latest: datetime
    times: int = 1
    about: Mapping[str, str] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return digest(self.logger, self.words, self.exception, self.place)


def digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()[:32]


def sighting_of(record: logging.LogRecord) -> Sighting:
    """Take from a record what the incident log keeps of it; whatever its arguments are, it is bounded."""
    at = datetime.fromtimestamp(record.created, UTC)
    error = record.exc_info[1] if record.exc_info else None
    about = known()
    return Sighting(
        app=_cut(app_of(record.name, str(about.get("service", ""))), 40),
        logger=_cut(record.name, 120),
        level=logging.CRITICAL if record.levelno >= logging.CRITICAL else record.levelno // 10 * 10,
        words=_cut(words_of(record), 300),
        exception=_cut("" if error is None else type(error).__qualname__, 120),
        place=_cut(place_of(record), 200),
        sample=sample_of(record),
        first=at,
        latest=at,
        about={_cut(name, 40): _cut(str(value), 200) for name, value in about.items()},
    )


def app_of(logger: str, service: str = "") -> str:
    """Say which part of the server a logger is of; libraries are named by their own first word.

    Where a service fails, ``service``, it is whose service it is, and not the part that runs all services.
    """
    parts = logger.split(".")
    if service and parts[:2] == ["server", "services"]:
        return service.partition(".")[0]
    return parts[1] if parts[0] == "server" and len(parts) > 1 else parts[0]


def words_of(record: logging.LogRecord) -> str:
    """Answer the words that alike records have: those before anything is filled in.

    Who fills in himself, as many libraries do, says numbers, names and paths that differ each time.
    """
    said = str(record.msg)
    if not record.args:
        said = _DIFFERS.sub("N", said)
    elif len(_FILLED_IN.sub("", said).strip(" :,.-[]()'\"")) < 4:  # a template that says nothing, as "%s: %s"
        said = _DIFFERS.sub("N", _message(record))
    return masked(" ".join(said[:2000].split()))


def place_of(record: logging.LogRecord) -> str:
    """Say in which file and function it happened: of an exception the last frame that is ours, and the last of all.

    No lines: a new version moves them, and what is alike stays alike.
    """
    if not record.exc_info or record.exc_info[2] is None:
        return f"{_short(record.pathname)}:{record.funcName}"
    frames = traceback.extract_tb(record.exc_info[2], limit=-FRAMES)
    ours = [frame for frame in frames if _is_ours(frame.filename)]
    told = dict.fromkeys(f"{_short(frame.filename)}:{frame.name}" for frame in (*ours[-1:], frames[-1]))
    return " → ".join(told)


def _is_ours(file: str) -> bool:
    return Path(file).is_relative_to(_ROOT) and "site-packages" not in file


def _short(file: str) -> str:
    path = Path(file)
    if _is_ours(file):
        return str(path.relative_to(_ROOT))
    _, found, after = file.rpartition("site-packages/")
    return after if found else "/".join(path.parts[-2:])


def sample_of(record: logging.LogRecord) -> str:
    """Write a record out, with its traceback: bounded, and without what looks like a secret."""
    lines = [f"{_message(record)}\n"]
    if record.exc_info and record.exc_info[1] is not None:
        lines += traceback.format_exception(record.exc_info[1], limit=-FRAMES)
    text = storable(masked("".join(lines).rstrip()))
    if len(text) <= HEAD + TAIL:
        return text
    left = len(text) - HEAD - TAIL
    return f"{text[:HEAD]}\n... {left} characters are left out ...\n{text[-TAIL:]}"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except (TypeError, ValueError, KeyError) as wrong:  # as the template and its arguments do not fit
        return f"{record.msg} {record.args!r}: {wrong}"


def _cut(text: str, most: int) -> str:
    text = storable(text)
    return text if len(text) <= most else f"{text[: most - 1]}…"


def fold(sightings: Iterable[Sighting]) -> list[Sighting]:
    """Make one of those that are alike and of the same ten minutes; the latest sample stays."""
    found: dict[tuple[str, datetime], Sighting] = {}
    for one in sightings:
        key = one.fingerprint, slot_of(one.first)
        before = found.pop(key, None)
        if before is not None:
            one = replace(  # noqa: PLW2901 (the same one, seen more often)
                one,
                times=before.times + one.times,
                first=min(before.first, one.first),
                latest=max(before.latest, one.latest),
                level=max(before.level, one.level),
            )
        found[key] = one
    return list(found.values())
