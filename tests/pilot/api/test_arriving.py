from __future__ import annotations

import threading
from pathlib import Path

import pytest

from pilot.api.arriving import alone, arrived, own_folder
from pilot.api.data import StageIn
from pilot.api.staging import Item
from pilot.contract.job import FileSpec, Role
from pilot.copytool import checksum
from tests.pilot.api.staging_site import Site

A = FileSpec("a", Role.INPUT)


def item(folder):
    return Item(A, folder, own_folder(folder))


def test_a_file_gets_its_place_when_it_is_whole(tmp_path):
    one = item(tmp_path)
    (tmp_path / "a").write_bytes(b"old")
    with alone(one) as folder:
        (folder / "a.part").write_bytes(b"mu")
        assert arrived(one) == 2
        (folder / "a").write_bytes(b"muon")
        assert (tmp_path / "a").read_bytes() == b"old"
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("a", b"muon")]
    assert arrived(one) == 0


def test_of_one_that_does_not_come_nothing_stays(tmp_path):
    def give_up(folder):
        (folder / "a.part").touch()
        raise KeyError

    with pytest.raises(KeyError), alone(item(tmp_path)) as folder:
        give_up(folder)
    assert list(tmp_path.iterdir()) == []


def test_an_item_that_has_no_folder_of_its_own_gets_one(tmp_path):
    with alone(Item(A, tmp_path)) as folder:
        (folder / "a").touch()
        assert folder.parent == tmp_path
    assert arrived(Item(A, tmp_path)) == 0


def test_two_who_bring_one_file_do_not_meet(tmp_path, monkeypatch):
    """The second begins when the first is half through, and is given up when the first is done."""
    site, content = Site(tmp_path), b"muon" * 2**20
    site.has("a", content)
    half, other_begun = threading.Event(), threading.Event()
    go_on, seen = checksum.go_on, {}

    def wait(deadline, cancel=None):
        me = threading.get_ident()
        seen[me] = seen.get(me, 0) + 1
        if me == next(iter(seen)) and seen[me] == 3:
            half.set()
            assert other_begun.wait(30)
        elif me != next(iter(seen)):
            other_begun.set()
            assert cancel.wait(30)
        return go_on(deadline, cancel)

    monkeypatch.setattr(checksum, "go_on", wait)
    stage = StageIn(site.queue, site.storages, settings=site.settings)
    with stage.start(["a"], tmp_path / "in") as first:
        assert half.wait(30)
        with stage.start(["a"], tmp_path / "in"):
            assert first.result(30).well
    assert (tmp_path / "in" / "a").read_bytes() == content
    assert [path.name for path in (tmp_path / "in").iterdir()] == ["a"]


def test_no_two_folders_have_one_name():
    assert len({own_folder(Path("/in")) for _ in range(100)}) == 100
