"""Files of rows are read as CSV, JSON and CRIC's JSON; what is none is refused with the place where."""

from __future__ import annotations

import json

import pytest

from server.pandaconfig.tables import CLOUDCONFIG, SCHEDCONFIG, STORAGES, USERS
from server.pandaconfig.transfer.reading import Unreadable, read


def rows(table, text):
    return [one.values for one in read(table, text)]


@pytest.mark.parametrize("sign", [",", ";", "\t"])
def test_csv_has_names_of_columns_in_its_first_line(sign):
    text = "\ufeff" + f'nickname,Status,maxrss,comment_\nA,online,2000,one\n\nB,test,,"a{"x"}"\n'.replace(",", sign)
    assert rows(SCHEDCONFIG, text) == [
        {"nickname": "A", "status": "online", "maxrss": "2000", "comment": "one"},
        {"nickname": "B", "status": "test", "maxrss": "", "comment": "ax"},
    ]


def test_what_the_table_keeps_by_itself_is_passed_over():
    assert rows(CLOUDCONFIG, "name,modtime,weight\nCERN,2026-01-01,3") == [{"name": "CERN", "weight": "3"}]
    assert rows(USERS, "id,name\n7,ada") == [{"name": "ada"}]


def test_the_json_beside_a_queue_is_a_cell():
    text = 'nickname,data\nA,"{""params"": {""x"": 1}}"\nB,\n'
    assert [row["data"] for row in rows(SCHEDCONFIG, text)] == [{"params": {"x": 1}}, {}]


def test_what_cric_says_of_queues_is_parted_into_columns_and_the_rest():
    cric = {
        "CERN_COMPASS": {
            "nickname": "CERN_COMPASS",
            "corecount": 8,
            "direct_access_lan": True,
            "copytools": {"rucio": {}},
            "objectstores": [],
            "last_modified": "2026-01-01",
            "lastmod": "2026-01-01",
        },
        "OTHER": {"corecount": None},
    }
    assert rows(SCHEDCONFIG, json.dumps(cric)) == [
        {
            "nickname": "CERN_COMPASS",
            "corecount": 8,
            "direct_access_lan": "True",
            "data": {"copytools": {"rucio": {}}, "objectstores": [], "last_modified": "2026-01-01"},
        },
        {"nickname": "OTHER", "data": {}},
    ]


def test_our_own_json_is_read_as_it_was_written():
    row = {**SCHEDCONFIG.fresh(), "nickname": "Q", "data": {"copytools": {"cp": {}}}}
    assert rows(SCHEDCONFIG, json.dumps([row])) == [row]
    assert rows(SCHEDCONFIG, json.dumps(row)) == [row]


def test_storages_are_read_from_ddmendpoints():
    data = {"DISK": {"arprotocols": {}, "state": "ACTIVE"}}
    assert rows(STORAGES, json.dumps(data)) == [{"name": "DISK", "data": data["DISK"]}]
    assert rows(STORAGES, json.dumps([{"name": "DISK", "data": {}}])) == [{"name": "DISK", "data": {}}]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (" ", "empty"),
        ("nickname\n", "no row"),
        ("[]", "no row"),
        ("{", "no JSON"),
        ("[" * 100_000, "no JSON"),
        ("[1]", "row 1: an object"),
        ('{"Q": [1]}', "Q: an object"),
        ("nickname,statsu\nA,x", "line 1: 'statsu' is no column of schedconfig; did you mean status"),
        ("nickname,nickname\nA,x", "line 1: the column nickname is there twice"),
        ("nickname,status\nA", "line 2: 1 cells, and 2 names"),
        ('nickname,status\nA,"x', "line 2"),
        ("nickname,data\nA,{x", "line 2: data: no JSON"),
        ("nickname,status\nA,x\nA,y", "line 3: A is in line 2 already"),
    ],
)
def test_what_is_no_file_of_rows_is_refused_with_the_place(text, words):
    with pytest.raises(Unreadable, match=words):
        read(SCHEDCONFIG, text)


def test_an_unknown_key_of_a_json_row_is_refused_where_nothing_stands_beside_the_columns():
    with pytest.raises(Unreadable, match="row 1: 'wieght' is no column of cloudconfig; did you mean weight"):
        read(CLOUDCONFIG, '[{"name": "CERN", "wieght": 3}]')
