from __future__ import annotations

import select

from pilot.realtime.noticing import CREATED, MODIFIED, Noticing


def noticed(noticing):
    return bool(select.select([noticing], [], [], 0)[0])


def test_what_is_written_is_noticed_and_what_is_left_is_not(tmp_path):
    noticing, path = Noticing(), tmp_path / "payload.stdout"
    folder = noticing.watch(tmp_path, CREATED)
    path.touch()
    assert noticed(noticing)
    noticing.drain()
    noticing.leave(folder)
    noticing.drain()
    assert noticing.watch(path, MODIFIED) is not None
    path.write_text("one\n")
    assert noticed(noticing)
    noticing.close()


def test_what_is_not_there_cannot_be_watched(tmp_path):
    noticing = Noticing()
    assert noticing.watch(tmp_path / "none", MODIFIED) is None
    noticing.close()
    assert not noticing.works
    assert noticing.watch(tmp_path, MODIFIED) is None
    noticing.close()
