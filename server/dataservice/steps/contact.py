"""Asking a storage: what is answered, or that it was silent and since when."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

from django.db.models import F, Value
from django.db.models.functions import Coalesce

from server.dataservice.models import Contact
from server.storage.base import StorageMisconfigured, StorageUnavailable

Answer = TypeVar("Answer")

#: An answer is written down at most so often.
FRESH = timedelta(seconds=60)


class Silent(Exception):
    """A storage did not answer, or cannot be asked: nothing is known, and nothing has changed."""


def ask(endpoint: str, question: Callable[[], Answer], now: datetime) -> Answer:
    """Ask a storage, and write down whether it answered.

    Raises:
        Silent: it did not.
    """
    try:
        answer = question()
    except (StorageUnavailable, StorageMisconfigured, LookupError) as why:
        _silent(endpoint, str(why) or type(why).__name__, now)
        raise Silent(f"{endpoint}: {why}") from why
    _answered(endpoint, now)
    return answer


def _silent(endpoint: str, words: str, now: datetime) -> None:
    Contact.objects.get_or_create(endpoint=endpoint)
    rows = Contact.objects.filter(endpoint=endpoint)
    rows.update(silent_since=Coalesce(F("silent_since"), Value(now)), words=words[:500])


def _answered(endpoint: str, now: datetime) -> None:
    row, _ = Contact.objects.get_or_create(endpoint=endpoint)
    if row.silent_since is not None or row.answered is None or not row.answered <= now < row.answered + FRESH:
        Contact.objects.filter(pk=endpoint).update(answered=now, silent_since=None, words="")
