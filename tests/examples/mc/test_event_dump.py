"""The binary event dump: its marker, its records, its damage."""

from __future__ import annotations

import pytest
from compass_mc import event_dump
from compass_mc.errors import PayloadFailed


def write(path, *bodies: bytes) -> None:
    with path.open("wb") as file:
        file.write(event_dump.HEADER)
        for body in bodies:
            event_dump.append(file, body)


def body(event: int, hadrons: int = 2) -> bytes:
    values = (1.5, 0.25, 0.5, 8.0, 0.5, -0.25, 120.0)
    tracks = b"".join(event_dump.HADRON.pack(-1, 0.5, 0.25, 10.0 + n) for n in range(hadrons))
    return event_dump.EVENT.pack(277000, 3, event, *values, hadrons) + tracks


def test_a_dump_without_events_is_the_marker_of_33_bytes(tmp_path):
    write(tmp_path / "dump.raw")
    assert (tmp_path / "dump.raw").stat().st_size == event_dump.EMPTY_SIZE == 33
    assert list(event_dump.read_bodies(tmp_path / "dump.raw")) == []


@pytest.mark.parametrize("hadrons", [0, 1, 40])
def test_what_is_written_is_read(tmp_path, hadrons):
    write(tmp_path / "dump.raw", body(1, hadrons), body(2, hadrons))
    first, second = (event_dump.unpacked(found) for found in event_dump.read_bodies(tmp_path / "dump.raw"))
    assert (first.run, first.chunk, first.event, second.event) == (277000, 3, 1, 2)
    assert first.inclusive == (1.5, 0.25, 0.5, 8.0)
    assert first.muon == (0.5, -0.25, 120.0)
    assert first.hadrons == tuple((-1, 0.5, 0.25, 10.0 + n) for n in range(hadrons))


def test_every_single_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "dump.raw"
    write(path, body(1), body(2))
    whole = path.read_bytes()
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x10]) + whole[place + 1 :])
        with pytest.raises(PayloadFailed, match=r"dump.raw is no usable event dump"):
            list(event_dump.read_bodies(path))


def test_a_dump_that_ends_anywhere_but_after_a_record_is_damaged(tmp_path):
    path = tmp_path / "dump.raw"
    write(path, body(1), body(2))
    whole = path.read_bytes()
    ends = {len(event_dump.HEADER) + n * (len(whole) - len(event_dump.HEADER)) // 2 for n in (0, 1, 2)}
    for size in set(range(len(whole))) - ends:
        path.write_bytes(whole[:size])
        with pytest.raises(PayloadFailed, match="damaged"):
            list(event_dump.read_bodies(path))


def test_a_count_that_is_not_what_was_written_is_refused(tmp_path):
    write(tmp_path / "dump.raw", body(1))
    event_dump.verify(tmp_path / "dump.raw", 1)
    with pytest.raises(PayloadFailed, match="holds 1 events, but 2 were written"):
        event_dump.verify(tmp_path / "dump.raw", 2)
