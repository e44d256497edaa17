"""What ``compass-server check`` says of the keys for sealing, and of credentials that somebody has to look at."""

from __future__ import annotations

from collections.abc import Iterator

from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.db import DatabaseError
from django.utils import timezone

from server.credentials import queries
from server.credentials.keyring import NAME, KeysMissing, keyring
from server.credentials.logic import keys
from server.credentials.standing import WELL


def look() -> Iterator[CheckMessage]:
    """Look at the keys, at what they open, and at how credentials stand."""
    try:
        found = keyring()
    except KeysMissing as missing:
        yield Error(f"credentials and secrets cannot be sealed or opened: {missing}", id="compass.E050")
        return
    try:
        lost, standings = keys.unopened(found), queries.standings(timezone.now())
    except DatabaseError:
        return  # what is wrong with it is another finding
    if lost:
        words = f"{lost} credentials and secrets were sealed with a key that is not in {NAME}"
        yield Caution(words, hint="Put the file back as it was, or enter them anew.", id="compass.W050")
    for name, (word, _) in standings.items():
        if word not in WELL:
            yield Caution(f"the credential {name}: {word.value}; see Credentials in the admin", id="compass.W051")
