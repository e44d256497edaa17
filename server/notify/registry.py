"""How an app declares in its ``notices.py`` what people may be told of, and what has been declared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from difflib import get_close_matches
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule


@dataclass(frozen=True)
class Notice:
    """One occurrence of an event.

    ``key`` tells it from every other occurrence of the same event, and is the same whenever it is looked for again.
    ``at`` is when it happened or began. ``about`` is what channels may choose by: ``owner``, ``queue``. ``path`` is
    the page to look at. One that is ``lasting`` is told to channels that are younger than it, too.
    """

    key: str
    subject: str
    text: str
    at: datetime
    about: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    lasting: bool = False


#: Answers what happened since a moment and what is so now; both moments are aware.
Find = Callable[[datetime, datetime], Iterable[Notice]]


@dataclass(frozen=True)
class Event:
    """Something that people may be told of; ``what`` is the sentence that they choose it by.

    ``needs`` is the permission of those who may be told, as Django names it; empty: whoever sees the pages.
    """

    name: str
    what: str
    find: Find
    needs: str = ""

    def __call__(self, since: datetime, now: datetime) -> Iterable[Notice]:
        return self.find(since, now)


class UnknownEvent(LookupError):
    """No app declares an event of that name."""

    def __init__(self, name: str, known: Iterable[str]) -> None:
        near = get_close_matches(name, list(known), n=1)
        meant = f"did you mean {near[0]}?" if near else f"known are {', '.join(sorted(known)) or 'none'}"
        super().__init__(f"{name} is not an event; {meant}")


def event(name: str, *, needs: str = "") -> Callable[[Find], Event]:
    """Declare a function that finds the occurrences of an event; the first line of its docstring says what it is.

    Args:
        name: What it is about and what happened, such as ``task.done``.
        needs: The permission that who is told has to have, such as ``credentials.view_credential``; none: to see pages.

    Raises:
        ValueError: the name has no dot, or there is no docstring.
    """
    if "." not in name or len(name) > 60:
        raise ValueError(f"{name!r}: an event is named by what it is about and what happened, such as task.done")

    def declare(find: Find) -> Event:
        what = (find.__doc__ or "").strip().partition("\n")[0].rstrip(".")
        if not what:
            raise ValueError(f"{name}: a docstring says what it is; people choose it by its first line")
        return Event(name, what, find, needs)

    return declare


def declared() -> dict[str, Event]:
    """Answer the events of all installed apps by name.

    Raises:
        ValueError: two apps declare the same name.
    """
    found: dict[str, Event] = {}
    for app in apps.get_app_configs():
        if not app.module or not module_has_submodule(app.module, "notices"):
            continue
        for thing in vars(import_module(f"{app.name}.notices")).values():
            if isinstance(thing, Event) and found.setdefault(thing.name, thing) is not thing:
                raise ValueError(f"{thing.name}: declared twice, the second time in {app.name}.notices")
    return dict(sorted(found.items()))
