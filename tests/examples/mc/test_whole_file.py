"""Files appear whole or not at all."""

from __future__ import annotations

import pytest
from compass_mc.errors import PayloadFailed
from compass_mc.whole_file import written_whole


def test_a_file_appears_under_its_name_only_at_the_end(tmp_path):
    target = tmp_path / "out.root"
    with written_whole(target) as part:
        part.write_text("all of it")
        assert not target.exists()
    assert target.read_text() == "all of it"
    assert list(tmp_path.iterdir()) == [target]


@pytest.mark.parametrize("stop", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failure_leaves_no_file_and_an_older_file_as_it_was(tmp_path, stop):
    target = tmp_path / "out.root"
    target.write_text("older")

    def break_off():
        with written_whole(target) as part:
            part.write_text("half")
            raise stop

    with pytest.raises(stop):
        break_off()
    assert target.read_text() == "older"
    assert list(tmp_path.iterdir()) == [target]


def test_a_missing_folder_is_named(tmp_path):
    with (
        pytest.raises(PayloadFailed, match=r"the folder .*absent does not exist"),
        written_whole(tmp_path / "absent/x"),
    ):
        pass
