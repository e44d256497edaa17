"""Plugins of the server: what is registered, and what is refused with words that help."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint

import pytest

from server.lib.hookspecs import hookimpl
from server.lib.plugins import GROUP, PluginRefused, load


@pytest.fixture
def module(monkeypatch):
    made = types.ModuleType("a_plugin_of_the_server")
    monkeypatch.setitem(sys.modules, made.__name__, made)
    return made


def point(name):
    return EntryPoint("theirs", name, GROUP)


def test_a_module_is_asked_by_its_hook(module):
    @hookimpl
    def register_storages():
        return [int]

    module.register_storages = register_storages
    assert load((), [point(module.__name__)]).hook.register_storages() == [[int]]


def test_a_hook_that_is_none_is_refused(module):
    @hookimpl
    def register_storage():
        return []

    module.register_storage = register_storage
    with pytest.raises(PluginRefused, match=r"plugin 'theirs'.*register_storage"):
        load((), [point(module.__name__)])


def test_arguments_that_a_hook_has_not_are_refused(module):
    @hookimpl
    def register_storages(queue):
        return []

    module.register_storages = register_storages
    with pytest.raises(PluginRefused, match=r"plugin 'theirs'.*queue"):
        load((), [point(module.__name__)])


def test_a_module_whose_functions_are_not_marked_is_refused(module):
    module.register_storages = list
    with pytest.raises(PluginRefused, match=r"plugin 'theirs' has no hook.*server\.lib\.hookspecs\.hookimpl"):
        load((), [point(module.__name__)])


def test_a_module_that_is_not_there_is_refused():
    with pytest.raises(PluginRefused, match=r"plugin 'theirs' cannot be imported.*no_such_module"):
        load((), [point("no_such_module_anywhere")])


def test_what_is_installed_is_looked_for_when_nothing_else_is_said():
    assert load(["server.storage.own"]).hook.register_storages()
