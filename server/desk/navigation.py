"""The side bar: the tables in groups that bear the field's words. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Group:
    """Some apps under one title.

    Attributes:
        title: As it is read.
        icon: A name of the theme's icons (Material Symbols).
        apps: Labels of the apps whose tables stand here.
        first: Tables (``app.Model``) that stand before the others, in this order.
    """

    title: str
    icon: str
    apps: tuple[str, ...]
    first: tuple[str, ...] = ()


GROUPS = (
    Group(
        "Queues and storages",
        "dns",
        ("pandaconfig",),
        ("pandaconfig.Schedconfig", "pandaconfig.StorageEndpoint", "pandaconfig.Cloudconfig", "pandaconfig.Siteaccess"),
    ),
    Group(
        "People and access",
        "group",
        ("accounts", "auth", "credentials"),
        ("auth.User", "auth.Group", "accounts.Person", "accounts.Token", "credentials.Credential"),
    ),
    Group(
        "Services",
        "schedule",
        ("services", "django_celery_beat", "django_celery_results", "notify"),
        ("services.Service", "services.ServiceRun", "django_celery_beat.PeriodicTask"),
    ),
    Group("Production", "account_tree", ("production",), ("production.Task", "production.Run", "production.Chunk")),
    Group(
        "Jobs",
        "list_alt",
        ("taskbuffer", "accounting", "uploads", "dispatcher"),
        ("taskbuffer.Job", "taskbuffer.Attempt", "taskbuffer.Bucket"),
    ),
    Group("Data", "database", ("dataservice", "storage"), ("dataservice.Dataset", "dataservice.TransferRequest")),
    Group("Pilots", "flight", ("pilots", "factory", "harvester"), ("pilots.Pilot", "factory.FactoryQueue")),
    Group("Incidents", "warning", ("incidents", "trail"), ("incidents.Incident",)),
)
#: Where tables stand that no group names.
OTHERS = Group("Others", "more_horiz", ())


def groups(apps: Iterable[Mapping[str, Any]], path: str) -> list[dict[str, Any]]:
    """Sort the admin's list of apps into the groups.

    Args:
        apps: What the admin's site says a person may see (``get_app_list``).
        path: The address that is being answered: its table is marked, its group open.

    Returns:
        Groups with anything in them: ``title``, ``icon``, ``open`` and ``tables``, each of these with ``name``,
        ``address`` (empty where it may not be looked at) and ``here``.
    """
    seen = list(apps)
    home = {label: group for group in GROUPS for label in group.apps}
    found = []
    for group in (*GROUPS, OTHERS):
        own = [app for app in seen if home.get(app["app_label"], OTHERS) is group]
        tables = [_table(model, path) for model in _sorted(own, group)]
        if tables:
            found.append({
                "title": group.title,
                "icon": group.icon,
                "open": any(one["here"] for one in tables),
                "tables": tables,
            })  # fmt: skip
    return found


def _sorted(apps: Sequence[Mapping[str, Any]], group: Group) -> list[Mapping[str, Any]]:
    models = [(f"{app['app_label']}.{model['object_name']}", model) for app in apps for model in app["models"]]
    place = {label: number for number, label in enumerate(group.first)}
    ordered = sorted(models, key=lambda one: (place.get(one[0], len(place)), str(one[1]["name"]).lower()))
    return [model for _, model in ordered]


def _table(model: Mapping[str, Any], path: str) -> dict[str, Any]:
    address = str(model.get("admin_url") or "")
    name = str(model["name"])
    return {"name": name[:1].upper() + name[1:], "address": address, "here": bool(address) and path.startswith(address)}
