"""Sites, types, templates and releases from a file: what each row would become, and what it lacks; then written."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from enum import Enum
from pathlib import Path
from typing import Any

from django.contrib.admin.models import ADDITION, CHANGE, LogEntry
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models, transaction
from django.forms.models import model_to_dict

from pilot.contract.codec import shown, shown_name
from server.production.reference.forms import CheckedForm, KindForm, ReleaseForm, SiteForm, TemplateForm
from server.production.reference.models import TaskKind

#: The experiment's own rows, which come with the product.
COMPASS = Path(__file__).with_name("compass.json")
#: Rows of one file; more are a slip.
MOST = 2000


class BadRows(ValueError):
    """The file cannot be what was meant; nothing was written."""


class Deed(Enum):
    """What becomes of a row."""

    NEW = "new"
    CHANGED = "changed"
    SAME = "the same"
    #: It names a queue or a storage that is not there yet.
    WAITS = "waits"
    WRONG = "wrong"


@dataclass(frozen=True)
class Table:
    """One list of a file: ``key`` finds a row, ``called`` is how columns are called there that are called otherwise."""

    what: str
    form: type[CheckedForm]
    key: tuple[str, ...]
    called: Mapping[str, str] = field(default_factory=dict)
    #: Columns that name what operators set up elsewhere.
    places: frozenset[str] = frozenset()

    @property
    def model(self) -> Any:
        return self.form._meta.model

    @property
    def columns(self) -> dict[str, str]:
        """Answer the columns by the names that a file has for them."""
        names = [one.name for one in (*self.model._meta.fields, *self.model._meta.many_to_many) if one.name != "id"]
        return {self.called.get(name, name): name for name in names}


#: In the order in which they are written: templates name types.
TABLES: Mapping[str, Table] = {
    "sites": Table("site", SiteForm, ("name",), places=frozenset({"queue", "merging_queue", "files_endpoint", "tape"})),
    "types": Table("type", KindForm, ("word",), {"word": "type"}),
    "templates": Table("template", TemplateForm, ("name",), {"kinds": "types"}),
    "releases": Table("release", ReleaseForm, ("name", "home", "path")),
}


@dataclass(frozen=True)
class Loaded:
    """What becomes of one row, in words."""

    what: str
    name: str
    deed: Deed
    words: str = ""

    def __str__(self) -> str:
        return f"{self.what} {self.name}: {self.deed.value}" + (f": {self.words}" if self.words else "")


def read_rows(text: str) -> dict[str, list[Any]]:
    """Read a file: an object with a list for each table, of rows with those columns that are to be what they say.

    Raises:
        BadRows: it is something else.
    """
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as wrong:
        raise BadRows(f"this is not JSON ({wrong}); write an object with lists of {', '.join(TABLES)}") from None
    if not isinstance(said, dict) or not all(isinstance(rows, list) for rows in said.values()):
        raise BadRows(f"this is no object of lists; there are {', '.join(TABLES)}")
    if unknown := [name for name in said if name not in TABLES]:
        raise BadRows(f"{shown_name(unknown[0])}: there is no such list; there are {', '.join(TABLES)}")
    if sum(map(len, said.values())) > MOST:
        raise BadRows(f"these are more than {MOST} rows; load them in parts")
    return said


def load(said: Mapping[str, Sequence[Any]], *, by: AbstractBaseUser | None = None, dry: bool = False) -> list[Loaded]:
    """Bring rows to what a file says of them; columns that it does not name stay as they are.

    A row that waits for a queue or a storage is left out, and comes when the file is loaded again. Where one is wrong
    nothing is written at all.

    Args:
        said: As `read_rows` answers it.
        by: Who stands in the history of the rows.
        dry: Write nothing, and answer what would be.
    """
    with transaction.atomic():
        found = [one for name, table in TABLES.items() for row in said.get(name, ()) for one in [_load(table, row, by)]]
        if dry or any(one.deed is Deed.WRONG for one in found):
            transaction.set_rollback(True)
    return found


def _load(table: Table, row: Any, by: AbstractBaseUser | None) -> Loaded:
    if not isinstance(row, dict):
        return Loaded(table.what, shown(row), Deed.WRONG, "give an object with its columns")
    columns, key = table.columns, [table.called.get(name, name) for name in table.key]
    name = str(row.get(key[0]) or "without a name")[:100]
    if slip := next(_unknown(row, columns), ""):
        return Loaded(table.what, name, Deed.WRONG, slip)
    said = {columns[word]: value for word, value in row.items()}
    words_of = {column: word for word, column in columns.items()} | {"__all__": "the row"}
    fresh = table.model()
    wanted = {column: said.get(column, getattr(fresh, column)) for column in table.key}
    if not all(isinstance(value, str) for value in wanted.values()):
        return Loaded(table.what, name, Deed.WRONG, f"{', '.join(key)}: give text")
    there = table.model.objects.filter(**wanted).first()
    before = _values(there or fresh)
    if there is not None and said.get("chain", before.get("chain")) != before.get("chain"):
        words = f"chain: it is {before['chain']} and stays so, for its tasks were made by it; add another type"
        return Loaded(table.what, name, Deed.WRONG, words)
    form = table.form(_as_form({**before, **said}), instance=there or fresh)
    if not form.is_valid():
        words = "; ".join(f"{words_of[one]}: {' '.join(map(str, slips))}" for one, slips in form.errors.items())
        waits = set(form.errors) <= table.places and all(isinstance(said.get(one, ""), str) for one in form.errors)
        return Loaded(table.what, name, Deed.WAITS if waits else Deed.WRONG, words)
    saved = form.save()
    after = _values(saved)
    changed = [column for column in after if there is None or before[column] != after[column]]
    if not changed:
        return Loaded(table.what, name, Deed.SAME)
    _note(saved, by, "" if there is None else ", ".join(changed))
    if there is None:
        return Loaded(table.what, name, Deed.NEW)
    words = ", ".join(f"{words_of[one]} {shown(before[one])} -> {shown(after[one])}" for one in changed)
    return Loaded(table.what, name, Deed.CHANGED, words)


def _unknown(row: Mapping[str, Any], columns: Mapping[str, str]) -> Iterator[str]:
    for word in row:
        if word not in columns:
            near = get_close_matches(word, columns, 1)
            hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(columns)}"
            yield f"{shown_name(word)}: there is no such column; {hint}"


def _values(row: models.Model) -> dict[str, Any]:
    """Answer the columns of a row as a file has them; types by their words."""
    values = model_to_dict(row)
    values.pop("id", None)
    if "kinds" in values:
        values["kinds"] = sorted(kind.word for kind in values["kinds"]) if row.pk else []
    return values


def _as_form(values: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the same as a form sends it."""
    data = dict(values)
    if "limits" in data:
        data["limits"] = json.dumps(data["limits"])
    if isinstance(data.get("kinds"), list):
        keys = dict(TaskKind.objects.values_list("word", "pk"))
        data["kinds"] = [keys.get(word, word) if isinstance(word, str) else word for word in data["kinds"]]
    return data


def _note(row: models.Model, by: AbstractBaseUser | None, changed: str) -> None:
    if by is not None:
        words = f"{'Changed' if changed else 'Added'} from a file" + (f": {changed}" if changed else "") + "."
        flag = CHANGE if changed else ADDITION
        LogEntry.objects.log_actions(by.pk, [row], flag, change_message=words, single_object=True)
