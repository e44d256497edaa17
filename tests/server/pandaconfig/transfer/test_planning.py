"""An import is planned before it is written: what is new, changes, stays or is refused; and it is all or nothing."""

from __future__ import annotations

import json

import pytest

from server.pandaconfig import logic, queries
from server.pandaconfig.logic import Author
from server.pandaconfig.models import Change, Cloudconfig
from server.pandaconfig.readable import Refused
from server.pandaconfig.tables import SCHEDCONFIG, SITEACCESS, TABLES
from server.pandaconfig.transfer import writing
from server.pandaconfig.transfer.planning import Kind, carry_out, plan
from server.pandaconfig.transfer.reading import read

ADA = Author("ada", Change.Way.IMPORT, "from CRIC")
FILE = "nickname,status,maxrss\nNEW,online,1000\nOLD,online,4000\nSAME,online,2000\nBAD,onlin,1\n,online,1\n"


@pytest.fixture
def queues(db):
    for name in ("OLD", "SAME"):
        logic.define_queue({"nickname": name, "status": "online", "maxrss": 2000, "params": {"a": 1}})


def test_a_plan_tells_what_becomes_of_each_row(queues):
    made = plan(SCHEDCONFIG, read(SCHEDCONFIG, FILE))
    assert [(one.name, one.kind.value) for one in made.rows] == [
        ("NEW", "new"),
        ("OLD", "changed"),
        ("SAME", "same"),
        ("BAD", "refused"),
        ("line 6", "refused"),
    ]
    assert made.rows[1].differences == {"maxrss": (2000, 4000)}
    assert set(made.rows[0].differences) == {"nickname", "status", "maxrss"}
    assert "not a valid choice" in made.rows[3].errors["status"]
    assert "missing" in made.rows[4].errors["nickname"]
    assert queries.queue_names() == ["OLD", "SAME"]


def test_what_was_planned_is_written_and_undone_together(queues):
    batch = carry_out(plan(SCHEDCONFIG, read(SCHEDCONFIG, FILE)), ADA)
    assert queries.limits_of_queues()["OLD"].memory == 4000 * 2**20
    assert queries.queue_json("OLD")["params"] == {"a": 1}, "what a file does not have stays"
    changes = Change.objects.filter(batch=batch)
    assert {(one.key, one.way, one.reason) for one in changes} == {
        ("NEW", "import", "from CRIC"),
        ("OLD", "import", "from CRIC"),
    }
    assert plan(SCHEDCONFIG, read(SCHEDCONFIG, FILE)).count(Kind.SAME) == 3
    assert logic.undo_all(batch, Author("bob")) == 2
    assert sorted(queries.queue_names()) == ["OLD", "SAME"]
    assert queries.limits_of_queues()["OLD"].memory == 2000 * 2**20


def test_nothing_is_written_where_a_row_has_changed_since(queues):
    made = plan(SCHEDCONFIG, read(SCHEDCONFIG, FILE))
    digest = made.digest
    logic.write(SCHEDCONFIG, "OLD", {"corecount": 8}, Author("bob"))
    with pytest.raises(Refused, match="OLD: bob has changed this row"):
        carry_out(made, ADA)
    assert "NEW" not in queries.queue_names()
    assert plan(SCHEDCONFIG, read(SCHEDCONFIG, FILE)).digest != digest


def test_clouds_that_queues_name_are_made_when_asked_for(queues):
    rows = read(SCHEDCONFIG, "nickname,cloud\nNEW,RU\nOLD,\n")
    refused = plan(SCHEDCONFIG, rows)
    assert "is no cloud" in refused.rows[0].errors["cloud"]
    made = plan(SCHEDCONFIG, rows, make_clouds=True)
    assert (made.count(Kind.NEW), made.clouds) == (1, ["RU"])
    carry_out(made, ADA)
    assert list(Cloudconfig.objects.values_list("name", flat=True)) == ["RU"]


def test_who_may_not_write_a_row_is_refused_that_row(queues):
    def only_old(before, after):
        return "" if after["nickname"] == "OLD" else "it is not yours"

    made = plan(SCHEDCONFIG, read(SCHEDCONFIG, FILE), may_write=only_old)
    assert made.rows[0].errors == {"": "it is not yours"}
    assert made.rows[1].kind is Kind.CHANGED


def test_a_plan_of_many_rows_asks_as_often_as_one_of_few(queues, django_assert_max_num_queries):
    text = "nickname,maxrss\n" + "".join(f"Q{number},1\n" for number in range(200))
    with django_assert_max_num_queries(4):
        plan(SCHEDCONFIG, read(SCHEDCONFIG, text))
    text = "dn,pandasite\n" + "".join(f"/CN=P{number},OLD\n" for number in range(200))
    with django_assert_max_num_queries(4):
        assert plan(SITEACCESS, read(SITEACCESS, text)).count(Kind.NEW) == 200


@pytest.mark.parametrize("write", [writing.as_csv, writing.as_json])
def test_what_was_exported_is_imported_as_the_same(queues, write):
    logic.write(SITEACCESS, None, {"dn": "/CN=A, B", "pandasite": "OLD", "created": "2026-01-02T03:04:05Z"}, ADA)
    for table in (SCHEDCONFIG, SITEACCESS):
        keys = list(table.model.objects.values_list("pk", flat=True))
        text = "".join(write(table, keys))
        made = plan(table, read(table, text))
        assert made.count(Kind.SAME) == len(keys) > 0


def test_an_export_of_nothing_is_an_empty_file(db):
    for table in TABLES.values():
        assert json.loads("".join(writing.as_json(table, []))) == []
        assert "".join(writing.as_csv(table, [])).strip() == ",".join(table.columns)
