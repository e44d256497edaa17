"""What hangs on a row that somebody is about to change: each app tells in its ``uses.py`` what it has of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

#: Where somebody wants to know how many, this many is enough to be told as "more than".
MOST = 10_000


@dataclass(frozen=True)
class Use:
    """So many of something use the rows; ``link`` is the page that shows them, "" where none does."""

    what: str
    count: int
    link: str = ""

    def __str__(self) -> str:
        return f"{self.what}: {'more than ' if self.count > MOST else ''}{min(self.count, MOST)}"


#: Asked with a table's name and keys of its rows.
Ask = Callable[[str, list[str]], Iterable[Use]]


def uses_of(table: str, keys: list[str]) -> list[Use]:
    """Answer what uses these rows, of every app that tells; what is not used at all is left out."""
    found: list[Use] = []
    for app in apps.get_app_configs():
        if app.name.startswith("server.") and app.module and module_has_submodule(app.module, "uses"):
            ask: Ask = import_module(f"{app.name}.uses").uses
            found += [use for use in ask(table, keys) if use.count]
    return found
