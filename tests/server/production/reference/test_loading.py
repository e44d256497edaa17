"""Rows of reference come from a file: looked at first, written all or none, and the same when they come again."""

from __future__ import annotations

import json

import pytest
from django.contrib.admin.models import LogEntry
from django.core.management import CommandError, call_command

from server.pandaconfig.logic import define_queue
from server.production.reference.loading import COMPASS, Deed, load, read_rows
from server.production.reference.models import Site, SoftwareRelease, TaskKind, Template

ROWS = {
    "sites": [{"name": "FARM", "queue": "LOCAL", "limits": {"jobs_per_task": 200}}, {"name": "LATER", "tape": "CTA"}],
    "types": [{"type": "dy_mass", "label": "DY", "chain": "mass_production", "priority": 1700}],
    "templates": [{"name": "mu+", "file": "dvcs/mu+.opt", "types": ["dy_mass"]}],
    "releases": [{"name": "dvcs", "path": "generalprod/", "phast": 8}, {"name": "dvcs"}],
}


def deeds(rows, **more) -> list[tuple[str, str]]:
    return [(one.name, one.deed.value) for one in load(read_rows(json.dumps(rows)), **more)]


def test_rows_are_looked_at_then_written_and_the_same_when_they_come_again(queue, admin_user):
    written = [
        ("FARM", "new"),
        ("LATER", "waits"),
        ("dy_mass", "new"),
        ("mu+", "new"),
        ("dvcs", "new"),
        ("dvcs", "new"),
    ]
    assert deeds(ROWS, dry=True) == written
    assert not Site.objects.exists()
    assert deeds(ROWS, by=admin_user) == written
    assert Site.objects.get().limits == {"jobs_per_task": 200}
    assert [kind.word for kind in Template.objects.get().kinds.all()] == ["dy_mass"]
    assert set(SoftwareRelease.objects.values_list("path", "phast")) == {("generalprod/", 8), ("", None)}
    assert LogEntry.objects.filter(user=admin_user).count() == 5
    assert {deed for name, deed in deeds(ROWS) if name != "LATER"} == {"the same"}


def test_what_a_file_does_not_name_stays_as_people_have_made_it(queue, admin_user):
    Site.objects.create(name="FARM", queue="LOCAL", comment="by hand", limits={"queue_floor": 5})
    (one,) = load({"sites": [{"name": "FARM", "hpc": True}]}, by=admin_user)
    assert str(one) == "site FARM: changed: hpc False -> True"
    row = Site.objects.get()
    assert (row.comment, row.limits, row.hpc) == ("by hand", {"queue_floor": 5}, True)
    assert LogEntry.objects.get().change_message == "Changed from a file: hpc."


@pytest.mark.parametrize(
    ("table", "row", "words"),
    [
        ("sites", {"name": "A", "quee": "LOCAL"}, "quee: there is no such column; did you mean queue?"),
        ("sites", {"name": "A", "queue": "LOCAL", "limits": {"jobs_per_tsk": 2}}, "did you mean jobs_per_task"),
        ("sites", {"name": "A", "queue": 7}, "there is no queue"),
        ("sites", {"name": "../x", "queue": "LOCAL"}, "cannot be used"),
        ("sites", {"name": ["A"]}, "name: give text"),
        ("sites", {}, "name: "),
        ("sites", "x" * 5000, "give an object"),
        ("types", {"type": "DY mass", "label": "x", "chain": "mass_production"}, "small letters"),
        ("types", {"type": "dy", "label": "x", "chain": "mine"}, "not one of the available choices"),
        ("templates", {"name": "mu", "types": ["none"]}, "none"),
        ("templates", {"name": "mu", "types": 5}, "types"),
        ("types", {"type": "mass", "chain": "test_production"}, "chain: it is mass_production and stays so"),
        ("releases", {"name": "a/b"}, "cannot be used"),
        ("releases", {"name": "a", "phast": "seven"}, "whole number"),
    ],
)
def test_one_row_that_is_wrong_holds_back_all(queue, table, row, words):
    TaskKind.objects.create(word="mass", label="x", chain="mass_production")
    good = {"name": "GOOD", "queue": "LOCAL"}
    found = load({"sites": [good], table: [good, row] if table == "sites" else [row]})
    assert [one.deed for one in found] == [Deed.NEW, Deed.WRONG]
    assert words in found[1].words
    assert len(str(found[1])) < 1000
    assert not Site.objects.exists()


@pytest.mark.parametrize(
    "text", ["", "[]", '{"sites": 5}', '{"places": []}', "[" * 100_000, '{"sites": [' + "1," * 2001 + "1]}"]
)
def test_what_is_no_file_of_rows_is_refused(text, tmp_path, db):
    path = tmp_path / "rows.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=r"rows.json: .*(there are sites|lists of sites|load them in parts)"):
        call_command("load_reference", str(path))


def test_the_experiments_sites_come_when_their_queues_are_there(queue, capsys):
    call_command("load_reference", "compass", "--dry-run")
    said = capsys.readouterr().out
    assert "site BW_COMPASS_MCORE: waits: queue: there is no queue 'BW_COMPASS_MCORE'; add it" in said
    assert said.endswith(
        "5 wait for queues or storages: add these, and load the file again\nnothing was written: leave out --dry-run\n"
    )
    names = [row["name"] for row in json.loads(COMPASS.read_text())["sites"]]
    for name in names[:2]:
        define_queue({"nickname": name, "status": "online"})
    call_command("load_reference", "compass")
    assert list(Site.objects.values_list("name", "queue", "hpc")) == [
        ("BW_COMPASS_MCORE", "BW_COMPASS_MCORE", True),
        ("CERN_COMPASS_PROD", "CERN_COMPASS_PROD", False),
    ]
    assert list(Template.objects.values_list("name", flat=True)) == ["mu+", "mu-", "plain"]
    with pytest.raises(CommandError, match="--by: there is no user 'nobody'"):
        call_command("load_reference", "compass", "--by", "nobody")
    assert TaskKind.objects.filter(word="dy_mass").count() == 0
