"""Where core dumps lie, by the patterns that nodes have."""

from __future__ import annotations

import os

import pytest

from pilot.runtime import core_dump


@pytest.mark.parametrize(
    ("pattern", "uses_pid", "name"),
    [
        ("core", False, "core"),
        ("core", True, "core.123"),
        ("core.%p", True, "core.123"),
        ("core-%e-%p-%t", False, "core-reco-123-1700000000"),
        ("core[%P]%%", False, "core[123]%"),
    ],
)
def test_a_core_dump_is_found_where_the_pattern_says(tmp_path, pattern, uses_pid, name):
    (tmp_path / name).touch()
    (tmp_path / "core.999").touch()
    assert core_dump.where(123, tmp_path, pattern, uses_pid) == f"the core dump is {tmp_path / name}"


def test_of_several_that_fit_the_last_one_is_named(tmp_path):
    for name, moment in (("core.reco", 200), ("core.zsh", 100)):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (0, moment))
    assert core_dump.where(123, tmp_path, "core.%e") == f"the core dump is {tmp_path}/core.reco"


def test_a_pattern_may_name_another_folder(tmp_path):
    (tmp_path / "reco.123").touch()
    found = core_dump.where(123, tmp_path / "job", f"{tmp_path}/%e.%p")
    assert found == f"the core dump is {tmp_path}/reco.123"


def test_a_core_dump_that_went_to_a_program_is_said_to_have(tmp_path):
    pattern = "|/usr/lib/systemd/systemd-coredump %P %u"
    assert core_dump.where(1, tmp_path, pattern) == "the node gave the core dump to /usr/lib/systemd/systemd-coredump"


def test_a_core_dump_that_is_not_there_is_not_claimed(tmp_path):
    assert core_dump.where(1, tmp_path, "core.%p") == "no core dump was found as core.%p"


def test_this_nodes_own_pattern_is_read(tmp_path):
    assert "core dump" in core_dump.where(1, tmp_path)
