"""Which mover copies to a storage."""

from __future__ import annotations

import pytest

from server.storage.base import StorageMisconfigured
from server.storage.movers.fts3 import Fts3Mover
from server.storage.movers.opened import open_mover
from server.storage.movers.own import OwnMover


def opened(said, folder):
    return open_mover("S", {"compass_storage": {"mover": said}} if said is not None else {}, folder)


def test_our_own_copies_where_nothing_is_said_and_is_one_for_all(tmp_path):
    mover = opened(None, tmp_path)
    assert isinstance(mover, OwnMover)
    assert opened({}, tmp_path) is mover


def test_a_storage_may_want_fts3(tmp_path):
    said = {"fts3": "https://fts.example:8446", "certificate": "/etc/proxy", "retries": "5"}
    assert isinstance(opened(said, tmp_path), Fts3Mover)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({"fts": "https://x"}, r"fts: no such field in compass_storage\.mover; did you mean fts3"),
        ({"fts3": "fts.example"}, "mover.fts3: 'fts.example' is no address such as https"),
        ({"fts3": "https://x", "proxy": "/p"}, "storage S: proxy: no such field"),
        ("fts3", "compass_storage.mover: 'fts3' is not a JSON object"),
    ],
)
def test_what_cannot_be_so_is_named(said, words, tmp_path):
    with pytest.raises(StorageMisconfigured, match=words):
        opened(said, tmp_path)
