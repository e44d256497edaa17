"""What tasks have of queues."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q

from server.lib.uses import MOST, Use
from server.production.models import Task


def uses(table: str, keys: list[str]) -> Iterator[Use]:
    if table == "schedconfig":
        tasks = Task.objects.filter(Q(queue__in=keys) | Q(merging_queue__in=keys)).order_by()
        yield Use("tasks whose jobs go there", tasks[: MOST + 1].count())
