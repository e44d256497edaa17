"""What the data service has of storages."""

from __future__ import annotations

from collections.abc import Iterator

from server.dataservice.models import Lane
from server.lib.uses import Use


def uses(table: str, keys: list[str]) -> Iterator[Use]:
    if table == "storages":
        # Copies of files are millions, and no index leads to those of one storage.
        yield Use("lanes of transfers to it", Lane.objects.filter(endpoint__in=keys).count())
