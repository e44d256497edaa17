"""Which notices a channel gets, and what stands in the mail or the call that carries them. No tables here."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any

#: Notices of which a mail or a call holds the words; of more it says how many.
MOST_SHOWN = 50
#: Characters of a mail's subject.
LONGEST_SUBJECT = 150


@dataclass(frozen=True)
class Said:
    """One notice as it is told."""

    event: str
    key: str
    subject: str
    text: str
    at: datetime
    path: str = ""


def is_wanted(about: Mapping[str, str], patterns: Mapping[str, str]) -> bool:
    """Say whether a notice is one that a channel has chosen: each pattern that is given must fit.

    A pattern is words with ``*`` and ``?``, and several with commas between; what a notice says nothing about fits.
    """
    return all(
        name not in about or any(fnmatchcase(about[name], one.strip()) for one in pattern.split(","))
        for name, pattern in patterns.items()
        if pattern.strip()
    )


def subject_of(said: Sequence[Said]) -> str:
    """Write one line for all of them; nothing in it can become a second header."""
    first = " ".join(said[0].subject.split())
    more = f" (and {len(said) - 1} more)" if len(said) > 1 else ""
    return f"[COMPASS] {first[: LONGEST_SUBJECT - len(more) - 10]}{more}"


def mail_of(said: Sequence[Said], url: str) -> str:
    """Write the mail's text: what happened, when, and where to look."""
    parts = []
    for one in said[:MOST_SHOWN]:
        lines = [one.subject, f"{one.at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC, {one.event}", one.text.strip()]
        if url and one.path:
            lines.append(url.rstrip("/") + one.path)
        parts.append("\n".join(line for line in lines if line))
    if len(said) > MOST_SHOWN:
        parts.append(f"... and {len(said) - MOST_SHOWN} more.")
    return "\n\n".join(parts) + "\n\n-- \nYou chose to be told of this; see Notifications on COMPASS Pilot's pages.\n"


def body_of(delivery: str, said: Sequence[Said], url: str) -> bytes:
    """Write the JSON that a webhook gets; ``delivery`` is the same when it is sent again."""
    notices: list[dict[str, Any]] = [
        {
            "event": one.event,
            "key": one.key,
            "subject": one.subject,
            "text": one.text,
            "at": one.at.astimezone(UTC).isoformat(),
            "url": url.rstrip("/") + one.path if url and one.path else None,
        }
        for one in said[:MOST_SHOWN]
    ]
    # "text" alone is what chat programs show.
    words = {"delivery": delivery, "text": subject_of(said), "count": len(said), "notices": notices}
    return json.dumps(words).encode()


def signature_of(secret: str, moment: int, body: bytes) -> str:
    """Sign a call: HMAC-SHA256 of the time in seconds since 1970, a dot and the body."""
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"
