"""The tables have PanDA's columns, with its limits and defaults; rows are written down and read back whole."""

from __future__ import annotations

import pytest

from server.pandaconfig.columns import NumberColumn, TextColumn, TimeColumn, WholeColumn
from server.pandaconfig.merge import DECISIVE
from server.pandaconfig.models import Schedconfig, SchedconfigJson
from server.pandaconfig.tables import SCHEDCONFIG, SITEACCESS, TABLES, USERS, table_of
from tests.server.pandaconfig import panda

PANDAS = ("schedconfig", "cloudconfig", "siteaccess", "users")


@pytest.mark.parametrize("name", PANDAS)
def test_a_table_has_all_of_pandas_columns_with_their_limits_and_defaults(name):
    model = TABLES[name].model
    ours = {}
    for field in model._meta.concrete_fields:
        default = "" if field.primary_key or field.get_default() is None else str(field.get_default())
        kind, size = "C", 0
        if isinstance(field, TextColumn):
            kind, size = "S", field.max_length
        elif isinstance(field, WholeColumn) or field.primary_key:
            kind, size = "N", getattr(field, "digits", 19)
        elif isinstance(field, NumberColumn):
            kind = "N"
        elif isinstance(field, TimeColumn):
            kind = "D"
        ours[field.column] = (kind, size, default)
    theirs = panda.TABLES[name]
    assert model._meta.db_table == name
    assert {one: said[:2] for one, said in ours.items()} == {one: said[:2] for one, said in theirs.items()}
    # Where PanDA has no default a number here is 0, and a text empty; status and dates aside, which we fill in.
    different = {
        one for one in ours if (ours[one][2] or "0") != (theirs[one][2] or "0") and ours[one][2] not in {"0", "0.0"}
    }
    assert different <= {"status"}


def test_pandas_tables_were_of_this_many_columns():
    assert {name: len(columns) for name, columns in panda.TABLES.items()} == {
        "schedconfig": 133,
        "cloudconfig": 25,
        "siteaccess": 8,
        "users": 50,
    }


@pytest.mark.parametrize("table", TABLES.values(), ids=lambda table: table.name)
def test_every_column_says_what_it_is_for(table):
    silent = [name for name, field in table.fields.items() if not field.help_text and table.name in PANDAS]
    assert silent == []


def test_what_decides_is_read_by_nobody_but_by_its_column():
    assert set(SCHEDCONFIG.columns) > DECISIVE


def test_a_row_is_read_as_it_was_written_with_the_json_beside_it(db):
    row = {**SCHEDCONFIG.fresh(), "nickname": "Q", "corecount": 8, "corepower": 10.5, "data": {"params": {"a": [1]}}}
    assert SCHEDCONFIG.store(None, row) == "Q"
    assert SCHEDCONFIG.read("Q") == row
    assert SCHEDCONFIG.read_many() == {"Q": row}
    assert SCHEDCONFIG.read("other") is None
    SCHEDCONFIG.delete("Q")
    assert (Schedconfig.objects.count(), SchedconfigJson.objects.count()) == (0, 0)


def test_a_table_of_numbered_rows_finds_them_by_what_people_know(db):
    one = {**SITEACCESS.fresh(), "dn": "/CN=A", "pandasite": "S", "created": "2026-01-02T03:04:05+00:00"}
    number = SITEACCESS.store(None, one)
    assert SITEACCESS.read(number) == one
    assert SITEACCESS.find(one) == number
    assert SITEACCESS.find({"dn": "/CN=A"}) is None
    assert SITEACCESS.numbers() == {("/CN=A", "S"): number}
    assert SITEACCESS.store(number, {**one, "rights": "run"}) == number
    assert SITEACCESS.model.objects.count() == 1


def test_reading_many_rows_takes_two_queries(db, django_assert_num_queries):
    for number in range(5):
        SCHEDCONFIG.store(None, {**SCHEDCONFIG.fresh(), "nickname": f"Q{number}", "data": {"n": number}})
    with django_assert_num_queries(2):
        assert len(SCHEDCONFIG.read_many(["Q1", "Q2", "no"])) == 2
    with django_assert_num_queries(2):
        assert [row["data"]["n"] for row in SCHEDCONFIG.read_many().values()] == [0, 1, 2, 3, 4]


def test_a_table_is_found_by_its_model():
    assert table_of(USERS.model) is USERS
