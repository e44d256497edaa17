"""What queues and storages have of clouds, sites and storages."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Q

from server.lib.uses import Use
from server.pandaconfig.models import GlobalShare, Schedconfig, SchedconfigJson, Siteaccess


def uses(table: str, keys: list[str]) -> Iterator[Use]:
    if table == "cloudconfig":
        yield Use("queues of the cloud", Schedconfig.objects.filter(cloud__in=keys).count())
    elif table == "schedconfig":
        sites = [*keys, *Schedconfig.objects.filter(pk__in=keys).exclude(siteid="").values_list("siteid", flat=True)]
        yield Use("people with access to the site", Siteaccess.objects.filter(pandasite__in=sites).count())
    elif table == "shares":
        yield Use("shares that are parts of it", GlobalShare.objects.filter(Q(parent__in=keys)).count())
    elif table == "storages":
        yield Use("queues that name the storage", sum(1 for data in _of_queues() if _names(data) & set(keys)))


def _of_queues() -> Iterator[object]:
    yield from SchedconfigJson.objects.order_by().values_list("data", flat=True).iterator(500)


def _names(data: object) -> set[str]:
    storages = data.get("astorages") if isinstance(data, dict) else None
    lists = storages.values() if isinstance(storages, dict) else ()
    return {str(name) for names in lists if isinstance(names, list) for name in names}
