"""Which batch systems there are: the product's own, those of others, and what is refused."""

from __future__ import annotations

import sys
import types
from importlib.metadata import EntryPoint

import pytest

from server.batch.base import BatchMisconfigured
from server.batch.local import LocalBatch
from server.batch.place import Place
from server.batch.registry import load_registry, registry
from server.lib.hookspecs import hookimpl
from server.lib.plugins import GROUP, PluginRefused


class Mine(LocalBatch):
    name = "mine"


class AlsoLocal(LocalBatch):
    name = "local"


@pytest.fixture
def offer(monkeypatch):
    """Answer the entry point of a module that offers kinds, as an installed package of somebody else's would."""

    def make(*kinds):
        @hookimpl
        def register_batch_systems():
            return list(kinds)

        module = types.ModuleType("somebody_elses_batch_system")
        module.register_batch_systems = register_batch_systems
        monkeypatch.setitem(sys.modules, module.__name__, module)
        return EntryPoint("somebody", module.__name__, GROUP)

    return make


def test_a_system_is_opened_once_while_it_is_described_alike(tmp_path):
    known = load_registry(())
    first = known.open("local", Place("here", tmp_path, {"slots": 2}))
    assert known.open("local", Place("here", tmp_path, {"slots": 2})) is first
    assert known.open("local", Place("here", tmp_path, {"slots": 3})) is not first


def test_two_systems_of_one_kind_live_side_by_side(tmp_path):
    known = load_registry(())
    one = known.open("local", Place("one", tmp_path / "one"))
    other = known.open("local", Place("other", tmp_path / "other"))
    assert one is not other
    assert known.open("local", Place("one", tmp_path / "one")) is one


def test_what_others_offer_is_opened_by_its_name(offer, tmp_path):
    known = load_registry([offer(Mine)])
    assert "mine" in known.kinds
    assert isinstance(known.open("mine", Place("here", tmp_path)), Mine)


def test_one_name_is_not_given_to_two_kinds(offer):
    with pytest.raises(PluginRefused, match="AlsoLocal: there is a batch system 'local' already"):
        load_registry([offer(AlsoLocal)])


def test_a_kind_that_is_not_there_is_named_with_those_that_are(tmp_path):
    with pytest.raises(BatchMisconfigured, match="no kind of batch system 'lsf'; there are .*local"):
        registry().open("lsf", Place("here", tmp_path))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"slot": 1}, "slot: no such field in options"),
        ({"slots": "many"}, r"options\.slots: "),
        ({"slots": -1}, r"options\.slots: -1: give 1"),
    ],
)
def test_an_option_that_cannot_be_so_is_told_with_the_systems_name(tmp_path, options, words):
    with pytest.raises(BatchMisconfigured, match=f"batch system here: {words}"):
        registry().open("local", Place("here", tmp_path, options))
