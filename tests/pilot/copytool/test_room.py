"""Room that is promised to one job only."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.copytool.room import Room, free_on, part_of
from pilot.errors import JobFailed


def test_what_is_promised_to_one_job_is_not_promised_to_another(tmp_path):
    room, half = Room(), free_on(tmp_path) * 2 // 3
    with room.promised(tmp_path, {tmp_path / "a": half}):
        with (
            pytest.raises(JobFailed, match="kept for other jobs") as caught,
            room.promised(tmp_path, {tmp_path / "b": half}),
        ):
            pass
        assert caught.value.code is ErrorCode.NO_LOCAL_SPACE
        assert caught.value.facts["needed"] == half
    with room.promised(tmp_path, {tmp_path / "b": half}):
        pass


def test_what_has_arrived_already_takes_its_room_once(tmp_path, small_disk):
    room, size = Room(), free_on(small_disk) // 2
    with room.promised(small_disk, {small_disk / "a": size}):
        part_of(small_disk / "a").write_bytes(b"x" * (size - 4096))
        with room.promised(small_disk, {small_disk / "b": size - 3 * 4096}):
            pass


def test_another_disk_is_another_matter(tmp_path, small_disk):
    room = Room()
    with (
        room.promised(tmp_path, {tmp_path / "a": free_on(tmp_path) // 2}),
        room.promised(small_disk, {small_disk / "b": 1}),
    ):
        pass


def test_files_of_unknown_size_are_promised_nothing(tmp_path):
    with Room().promised(tmp_path / "gone", {tmp_path / "gone" / "a": 0}):
        pass


def test_where_nobody_can_tell_there_is_no_room(tmp_path):
    with pytest.raises(JobFailed, match="has room for 0"), Room().promised(tmp_path / "gone", {tmp_path / "a": 1}):
        pass
