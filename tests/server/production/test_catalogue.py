"""The catalogue learns lists of raw files, and tells tasks what it has."""

from __future__ import annotations

import pytest
from django.core.management import call_command
from django.core.management.base import CommandError

from server.production import logic
from server.production.catalogue import count_events, load, unknown_runs
from server.production.definition import BadDefinition
from server.production.models import CatalogueFile, RawFile
from server.production.raw_lists import RawLine
from server.production.states import TaskState
from tests.server.production.conftest import DATA


def line(run, chunk, events=None):
    return RawLine(run, chunk, f"cdr{chunk}-{run}.raw", "raw/2016", events)


def test_what_is_loaded_again_is_written_anew(queue):
    assert load([line(1, 1), line(1, 2, 5)], endpoint="") == 2
    assert load([line(1, 1, 7), line(2, 1, 9)], endpoint="DISK") == 2
    assert list(CatalogueFile.objects.values_list("run", "chunk", "events", "endpoint")) == [
        (1, 1, 7, "DISK"),
        (1, 2, 5, ""),
        (2, 1, 9, "DISK"),
    ]
    assert unknown_runs([4, 2, 3]) == [4, 3]


def test_what_a_later_list_does_not_tell_stays_known(queue):
    full = line(1, 1, 5)._replace(size=1000, checksum="adler32:00000001")
    load([full, line(1, 2, 6)], endpoint="")
    load([line(1, 1), line(1, 2)._replace(dataset="raw/elsewhere")], endpoint="")
    rows = CatalogueFile.objects.values_list("events", "size", "checksum")
    assert list(rows) == [(5, 1000, "adler32:00000001"), (6, None, "")]


def test_a_list_that_breaks_off_has_brought_nothing(queue):
    def breaking():
        for chunk in range(1, 1000):
            yield line(1, chunk, 5)
        raise OSError("the file system is gone")

    with pytest.raises(OSError, match="is gone"):
        load(breaking(), endpoint="")
    assert not CatalogueFile.objects.exists()


def test_runs_without_any_event_are_refused(queue):
    load([line(1, 1, 0), line(2, 1, 0)], endpoint="")
    with pytest.raises(BadDefinition) as bad:
        logic.define_task({**DATA, "files": "", "runs": "1-2"}, by="manager")
    assert bad.value.slips["runs"].startswith("no file of these runs has events")


def test_a_list_is_loaded_whole_or_not_at_all(queue, tmp_path, capsys):
    path = tmp_path / "runs.txt"
    path.write_text("1, /eos/raw/cdr1-1.raw, 5\n1, /eos/raw/cdr2-1.raw, five\n")
    with pytest.raises(CommandError, match="line 2, .*: 'five' is no number of events"):
        call_command("load_runs", str(path), "--home", "/eos/")
    assert not CatalogueFile.objects.exists()
    path.write_text("1, /eos/raw/cdr1-1.raw, 5\n1, /eos/raw/cdr2-1.raw, 6\n")
    with pytest.raises(CommandError, match="--endpoint: 'TAPE' is no storage; known are DISK"):
        call_command("load_runs", str(path), "--home", "/eos/", "--endpoint", "TAPE")
    call_command("load_runs", str(path), "--home", "/eos/", "--endpoint", "DISK")
    assert capsys.readouterr().out == "2 raw files are in the catalogue of runs\n"
    assert CatalogueFile.objects.get(chunk=2).events == 6


def test_runs_that_the_catalogue_does_not_know_are_named_at_the_definition(queue):
    load([line(1, 1)], endpoint="")
    with pytest.raises(BadDefinition) as bad:
        logic.define_task({**DATA, "files": "", "runs": "1-9"}, by="manager")
    assert bad.value.slips["runs"].startswith(
        "the catalogue has no file of run 2, 3, 4, 5, 6 and 3 more; load its list"
    )


def test_runs_with_more_files_than_a_task_may_have_chunks_are_refused_and_empty_files_are_none(queue):
    load([line(1, 1, 5), line(1, 2), line(2, 1, 0)], endpoint="")
    queue.PRODUCTION = {"chunks_per_task": 1}
    said = {**DATA, "files": "", "runs": "1-2"}
    with pytest.raises(BadDefinition) as bad:
        logic.define_task(said, by="manager")
    assert bad.value.slips == {"runs": "2 chunks are more than 1 (chunks_per_task); split them into several tasks"}
    queue.PRODUCTION = {"chunks_per_task": 2}
    assert logic.define_task(said, by="manager").name == DATA["name"]


def test_numbers_of_events_are_filled_in_when_the_catalogue_learns_them(queue):
    files = "raw/2016/cdr1-1.raw\nraw/2016/cdr2-1.raw, 8\nraw/2016/cdr3-1.raw"
    task = logic.define_task({**DATA, "files": files}, by="manager", start=True)
    assert count_events() == 0
    load([line(1, 1, 5), line(1, 2, 6), line(1, 3)], endpoint="")
    assert [count_events(), count_events()] == [1, 0]
    assert list(RawFile.objects.order_by("lfn").values_list("events", flat=True)) == [5, 8, None]
    load([line(1, 3, 9)], endpoint="")
    logic.move_task(task.name, TaskState.CANCELLED.value, by="manager")
    assert count_events() == 0


@pytest.mark.parametrize(
    ("other", "refused"),
    [
        ({}, True),
        ({"files": "raw/cdr9-278473.raw"}, True),
        ({"files": "", "runs": "278470-278480"}, True),
        ({"slot": 2}, False),
        ({"type": "test_production"}, False),
        ({"files": "raw/cdr9-278474.raw"}, False),
    ],
)
def test_two_tasks_do_not_make_files_of_the_same_names(queue, other, refused):
    load([line(278473, 1)], endpoint="")
    load([line(run, 1) for run in range(278470, 278481)], endpoint="")
    logic.define_task(DATA, by="manager")
    definition = {**DATA, "name": "second", **other}
    if not refused:
        assert logic.define_task(definition, by="manager").name == "second"
        return
    with pytest.raises(BadDefinition) as bad:
        logic.define_task(definition, by="manager")
    assert "task 'dvcs2016' makes the same files" in bad.value.slips["slot"]


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("files_endpoint", "TAPE", "'TAPE' is no storage; known are DISK"),
        ("merging_queue", "OTHER", "'OTHER' does not exist"),
    ],
)
def test_places_that_do_not_exist_are_named(queue, field, value, words):
    with pytest.raises(BadDefinition) as bad:
        logic.define_task({**DATA, field: value}, by="manager")
    assert words in bad.value.slips[field]
