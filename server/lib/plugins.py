"""Which plugins this server has: its own, then those that are installed."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from importlib.metadata import EntryPoint, entry_points
from typing import ClassVar, Protocol, TypeVar

import pluggy

from server.lib import hookspecs

GROUP = "compass_server.plugins"


class _HasName(Protocol):
    name: ClassVar[str]


Named = TypeVar("Named", bound=_HasName)


class PluginRefused(Exception):
    """A plugin cannot be used; the words name it and say why."""


def load(own: Iterable[str], installed: Iterable[EntryPoint] | None = None) -> pluggy.PluginManager:
    """Register plugins.

    Args:
        own: Modules of the product, which uses its hooks as others do.
        installed: Entry points of further ones; all of the group when left out.

    Raises:
        PluginRefused: one cannot be imported, or has a hook that is none, or one with arguments that it has not.
    """
    manager = pluggy.PluginManager(hookspecs.PROJECT)
    manager.add_hookspecs(hookspecs)
    for module in own:
        _register(manager, module, importlib.import_module(module))
    for point in entry_points(group=GROUP) if installed is None else installed:
        _register(manager, point.name, _import(point))
    return manager


def by_name(offered: Iterable[Iterable[type[Named]]], what: str) -> dict[str, type[Named]]:
    """Answer the classes that a hook's answers offer, by their names; ``what`` they are is for the words of an error.

    Raises:
        PluginRefused: two of them have one name.
    """
    kinds: dict[str, type[Named]] = {}
    for kind in (kind for answer in reversed(list(offered)) for kind in answer):
        if kinds.get(kind.name, kind) is not kind:
            raise PluginRefused(f"{kind.__module__}.{kind.__qualname__}: there is a {what} {kind.name!r} already")
        kinds[kind.name] = kind
    return kinds


def _import(point: EntryPoint) -> object:
    try:
        loaded: object = point.load()
    except (ImportError, AttributeError) as wrong:
        raise PluginRefused(f"plugin {point.name!r} cannot be imported: {wrong}") from wrong
    return loaded


def _register(manager: pluggy.PluginManager, name: str, plugin: object) -> None:
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as wrong:
        raise PluginRefused(f"plugin {name!r}: {' '.join(str(wrong).split())}") from wrong
    if not manager.get_hookcallers(plugin):
        raise PluginRefused(f"plugin {name!r} has no hook; mark its functions with server.lib.hookspecs.hookimpl")
