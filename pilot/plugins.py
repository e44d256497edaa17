"""Which plugins this pilot has, and the one way to call their hooks. Built in `life`, handed on; never a global."""

from __future__ import annotations

import importlib
import logging
from collections.abc import Iterable, Sequence
from types import CodeType, TracebackType
from typing import Any, Callable, Optional

import pluggy

from pilot import hookspecs
from pilot.answers import ANSWERS
from pilot.errors import ConfigError, JobFailed, PluginFailed

log = logging.getLogger(__name__)

GROUP = "compass_pilot.plugins"

#: Experiments that come with the pilot. They are entry points of the group too; going through those would mean reading
#: the metadata of every installed package, which costs more time than all the rest of the start.
BUILT_IN = {"generic": "pilot.user.generic", "compass": "pilot.user.compass"}
#: Registered first, so that every other plugin may overrule them.
ALWAYS = ("pilot.user.generic",)


def load(user: str, also: Iterable[str] = (), *, always: Sequence[str] = ALWAYS) -> pluggy.PluginManager:
    """Register what is always there, then further installed plugins, then the user's; a later one wins.

    Raises:
        ConfigError: no plugin of that name, or a hook that has no specification or wrong arguments.
    """
    manager = pluggy.PluginManager("compass-pilot")
    manager.add_hookspecs(hookspecs)
    for module in always:
        _register(manager, module, _import(module, module))
    wanted = [*also, user]
    installed = _installed() if any(name not in BUILT_IN for name in wanted) else {}
    for name in wanted:
        plugin = _import(name, BUILT_IN[name]) if name in BUILT_IN else _load(name, installed)
        if not manager.is_registered(plugin):
            _register(manager, name, plugin)
    return manager


def _installed() -> dict[str, Any]:
    """Answer the installed entry points by name; Python 3.9 has another interface for it than later ones."""
    from importlib.metadata import entry_points

    found: Any = entry_points()
    points = found.select(group=GROUP) if hasattr(found, "select") else found.get(GROUP, ())
    return {point.name: point for point in points}


def _load(name: str, installed: dict[str, Any]) -> Any:
    if name not in installed:
        there = ", ".join(sorted({*BUILT_IN, *installed}))
        raise ConfigError(f"there is no plugin {name!r}; there are {there}")
    try:
        return installed[name].load()
    except (ImportError, AttributeError) as wrong:
        raise ConfigError(f"plugin {name!r} cannot be imported: {wrong}") from wrong
    except (Exception, SystemExit) as wrong:  # what a module does when it is imported is a call of the plugin, too
        raise ConfigError(f"plugin {name!r} cannot be imported: {type(wrong).__name__}: {wrong}") from wrong


def _import(name: str, module: str) -> Any:
    try:
        return importlib.import_module(module)
    except ImportError as wrong:
        raise ConfigError(f"plugin {name!r} cannot be imported: {wrong}") from wrong


def _register(manager: pluggy.PluginManager, name: str, plugin: Any) -> None:
    try:
        manager.register(plugin, name=name)
        manager.check_pending()
        _look_at_answers(manager, plugin)
    except pluggy.PluginValidationError as wrong:
        raise ConfigError(f"plugin {name!r}: {' '.join(str(wrong).split())}") from wrong
    if not manager.get_hookcallers(plugin):
        raise ConfigError(f"plugin {name!r} has no hook; mark its functions with pilot.hookspecs.hookimpl")


class Checked:
    """A plugin's hook, whose answers are looked at: of another type they would break what is far from the plugin."""

    def __init__(self, plugin: str, hook: str, function: Callable[..., Any]) -> None:
        self.plugin, self.hook, self.function = plugin, hook, function

    def __call__(self, *given: Any) -> Any:
        found, wanted = self.function(*given), ANSWERS[self.hook]
        if found is None or wanted.is_right(found):
            return found
        words = f"plugin {self.plugin!r} answered {self.hook} with {found!r:.100}; {wanted.words} is expected"
        log.error("%s", words)
        raise PluginFailed(words)


def _look_at_answers(manager: pluggy.PluginManager, plugin: Any) -> None:
    for caller in manager.get_hookcallers(plugin) or ():
        for found in caller.get_hookimpls():
            if found.plugin is plugin and caller.name in ANSWERS and not (found.wrapper or found.hookwrapper):
                found.function = Checked(found.plugin_name, caller.name, found.function)  # type: ignore[misc]


def call(manager: pluggy.PluginManager, hook: str, **arguments: Any) -> Any:
    """Call a hook in every plugin that has it.

    Raises:
        PluginFailed: a plugin raised something, or answered what is no answer; the message names it and the hook.
        JobFailed: a plugin raised that: it knows a code of its own.
    """
    caller = getattr(manager.hook, hook)
    try:
        return caller(**arguments)
    except (JobFailed, PluginFailed):
        raise
    except (Exception, SystemExit) as error:  # a thread that sys.exit() ends would leave its job to nobody
        name = _culprit(caller, error.__traceback__)
        log.exception("plugin %s broke in %s", name, hook)
        raise PluginFailed(f"plugin {name!r} broke in {hook}: {type(error).__name__}: {error}") from error


def _culprit(caller: pluggy.HookCaller, trace: Optional[TracebackType]) -> str:
    """Name the plugin whose function stands in a traceback."""
    by_code: dict[Optional[CodeType], str] = {
        getattr(_own(found.function), "__code__", None): found.plugin_name for found in caller.get_hookimpls()
    }
    while trace is not None:
        if trace.tb_frame.f_code in by_code:
            return by_code[trace.tb_frame.f_code]
        trace = trace.tb_next
    return "unknown"


def _own(function: Any) -> Any:
    """Answer the function that stands in the plugin."""
    return function.function if isinstance(function, Checked) else function
