"""What tokens have of queues."""

from __future__ import annotations

from collections.abc import Iterator

from server.accounts.models import Token
from server.lib.uses import Use


def uses(table: str, keys: list[str]) -> Iterator[Use]:
    if table == "schedconfig":
        named = Token.objects.filter(revoked_at=None).exclude(queues=[]).values_list("queues", flat=True)
        yield Use("tokens for it", sum(1 for queues in named if set(queues) & set(keys)))
