"""Asking a storage: what is answered, or that it was silent and since when."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, TypeVar

from django.db import DatabaseError
from django.db.models import Case, F, IntegerField, Value, When
from django.db.models.functions import Coalesce

from server.dataservice.models import Contact
from server.storage.base import StorageMisconfigured, StorageUnavailable

log = logging.getLogger(__name__)

Answer = TypeVar("Answer")

#: An answer is written down at most so often.
FRESH = timedelta(seconds=60)


class Silent(Exception):
    """A storage did not answer, or cannot be asked: nothing is known, and nothing has changed."""


def ask(endpoint: str, question: Callable[[], Answer], now: datetime) -> Answer:
    """Ask a storage, and write down whether it answered. Opening it belongs into the question: that is no answer yet.

    Raises:
        Silent: it did not, or its plugin failed: what is wrong with one storage must not stop the others.
    """
    try:
        answer = question()
    except (StorageUnavailable, StorageMisconfigured, LookupError) as why:
        _silent(endpoint, str(why) or type(why).__name__, now)
        raise Silent(f"{endpoint}: {why}") from why
    except DatabaseError:  # ours, and no word of the storage's
        raise
    except Exception as why:
        log.exception("the plugin of storage %s failed", endpoint)
        _silent(endpoint, f"its plugin failed: {type(why).__name__}: {why}", now)
        raise Silent(f"{endpoint}: {why}") from why
    _answered(endpoint, now)
    return answer


def checked(answer: Mapping[str, Answer], *kinds: type) -> Mapping[str, Answer]:
    """Answer what a storage said of files, if it is of these kinds.

    Raises:
        StorageUnavailable: it is something else.
    """
    said: Any = answer
    if not isinstance(said, Mapping) or not all(isinstance(one, kinds) for one in said.values()):
        raise StorageUnavailable(f"it answers nonsense: {str(said)[:200]}")
    return answer


def silent_before() -> set[str]:
    """Answer the storages that were silent when they were last asked."""
    return set(Contact.objects.filter(silent_since__isnull=False).values_list("endpoint", flat=True))


def silent_last() -> list[Case]:
    """Order rows with an endpoint: those of storages that were silent last time come last. By nothing when none was.

    Of a choice among no storages Django makes a constant, by which most databases do not order.
    """
    silent = silent_before()
    if not silent:
        return []
    return [Case(When(endpoint__in=silent, then=Value(1)), default=Value(0), output_field=IntegerField())]


def _silent(endpoint: str, words: str, now: datetime) -> None:
    Contact.objects.get_or_create(endpoint=endpoint)
    rows = Contact.objects.filter(endpoint=endpoint)
    rows.update(silent_since=Coalesce(F("silent_since"), Value(now)), words=words[:500])


def _answered(endpoint: str, now: datetime) -> None:
    row, _ = Contact.objects.get_or_create(endpoint=endpoint)
    if row.silent_since is not None or row.answered is None or not row.answered <= now < row.answered + FRESH:
        Contact.objects.filter(pk=endpoint).update(answered=now, silent_since=None, words="")
