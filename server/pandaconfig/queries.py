"""What is known of queues and storages."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import connections
from django.db.models import Q
from django.forms.models import model_to_dict

from pilot.contract.job import PANDA_MB
from pilot.contract.queue import QueueData
from server.pandaconfig.checks import COPYTOOLS, Known
from server.pandaconfig.merge import merge
from server.pandaconfig.models import Cloudconfig, GlobalShare, Schedconfig, StatusHold, StorageEndpoint
from server.pandaconfig.router import alias


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
    wanted = set(names)
    marks, table = ", ".join(["%s"] * len(wanted)), Schedconfig._meta.db_table
    if not wanted:
        return []
    with connections[
        alias()
    ].cursor() as cursor:  # it is asked for each call that submits, at a tenth of the ORM's time
        cursor.execute(f"SELECT nickname FROM {table} WHERE nickname IN ({marks})", list(wanted))  # noqa: S608 (ours)
        return sorted(wanted - {name for (name,) in cursor.fetchall()})


def queues_of_site(name: str) -> list[str]:
    """Answer the queues of a site, or the queue of that name."""
    return list(Schedconfig.objects.filter(Q(siteid=name) | Q(nickname=name)).values_list("nickname", flat=True))


def known() -> Known:
    """Answer what rows may name."""
    sites = Schedconfig.objects.order_by().values_list("nickname", "siteid")
    names = frozenset(name for row in sites for name in row if name)
    clouds = frozenset(Cloudconfig.objects.order_by().values_list("name", flat=True))
    further = {name.strip() for name in settings.ENVIRONMENT.copytools.split(",") if name.strip()}
    return Known(clouds, names, COPYTOOLS | further)


def groups_with_shares() -> set[str]:
    """Answer the working groups that a share names as they are."""
    return set(GlobalShare.objects.exclude(workinggroup="").values_list("workinggroup", flat=True))


def statuses() -> dict[str, str]:
    """Answer the status of every queue, by its name."""
    return dict(Schedconfig.objects.values_list("nickname", "status"))


def holds() -> dict[str, str]:
    """Answer until when, and why, queues have a status for a time, by their names."""
    rows = StatusHold.objects.values_list("queue", "status", "until", "back_to", "reason")
    return {
        queue: f"{status} until {until:%Y-%m-%d %H:%M}, then {back_to}: {reason}"
        for queue, status, until, back_to, reason in rows
    }


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


@dataclass(frozen=True)
class QueueLimits:
    """The most that a job may ask of a queue: sizes in bytes, times in seconds, 0 where nobody said.

    ``changed`` is when its description, and with it perhaps its status, was written last.
    """

    status: str
    cores: int = 0
    memory: int = 0
    walltime: int = 0
    disk: int = 0
    changed: datetime | None = None


_LIMITS = ("corecount", "maxrss", "maxtime", "maxwdir")


def limits_of_queues() -> dict[str, QueueLimits]:
    """Answer the status and the limits of every queue by its name: its columns, and its JSON where they say nothing."""
    found = {}
    rows = Schedconfig.objects.values_list("nickname", "status", "lastmod", "json__data", *_LIMITS)
    for name, status, changed, beside, *columns in rows:
        said = beside if isinstance(beside, dict) else {}
        limits = [value or _whole(said.get(key)) for key, value in zip(_LIMITS, columns, strict=True)]
        cores, memory, walltime, disk = limits
        found[name] = QueueLimits(status, cores, memory * PANDA_MB, walltime, disk * PANDA_MB, changed)
    return found


def _whole(said: Any) -> int:
    """Read a limit from the JSON, which pilots have read before as a number or a text of digits."""
    text = str(said)
    return int(text) if text.isascii() and text.isdigit() else 0
