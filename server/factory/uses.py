"""What the factory has of queues."""

from __future__ import annotations

from collections.abc import Iterator

from django.urls import reverse

from server.factory.models import FactoryQueue
from server.lib.uses import Use


def uses(table: str, keys: list[str]) -> Iterator[Use]:
    if table == "schedconfig":
        served, page = FactoryQueue.objects.filter(queue__in=keys), reverse("admin:factory_factoryqueue_changelist")
        yield Use("queues that the factory sends pilots to", served.count(), page)
