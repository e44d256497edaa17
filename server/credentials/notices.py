"""What people may be told of credentials."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from server.credentials.queries import WELL, standings
from server.notify.registry import Notice, event


@event("credential.expiring", needs="credentials.view_credential")
def credential_expiring(since: datetime, now: datetime) -> Iterator[Notice]:
    """A credential ends soon, has ended, or cannot be renewed; again each day while it is so."""
    for name, (word, left) in standings(now).items():
        if word in WELL:
            continue
        if left is None:
            ends = "it has no end that is known"
        else:
            ends = f"it has {left / 3600:.1f} hours left" if left > 0 else "it has ended"
        subject = f"Credential {name}: {word.value}"
        yield Notice(f"{name}:{word.value}:{now:%Y-%m-%d}", subject, ends, now, path="/admin/credentials/credential/")
