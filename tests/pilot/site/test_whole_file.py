from __future__ import annotations

import stat

import pytest

from pilot.site.whole_file import write


@pytest.mark.parametrize("mode", [0o600, 0o644])
def test_a_file_is_put_in_its_place_with_its_mode_whatever_was_there(tmp_path, mode):
    path = tmp_path / "x"
    path.write_text("before")
    path.chmod(0o640)
    write(path, "läuft", mode)
    assert path.read_text(encoding="utf-8") == "läuft"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        write(tmp_path / "x", "\udcff", 0o600)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        write(tmp_path / "folder", "text", 0o600)
    with pytest.raises(FileNotFoundError):
        write(tmp_path / "none" / "x", "text", 0o600)
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]
