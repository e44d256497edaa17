"""How an app declares a periodic service in its ``tasks.py``, and what has been declared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from difflib import get_close_matches
from importlib import import_module

from django.apps import apps
from django.utils.module_loading import module_has_submodule

#: What a run has done, by name: ``{"submitted": 2}``. All zero or empty means that there was nothing to do.
Figures = Mapping[str, int | float | str]


@dataclass(frozen=True)
class Turn:
    """One run of a service.

    ``now`` is when it began. ``keep()`` is a sign of life for those that may take long: it prolongs the lease, and
    raises ``LeaseLost`` or ``WorkerStopping``, which the service lets pass.
    """

    service: str
    now: datetime
    keep: Callable[[], None]


@dataclass(frozen=True)
class Declared:
    """A periodic service as its app declares it; ``period`` and ``time_limit`` are in seconds."""

    name: str
    what: str
    period: int
    time_limit: int
    run: Callable[[Turn], Figures]

    def __call__(self, turn: Turn) -> Figures:
        return self.run(turn)


class UnknownService(LookupError):
    """No app of this server declares a service of that name."""

    def __init__(self, name: str, known: Mapping[str, Declared]) -> None:
        near = get_close_matches(name, known, n=1)
        meant = f"; did you mean {near[0]}?" if near else f"; known are {', '.join(sorted(known)) or 'none'}"
        super().__init__(f"{name} is not a service{meant}")


def periodic(name: str, *, every: int, limit: int = 60) -> Callable[[Callable[[Turn], Figures]], Declared]:
    """Declare a function as a periodic service; the first line of its docstring says what it does.

    Args:
        name: App and verb, such as ``factory.cycle``.
        every: Seconds between two runs, until the admin says otherwise.
        limit: Seconds that a run may take between two signs of life; after that another worker may take over.

    Raises:
        ValueError: a time is less than a second, the name has no app, or there is no docstring.
    """
    if every < 1 or limit < 1:
        raise ValueError(f"{name}: every and limit are at least 1 s, not {every} and {limit}")
    if "." not in name or len(name) > 100:
        raise ValueError(f"{name!r}: a service is named by app and verb, such as factory.cycle")

    def declare(run: Callable[[Turn], Figures]) -> Declared:
        what = (run.__doc__ or "").strip().partition("\n")[0]
        if not what:
            raise ValueError(f"{name}: a docstring says what the service does; the admin shows its first line")
        return Declared(name, what, every, limit, run)

    return declare


def declared() -> dict[str, Declared]:
    """Answer the services that the installed apps declare, by name.

    Raises:
        ValueError: two apps declare the same name.
    """
    found: dict[str, Declared] = {}
    for app in apps.get_app_configs():
        if not app.module or not module_has_submodule(app.module, "tasks"):
            continue
        for thing in vars(import_module(f"{app.name}.tasks")).values():
            if not isinstance(thing, Declared):
                continue
            if found.setdefault(thing.name, thing) is not thing:
                raise ValueError(f"{thing.name}: declared twice, the second time in {app.name}.tasks")
    return found


def find(name: str, known: Mapping[str, Declared]) -> Declared:
    """Answer a service by name.

    Raises:
        UnknownService: there is none; the nearest name is in the words.
    """
    if name not in known:
        raise UnknownService(name, known)
    return known[name]
