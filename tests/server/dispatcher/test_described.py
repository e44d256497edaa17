"""Jobs are described in PanDA's columns; what is said of them elsewhere agrees."""

from __future__ import annotations

from server.dispatcher.columns import FILE_COLUMNS, JOB_COLUMNS
from server.dispatcher.described import OF_HANDED, OF_ROW, described, in_order
from server.monitor import jobs as pages
from tests.server import jobs


def test_every_column_is_there_and_what_nobody_knows_is_null_or_0(queue):
    (number,) = jobs.submit(cores=4, memory=2**30, arguments=("a b",), release="r1", priority=5)
    told = described([number, 999])[number]
    assert set(told) == {*JOB_COLUMNS, "Files"}
    assert (told["coreCount"], told["minRamCount"], told["jobParameters"]) == (4, 1024, "'a b'")
    assert (told["AtlasRelease"], told["grid"], told["pilotErrorCode"], told["startTime"]) == ("r1", "NULL", 0, "NULL")
    assert [(file["lfn"], file["type"], file["fsize"]) for file in told["Files"]] == [
        ("out.root", "output", "NULL"),
        ("job.log.tgz", "log", "NULL"),
    ]


def test_in_order_it_is_as_long_as_pandas(queue):
    (number,) = jobs.submit()
    *columns, files = in_order(described([number])[number])
    assert len(columns) == len(JOB_COLUMNS)
    assert [len(file) for file in files] == [len(FILE_COLUMNS) + 1] * 2
    assert columns[JOB_COLUMNS.index("creationTime")].tzinfo is None


def test_the_columns_are_those_of_pandas_and_the_pages_call_them_alike():
    assert (len(JOB_COLUMNS), len(FILE_COLUMNS)) == (126, 18)
    assert set(OF_ROW) | set(OF_HANDED) <= set(JOB_COLUMNS)
    both = set(OF_ROW) & set(pages._COLUMNS)
    assert len(both) > 20
    assert {name: OF_ROW[name] for name in both} == {name: pages._COLUMNS[name] for name in both}
