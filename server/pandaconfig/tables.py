"""The tables that people edit, each as rows of plain values: what forms, imports, history and commands all work on.

A queue's row has its columns, and ``data``: the JSON beside them. Times are texts (ISO 8601, UTC).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any

from django.db import models
from django.db.models import Max

from server.pandaconfig import router
from server.pandaconfig.models import (
    Cloudconfig,
    GlobalShare,
    PandaUser,
    Schedconfig,
    SchedconfigJson,
    Siteaccess,
    StorageEndpoint,
    UserLimits,
)

Row = dict[str, Any]
Key = str | int

#: What a table keeps of itself: no change of a row.
_KEPT_BY_ITSELF = frozenset({"lastmod", "modtime", "last_update"})


@dataclass(frozen=True)
class Table:
    """One table.

    ``known_by`` are the columns by which people know a row; its key is the first of them, or a number that the table
    gives.
    """

    name: str
    words: str
    model: type[models.Model]
    known_by: tuple[str, ...]
    beside: bool = False  # whether a JSON belongs to each row
    hidden: frozenset[str] = field(default_factory=frozenset)  # columns that are of no use in an import

    @property
    def key(self) -> str:
        """The column of its key."""
        return str(self.model._meta.pk.name)

    @property
    def is_numbered(self) -> bool:
        """Whether the table gives its rows their keys."""
        return self.key not in self.known_by

    @property
    def alias(self) -> str:
        """The database that has it."""
        return router.alias() if self.model._meta.model_name in router.PANDAS else "default"

    @cached_property
    def fields(self) -> dict[str, Any]:
        """Its columns by name, without the number of a row and what the table keeps of itself."""
        return {
            one.name: one
            for one in self.model._meta.concrete_fields
            if one.name not in _KEPT_BY_ITSELF and not (self.is_numbered and one.primary_key)
        }

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of what a row has: the columns, and ``data`` where a JSON belongs to it."""
        return (*self.fields, *(("data",) if self.beside else ()))

    def key_from(self, said: Any) -> Key:
        """Read a key that was written down as text, or that an older database has as a decimal number."""
        return int(said) if self.is_numbered else str(said)

    def fresh(self) -> Row:
        """Answer a row that says nothing yet."""
        row = {name: plain(one.get_default()) for name, one in self.fields.items()}
        return {**row, "data": {}} if self.beside else row

    def read(self, key: Key, *, lock: bool = False) -> Row | None:
        """Answer a row; nothing when there is none. A lock is held until the transaction ends."""
        rows = self.model._default_manager.filter(pk=key)
        found = (rows.select_for_update() if lock else rows).values(*self.fields).first()
        return None if found is None else self._whole(found, self._json([key]).get(str(key), {}))

    def read_many(self, keys: Iterable[Key] | None = None) -> dict[Key, Row]:
        """Answer rows by their keys; all of them when left out. Two queries, however many there are."""
        rows = self.model._default_manager.order_by()
        chosen: list[Any] | None = None if keys is None else list(keys)
        rows = rows if chosen is None else rows.filter(pk__in=chosen)
        beside = self._json(chosen)
        found = rows.values("pk", *self.fields).iterator(2000)
        return {row.pop("pk"): self._whole(row, {}) | self._data(row, beside) for row in found}

    def _data(self, row: Row, beside: Mapping[str, Any]) -> Row:
        return {"data": beside.get(str(row[self.key]), {})} if self.beside else {}

    def _whole(self, row: Mapping[str, Any], beside: Any) -> Row:
        found = {name: plain(row[name]) for name in self.fields}
        return {**found, "data": beside} if self.beside else found

    def _json(self, keys: list[Any] | None) -> dict[str, Any]:
        if not self.beside:
            return {}
        rows = SchedconfigJson.objects.order_by()
        return dict((rows if keys is None else rows.filter(pk__in=keys)).values_list("panda_queue_id", "data"))

    def named(self, row: Mapping[str, Any]) -> str:
        """Answer a row as people know it."""
        return " / ".join(str(row.get(name, "")) for name in self.known_by if row.get(name))

    def find(self, row: Mapping[str, Any]) -> Key | None:
        """Answer the key of the row that is known by the same."""
        wanted = {name: row.get(name) or self.fields[name].get_default() for name in self.known_by}
        keys = self.model._default_manager.filter(**wanted).order_by().values_list("pk", flat=True)[:1]
        return next((self.key_from(key) for key in keys), None)

    def numbers(self) -> dict[tuple[Any, ...], Key]:
        """Answer the keys of all rows by what people know them by."""
        rows = self.model._default_manager.order_by().values_list("pk", *self.known_by).iterator(2000)
        return {tuple(known): self.key_from(key) for key, *known in rows}

    def store(self, key: Key | None, row: Mapping[str, Any]) -> Key:
        """Write a row; answer its key. A row without a key is a new one."""
        values = {name: self.fields[name].to_python(row[name]) for name in self.fields}
        made = self.model(**values)
        if self.is_numbered:
            made.pk = key if key is not None else self._next_number()
        made.save(force_insert=key is None)  # so that of two people who add the same row neither takes the other's
        if self.beside:
            SchedconfigJson.objects.update_or_create(pk=made.pk, defaults={"data": row["data"]})
        return made.pk  # type: ignore[no-any-return]

    def _next_number(self) -> int | None:
        """Answer a new row's number: an existing PanDA gives them by triggers, which not each database of it has."""
        if self.alias == "default":
            return None
        return int(self.model._default_manager.aggregate(last=Max("pk"))["last"] or 0) + 1

    def delete(self, key: Any) -> None:
        """Delete a row, with the JSON beside it."""
        if self.beside:
            SchedconfigJson.objects.filter(pk=key).delete()
        self.model._default_manager.filter(pk=key).delete()


def plain(value: Any) -> Any:
    """Answer a value as JSON has it."""
    return value.isoformat() if isinstance(value, datetime) else value


SCHEDCONFIG = Table("schedconfig", "queue", Schedconfig, ("nickname",), beside=True)
CLOUDCONFIG = Table("cloudconfig", "cloud", Cloudconfig, ("name",), hidden=frozenset({"moduser"}))
SITEACCESS = Table("siteaccess", "site access", Siteaccess, ("dn", "pandasite"))
USERS = Table("users", "user", PandaUser, ("name", "vo"), hidden=frozenset({"pagecache", "cachetime"}))
STORAGES = Table("storages", "storage", StorageEndpoint, ("name",))
SHARES = Table("shares", "share", GlobalShare, ("name",))
LIMITS = Table("limits", "limits of a user", UserLimits, ("name",))

#: All of them, by name.
TABLES: Mapping[str, Table] = {
    one.name: one for one in (SCHEDCONFIG, CLOUDCONFIG, SITEACCESS, USERS, STORAGES, SHARES, LIMITS)
}


def table_of(model: type[models.Model]) -> Table:
    """Answer the table of a model."""
    return next(one for one in TABLES.values() if one.model is model)
