"""What is known of queues and storages."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from django.forms.models import model_to_dict

from pilot.contract.queue import QueueData
from server.pandaconfig.merge import merge
from server.pandaconfig.models import Schedconfig, StorageEndpoint


class UnknownQueue(LookupError):
    """There is no such queue."""

    def __init__(self, name: str) -> None:
        super().__init__(f"queue {name!r} is not known here; the admin's page Queues lists them all")


def queue_json(name: str) -> dict[str, Any]:
    """Answer a queue's description as pilots are sent it.

    Raises:
        UnknownQueue: there is none of that name.
    """
    row = Schedconfig.objects.select_related("json").filter(pk=name).first()
    if row is None:
        raise UnknownQueue(name)
    return merge(row.nickname, model_to_dict(row), row.json.data if hasattr(row, "json") else {})


def queue(name: str) -> QueueData:
    """Answer what schedconfig says of a queue.

    Raises:
        UnknownQueue: there is none of that name.
    """
    return QueueData.from_wire(queue_json(name))


def queue_names() -> list[str]:
    return list(Schedconfig.objects.values_list("nickname", flat=True))


def unknown_queues(names: Collection[str]) -> list[str]:
    """Answer those of these names that are no queue's."""
    known = Schedconfig.objects.filter(pk__in=set(names)).values_list("nickname", flat=True)
    return sorted(set(names) - set(known))


def statuses() -> dict[str, str]:
    """Answer the status of every queue, by its name."""
    return dict(Schedconfig.objects.values_list("nickname", "status"))


def queue_status(name: str) -> str:
    """Answer a queue's status (``online``, ``test`` ...).

    Raises:
        UnknownQueue: there is none of that name.
    """
    found = Schedconfig.objects.filter(pk=name).values_list("status", flat=True).first()
    if found is None:
        raise UnknownQueue(name)
    return str(found)


def storages_json() -> dict[str, Any]:
    """Answer all storages as ``ddmendpoints.json`` holds them."""
    return dict(StorageEndpoint.objects.values_list("name", "data"))
