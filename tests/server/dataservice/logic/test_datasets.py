"""Datasets are registered, filled, closed and frozen by whoever knows them."""

from __future__ import annotations

import pytest

from server.dataservice import logic, queries
from server.dataservice.models import Dataset, DatasetEvent, DatasetFile, Replica
from server.dataservice.states import DatasetKind
from tests.server.dataservice.conftest import audit

File = logic.NewFile


@pytest.fixture
def dataset(world):
    return logic.register_dataset("raw", kind=DatasetKind.INPUT, scope="compass", by="manager", now=world.now)


def test_a_dataset_is_made_once(world, dataset):
    assert logic.register_dataset("raw", kind=DatasetKind.INPUT, scope="compass", by="other") == dataset
    assert Dataset.objects.count() == DatasetEvent.objects.count() == 1
    assert queries.dataset_named("raw", "compass") == dataset
    assert queries.dataset_named("raw") is None
    assert logic.register_dataset("raw", kind=DatasetKind.INPUT, by="other") != dataset


def test_files_are_counted_with_their_bytes_and_events(world, dataset):
    made = logic.add_files(dataset, [File("a", 5, events=2), File("b", 7, events=3)], by="m", endpoint="DISK")
    logic.add_files(dataset, [File("c", 9)], by="m")
    dataset.refresh_from_db()
    assert (dataset.files, dataset.available, dataset.expected, dataset.size, dataset.events) == (3, 2, 1, 12, 5)
    assert queries.file_numbers(dataset, ["b", "a", "x"]) == {"a": made[0], "b": made[1]}
    assert [replica.path for replica in Replica.objects.all()] == ["raw/a", "raw/b"]
    audit()


def test_a_file_that_is_known_gets_what_was_not_known(world, dataset):
    (first,) = logic.add_files(dataset, [File("a")], by="m")
    assert logic.add_files(dataset, [File("a", 5, "adler32:00000001", events=1)], by="m", endpoint="DISK") == [first]
    logic.add_files(dataset, [File("a")], by="m", endpoint="TAPE", on_tape=True)
    row = DatasetFile.objects.get()
    assert (row.size, row.checksum, row.events, row.state) == (5, "adler32:00000001", 1, "available")
    assert set(Replica.objects.values_list("endpoint", "state")) == {("DISK", "available"), ("TAPE", "on_tape")}
    audit()


@pytest.mark.parametrize(
    ("files", "endpoint", "words"),
    [
        ([File("a", 5), File("a", 5)], "", "a name comes twice"),
        ([File("")], "", "give a name"),
        ([File("a", -1)], "", "give a name and bytes from 0 on"),
        ([File("x" * 256)], "", "lfn: .* has 256 characters; at most 255"),
        ([File("known", 6)], "", "known: size 6, but 5 is known"),
        ([File("known", checksum="adler32:ffffffff")], "", "known: checksum adler32:ffffffff, but"),
        ([File("../a")], "DISK", "cannot be a folder of a storage"),
        ([File("a")], "D" * 251, "endpoint: .* at most 250"),
    ],
)
def test_what_cannot_be_is_refused_whole(world, dataset, files, endpoint, words):
    logic.add_files(dataset, [File("known", 5, "adler32:00000001")], by="m")
    with pytest.raises(logic.DatasetRefused, match=words):
        logic.add_files(dataset, [File("good"), *files], by="m", endpoint=endpoint)
    assert list(DatasetFile.objects.values_list("lfn", flat=True)) == ["known"]
    audit()


def test_names_of_datasets_are_checked(db):
    with pytest.raises(logic.DatasetRefused, match="a dataset has a name"):
        logic.register_dataset("", kind=DatasetKind.INPUT, by="m")
    with pytest.raises(logic.DatasetRefused, match="scope"):
        logic.register_dataset("x", kind=DatasetKind.INPUT, scope="s" * 31, by="m")


def test_a_closed_dataset_takes_nothing_until_it_is_opened_again_and_a_frozen_one_never(world, dataset):
    assert logic.close(dataset, by="m")
    assert not logic.close(dataset, by="m")
    with pytest.raises(logic.DatasetRefused, match="compass:raw is closed; reopen it"):
        logic.add_files(dataset, [File("a")], by="m")
    assert not logic.reopen(Dataset(state="open"), by="m")
    assert logic.reopen(dataset, by="m", words="more came")
    logic.add_files(dataset, [File("a")], by="m")
    assert not logic.freeze(dataset, by="m")
    assert logic.close(dataset, by="m")
    assert logic.freeze(dataset, by="m")
    assert not logic.reopen(dataset, by="m")
    moves = [(move.after, move.words) for move in queries.moves_of_dataset(dataset)]
    assert moves == [("open", ""), ("closed", ""), ("open", "more came"), ("closed", ""), ("frozen", "")]


def test_a_file_that_was_lost_is_there_again_when_somebody_says_so(world, dataset):
    logic.add_files(dataset, [File("a", 5)], by="m", endpoint="DISK")
    Replica.objects.update(state="lost")
    DatasetFile.objects.update(state="lost")
    Dataset.objects.update(available=0, size=0)
    logic.add_files(dataset, [File("a", 5)], by="m", endpoint="DISK")
    assert Replica.objects.get().state == "available"
    assert DatasetFile.objects.get().state == "available"
    audit()
