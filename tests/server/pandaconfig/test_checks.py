"""What a row may not say of its other columns, of other tables, and of what there is."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from pilot.copytool.known import OWN
from server.pandaconfig.checks import COPYTOOLS, Known, wrong_with
from server.pandaconfig.tables import TABLES

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KNOWN = Known(clouds=frozenset({"CERN", "RU"}), sites=frozenset({"CERN-PROD", "CERN_COMPASS"}))


def wrong(table, changed=None, **row):
    whole = {**TABLES[table].fresh(), **row}
    return dict(wrong_with(table, whole, KNOWN, changed=frozenset(row if changed is None else changed), now=NOW))


def test_the_copy_tools_are_those_of_the_pilot():
    assert set(OWN) == COPYTOOLS


@pytest.mark.parametrize(
    ("table", "row", "column", "words"),
    [
        ("schedconfig", {"minrss": 4000, "maxrss": 2000}, "minrss", "raise maxrss"),
        ("schedconfig", {"mintime": 10, "maxtime": 5}, "mintime", "lower it"),
        ("schedconfig", {"catchall": '{"a": }'}, "catchall", "write words without brackets"),
        ("schedconfig", {"objectstores": "[1,"}, "objectstores", "begins as JSON"),
        ("schedconfig", {"cloud": "CERM"}, "cloud", "did you mean CERN?"),
        ("schedconfig", {"multicloud": "CERN,XX"}, "multicloud", "'XX' is no cloud"),
        ("schedconfig", {"copytool": "zzz"}, "copytool", "known are cp, gfal"),
        ("schedconfig", {"copytoolin": "xrdpc"}, "copytoolin", "did you mean xrdcp?"),
        ("schedconfig", {"data": {"acopytools": {"pr": ["xrdpc"]}}}, "data", "acopytools.pr: 'xrdpc'"),
        ("schedconfig", {"data": {"copytools": {"cpp": {}}}}, "data", "copytools: 'cpp'"),
        ("schedconfig", {"appdir": "cvmfs/compass"}, "appdir", "no absolute path"),
        ("schedconfig", {"environ": "A=1 B"}, "environ", "'B' is not NAME=value"),
        ("schedconfig", {"accesscontrol": "grouplist"}, "allowedgroups", "name some"),
        ("schedconfig", {"dn": "somebody"}, "dn", "/DC=ch"),
        ("schedconfig", {"tspace": "2027-01-01T00:00:00+00:00"}, "tspace", "has not come yet"),
        ("cloudconfig", {"tier1": "CERN"}, "tier1", "did you mean CERN"),
        ("cloudconfig", {"transtimehi": 5, "transtimelo": 2}, "transtimehi", "lower it"),
        ("siteaccess", {"pandasite": "X"}, "pandasite", "Add a queue of that site first"),
        ("siteaccess", {"created": "2026-11-24T00:00:00+00:00"}, "created", "has not come yet"),
        ("users", {"sites": "CERN-PROD, X"}, "sites", "'X' is no site or queue"),
        (
            "users",
            {"firstjob": "2026-02-01T00:00:00+00:00", "latestjob": "2026-01-01T00:00:00+00:00"},
            "firstjob",
            "more than latestjob",
        ),
    ],
)
def test_what_cannot_be_meant_is_told_with_its_remedy(table, row, column, words):
    found = wrong(table, **row)
    assert list(found) == [column]
    assert words in found[column]


@pytest.mark.parametrize(
    ("table", "row"),
    [
        ("schedconfig", {"cloud": "CERN", "multicloud": "CERN, RU", "copytool": "gfal", "appdir": "/cvmfs/compass"}),
        ("schedconfig", {"catchall": "allow_no_pilot,HPC_HPC", "environ": "A=1 B=x=y", "wntmpdir": "$TMPDIR/x"}),
        ("schedconfig", {"catchall": '{"a": 1}', "minrss": 1, "maxrss": 0}),
        ("schedconfig", {"data": {"acopytools": {"pr": ["rucio", "gfal"]}, "copytools": {"rucio": {}}}}),
        ("siteaccess", {"dn": "CN=Somebody,DC=cern,DC=ch", "pandasite": "CERN_COMPASS"}),
        ("users", {"dn": "/DC=ch/DC=cern/CN=Somebody", "sites": ""}),
    ],
)
def test_what_can_be_meant_is_taken(table, row):
    assert wrong(table, **row) == {}


def test_a_column_that_stays_as_it_is_may_name_what_there_is_not():
    assert wrong("schedconfig", changed=("maxrss",), cloud="GONE", copytool="dccp", maxrss=2000) == {}


def test_a_copy_tool_of_a_plugin_may_be_named():
    known = Known(copytools=COPYTOOLS | {"ours"})
    row = {**TABLES["schedconfig"].fresh(), "copytool": "ours"}
    assert wrong_with("schedconfig", row, known, changed=frozenset({"copytool"}), now=NOW) == []


def test_many_known_ones_are_cut_short():
    known = Known(clouds=frozenset(f"C{number:02}" for number in range(20)))
    row = {**TABLES["schedconfig"].fresh(), "cloud": "XX"}
    ((_, words),) = wrong_with("schedconfig", row, known, changed=frozenset({"cloud"}), now=NOW)
    assert "C14 and 5 others" in words
