"""Which storages have tapes, where files lie, and how far they are: for many at once."""

from __future__ import annotations

import pytest

from pilot.contract.queue import local_storage
from server.dataservice import logic
from server.dataservice.lookups import Holding, Standing, holdings, is_on_disk, standings, tape_endpoints
from server.dataservice.models import DatasetFile, Transfer
from server.dataservice.states import ReplicaState, TransferState
from server.pandaconfig.logic import define_storage
from tests.server.dataservice.conftest import filled, names


def test_storages_with_tapes_are_told_by_their_entries_and_those_that_cannot_be_read_have_none(db):
    define_storage("DISK", local_storage("DISK", "/data"))
    protocols = {"read_lan": [{"endpoint": "root://cta.example:1094", "path": "/eos", "id": 1, "flavour": "XROOTD"}]}
    define_storage("CTA", {"type": "DATATAPE", "arprotocols": protocols})
    define_storage("SAID", {**local_storage("SAID", "/data"), "is_tape": True})
    define_storage("NOT", {"type": "DATATAPE", "is_tape": False, "arprotocols": protocols})
    define_storage("WRONG", {"type": "DATATAPE"})
    assert tape_endpoints() == {"CTA", "SAID"}


def test_files_are_found_with_their_replicas_and_unknown_ones_are_left_out(world, django_assert_num_queries):
    first, second = filled(world, 2)
    lfns = names(3)
    with django_assert_num_queries(2):
        found = holdings("", [("raw", lfn) for lfn in lfns] + [("raw", lfns[0])])
    on_tape = {"TAPE": ReplicaState.ON_TAPE}
    assert found == {
        ("raw", lfns[0]): Holding(first, 10, "adler32:0000000a", on_tape),
        ("raw", lfns[1]): Holding(second, 10, "adler32:0000000a", on_tape),
    }
    assert holdings("elsewhere", [("raw", lfns[0])]) == {}


def test_rows_say_whether_their_file_can_be_read_at_once(world):
    files = filled(world, 2)
    request = logic.request_prestage(files, "TAPE", 3600, "manager", now=world.now)
    world.submit()
    world.tape.work(f"raw/{names(1)[0]}")
    world.later(seconds=30).poll()
    world.look()
    there = Transfer.objects.filter(is_on_disk("file", "endpoint"))
    assert list(there.values_list("file", flat=True)) == files[:1]
    told = standings(request.pk, [*files, 4711])
    assert told[files[0]].state is TransferState.PINNED
    assert told[files[0]].wanted_until is not None
    assert told[files[1]] == Standing(TransferState.QUEUED)
    assert len(told) == 2


@pytest.mark.parametrize("said", [True, False])
def test_single_files_of_a_request_are_let_go_with_a_reason(world, said):
    files = filled(world, 3)
    request = logic.request_prestage(files, "TAPE", 3600, "manager", now=world.now)
    if said:
        world.submit()
        world.tape.work()
        world.later(seconds=30).poll()
        world.look()
    assert logic.let_go(request.pk, [files[0], files[1], 4711], by="p", why="its job has ended", now=world.now) == 2
    world.pins()
    assert list(Transfer.objects.filter(state="expired").order_by("file").values_list("file", "words")) == [
        (file, "released by p: its job has ended") for file in files[:2]
    ]
    assert len(world.tape.released) == (2 if said else 0)
    assert logic.let_go(request.pk, files[:2], by="p", now=world.now) == 0
    assert Transfer.objects.get(file=files[2]).state in ("pinned", "requested")
    assert DatasetFile.objects.count() == 3
