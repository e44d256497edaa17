"""Which storages there are: the product's own, those of others, and what is refused."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint

import pytest

from pilot.contract.queue import local_storage
from server.lib.hookspecs import hookimpl
from server.lib.plugins import GROUP, PluginRefused
from server.storage.base import StorageMisconfigured
from server.storage.local import LocalStorage
from server.storage.registry import load_registry, registry


class Mine(LocalStorage):
    name = "mine"


class AlsoLocal(LocalStorage):
    name = "local"


@pytest.fixture
def offer(monkeypatch):
    """Answer the entry point of a module, as an installed package of somebody else's would have it."""

    def make(**contents):
        module = types.ModuleType("somebody_elses_storage")
        vars(module).update(contents)
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint("somebody", module.__name__, GROUP)

    return make


def offering(*kinds):
    @hookimpl
    def register_storages():
        return list(kinds)

    return register_storages


def test_a_folder_that_pilots_write_to_is_opened(tmp_path):
    (tmp_path / "a").write_bytes(b"xyz")
    storage = registry().open("LOCAL", local_storage("LOCAL", str(tmp_path)))
    assert storage.look(["a"])["a"].size == 3


def test_a_storage_is_opened_once_while_it_is_described_alike(tmp_path):
    known = load_registry(())
    first = known.open("S", local_storage("S", str(tmp_path)))
    assert known.open("S", local_storage("S", str(tmp_path))) is first
    assert known.open("S", local_storage("S", "/elsewhere")) is not first


def test_what_others_offer_is_opened_by_its_name(offer, tmp_path):
    known = load_registry([offer(register_storages=offering(Mine))])
    assert "mine" in known.kinds
    data = {**local_storage("S", str(tmp_path)), "compass_storage": {"plugin": "mine"}}
    assert isinstance(known.open("S", data), Mine)


def test_one_name_is_not_given_to_two_kinds(offer):
    with pytest.raises(PluginRefused, match="AlsoLocal: there is a storage 'local' already"):
        load_registry([offer(register_storages=offering(AlsoLocal))])


def test_a_plugin_that_is_not_there_is_named_with_those_that_are():
    with pytest.raises(
        StorageMisconfigured, match=r"storage S: compass_storage\.plugin: there is no plugin 'nfs'.*local"
    ):
        registry().open("S", {"compass_storage": {"plugin": "nfs", "root": "file:///a"}})


def test_what_has_no_tapes_is_not_taken_for_one_that_has(tmp_path):
    with pytest.raises(StorageMisconfigured, match="storage S: local has no tapes"):
        registry().open_tape("S", local_storage("S", str(tmp_path)))
