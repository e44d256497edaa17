"""The tables over HTTP, in PanDA's envelope: what scripts and ``compass admin`` read and change them by."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER, NUMBER, OBJECT, TEXT, TRUTH, ContractError
from server.accounts.rules import READERS, Identity, NotAllowed, Role, allow
from server.lib.arguments import Argument, described
from server.lib.calls import Fields, body, query, taken
from server.lib.uses import uses_of
from server.pandaconfig import logic
from server.pandaconfig.logic import Author
from server.pandaconfig.models import Change
from server.pandaconfig.readable import Refused
from server.pandaconfig.tables import SCHEDCONFIG, TABLES, Key, Table
from server.pandaconfig.transfer.planning import Kind, carry_out, plan
from server.pandaconfig.transfer.reading import Unreadable, read

#: Rows of one answer, and queues of one order.
MOST = 1000

_TABLE = Argument("table", TEXT, f"One of {', '.join(TABLES)}.")
_KEY = Argument("key", TEXT, "The row's name, or its number in siteaccess and users.")
_REASON = Argument("reason", TEXT, "Why, for the history.", "")


def _table(fields: Fields) -> Table:
    found = TABLES.get(fields["table"])
    if found is None:
        raise ContractError(f"table: {fields['table']!r} is none; there are {', '.join(TABLES)}", field_name="table")
    return found


def _key(table: Table, text: str) -> Key:
    try:
        return table.key_from(text)
    except ValueError:
        raise ContractError(f"key: {text!r} is no number, by which {table.name} knows its rows") from None


def _author(identity: Identity, reason: str, way: Change.Way = Change.Way.PROGRAM) -> Author:
    return Author(identity.person or identity.name, way, reason)


_ROWS = (_TABLE, Argument("after", TEXT, "Rows behind that key alone; where the answer before ended.", ""))


@described("GET", takes=_ROWS)
@allow(*READERS)
@require_safe
@taken(_ROWS, query)
def get_rows(fields: Fields, identity: Identity) -> Any:
    """Answer the rows of a table in the order of their keys, up to 1000 at a time; ``next`` is where to go on."""
    table = _table(fields)
    rows = table.model._default_manager.order_by("pk")
    if fields["after"]:
        rows = rows.filter(pk__gt=_key(table, fields["after"]))
    keys = list(rows.values_list("pk", flat=True)[: MOST + 1])
    found = table.read_many(keys[:MOST])
    shown = [{"key": str(key), "row": found[key]} for key in keys[:MOST] if key in found]
    return {"rows": shown, "next": str(keys[MOST - 1]) if len(keys) > MOST else ""}


@described("GET", takes=(_TABLE, _KEY))
@allow(*READERS)
@require_safe
@taken((_TABLE, _KEY), query)
def get_row(fields: Fields, identity: Identity) -> Any:
    """Answer one row, what uses it, and its latest changes."""
    table = _table(fields)
    key = _key(table, fields["key"])
    row = table.read(key)
    changes = [_shown(one) for one in Change.objects.filter(table=table.name, key=str(key))[:20]]
    if row is None and not changes:
        raise ContractError(f"key: {fields['key']!r} is no {table.words}", field_name="key")
    used = [] if row is None else uses_of(table.name, [str(key)])
    return {"row": row, "uses": [{"what": one.what, "count": one.count} for one in used], "changes": changes}


def _shown(change: Change) -> dict[str, Any]:
    said = {name: getattr(change, name) for name in ("table", "key", "label", "person", "way", "reason")}
    both = {"before": change.before, "after": change.after, "batch": change.batch}
    return {"number": change.pk, "at": change.at.isoformat(), **said, **both}


_WRITE = (
    _TABLE,
    Argument("values", OBJECT, "Columns and what they shall say; those that are left out stay."),
    Argument("key", TEXT, "The row's key; without one, the row that is known by the same, or a new one.", ""),
    _REASON,
)


@described("POST", takes=_WRITE)
@csrf_exempt
@allow(Role.SITE_ADMIN)
@taken(_WRITE, body)
def write_row(fields: Fields, identity: Identity) -> Any:
    """Make or change a row; answer the change, nothing where it says all of it already."""
    table = _table(fields)
    key = _key(table, fields["key"]) if fields["key"] else None
    _refuse_others(identity, table, [str(key or fields["values"].get(table.key, ""))], new=key is None)
    _refuse_other_site(identity, table, key, fields["values"])
    try:
        change = logic.write(table, key, fields["values"], _author(identity, fields["reason"]))
    except Refused as refused:
        raise ContractError(str(refused)) from refused
    return None if change is None else _shown(change)


_DELETE = (_TABLE, _KEY, _REASON)


@described("POST", takes=_DELETE)
@csrf_exempt
@allow()
@taken(_DELETE, body)
def delete_row(fields: Fields, identity: Identity) -> Any:
    """Delete a row; it comes back by undoing that."""
    table = _table(fields)
    change = logic.remove(table, _key(table, fields["key"]), _author(identity, fields["reason"]))
    if change is None:
        raise ContractError(f"key: {fields['key']!r} is no {table.words}", field_name="key")
    return _shown(change)


_STATUS = (
    Argument("queues", TEXT, "Their names.", most=MOST),
    Argument("status", TEXT, "online, offline, test, brokeroff, standby or paused."),
    Argument("reason", TEXT, "Why; everybody who wonders reads it."),
    Argument("hours", NUMBER, "After so many each gets back what it has now; never when left out.", None),
)


@described("POST", takes=_STATUS)
@csrf_exempt
@allow(Role.SITE_ADMIN)
@taken(_STATUS, body)
def set_status(fields: Fields, identity: Identity) -> Any:
    """Set the status of queues, for good or for a time; answer which were left alone, and why."""
    _refuse_others(identity, SCHEDCONFIG, fields["queues"])
    hours = fields["hours"]
    if hours is not None and not 0 < hours <= 24 * 366:
        raise ContractError(f"hours: {hours:g} is not between 0 and {24 * 366}", field_name="hours")
    until = None if hours is None else timezone.now() + timedelta(hours=hours)
    author = _author(identity, fields["reason"], Change.Way.COMMAND)
    try:
        left = logic.set_status(fields["queues"], fields["status"], author, until=until)
    except Refused as refused:
        raise ContractError(str(refused)) from refused
    done = sorted(set(fields["queues"]) - set(left))
    return {"set": done, "left": left, "until": None if until is None else until.isoformat()}


_UNDO = (Argument("number", INTEGER, "The change's number."), _REASON)


@described("POST", takes=_UNDO)
@csrf_exempt
@allow()
@taken(_UNDO, body)
def undo(fields: Fields, identity: Identity) -> Any:
    """Undo one change; answer what that changed."""
    try:
        change = logic.undo(fields["number"], _author(identity, fields["reason"]))
    except Refused as refused:
        raise ContractError(str(refused)) from refused
    return None if change is None else _shown(change)


_IMPORT = (
    _TABLE,
    Argument("text", TEXT, "The file: CSV with a line of names, or JSON as exported here or by CRIC."),
    Argument("digest", TEXT, "Of the plan that is to be written; without one it is only shown.", ""),
    Argument("make_clouds", TRUTH, "Whether clouds that queues name, and that there are not, are made.", False),
    _REASON,
)


@described("POST", takes=_IMPORT)
@csrf_exempt
@allow()
@taken(_IMPORT, body)
def import_rows(fields: Fields, identity: Identity) -> Any:
    """Show what a file of rows would change; write it when the digest of that is sent along, all or nothing."""
    table = _table(fields)
    try:
        planned = plan(table, read(table, fields["text"]), make_clouds=fields["make_clouds"])
        if fields["digest"] and fields["digest"] != planned.digest:
            raise ContractError("digest: this is not what was looked at; look at the plan again", field_name="digest")
        batch = ""
        if fields["digest"]:
            batch = carry_out(planned, _author(identity, fields["reason"], Change.Way.IMPORT))
    except (Unreadable, Refused) as wrong:
        raise ContractError(str(wrong)) from wrong
    rows = [
        {"where": one.where, "name": one.name, "kind": one.kind.value, "differences": one.differences,
         "errors": one.errors} for one in planned.rows if one.kind is not Kind.SAME
    ]  # fmt: skip
    counts = {kind.value: planned.count(kind) for kind in Kind}
    return {"digest": planned.digest, "counts": counts, "clouds": planned.clouds, "rows": rows, "batch": batch}


def _refuse_others(identity: Identity, table: Table, keys: list[str], *, new: bool = False) -> None:
    """Refuse a site's administrator what is not about its queues.

    Raises:
        NotAllowed: it is another's.
    """
    if identity.role is not Role.SITE_ADMIN:
        return
    mine = ", ".join(sorted(identity.queues)) or "none"
    if table is not SCHEDCONFIG or new or not set(keys) <= identity.queues:
        raise NotAllowed(f"you may change your own queues alone ({mine}); ask an administrator of the server")


def _refuse_other_site(identity: Identity, table: Table, key: Key | None, values: Any) -> None:
    """Refuse a site's administrator to move a queue to another site, as its form does.

    Raises:
        NotAllowed: the queue would leave its site.
    """
    if identity.role is not Role.SITE_ADMIN or "siteid" not in values or key is None:
        return
    row = table.read(key)
    if row is not None and values["siteid"] != row["siteid"]:
        raise NotAllowed(
            f"siteid: {key} is a queue of {row['siteid'] or key} and stays; ask an administrator of the server"
        )
