from __future__ import annotations

import pytest

from pilot.eventservice.messages import Done, Failed, Hello, Ready, Wrong, read


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("Hello compass 1", Hello()),
        ("Ready for events", Ready()),
        ("Ready for events 5", Ready(5)),
        ("/w/out.root,ID:1-7-2-0-3,CPU:10,WALL:12.5", Done("1-7-2-0-3", "/w/out.root", 10.0, 12.5)),
        ("/w/out.root,ID:1-7,CPU:10:20", Done("1-7", "/w/out.root")),
        ("/w/a,b.root,ID:x,WALL:inf", Done("x", "/w/a,b.root")),
        ("/w/out,ID:x", Done("x", "/w/out")),
        ("ERR_TE_RANGE 1-7-2: it broke: twice", Failed("1-7-2", "ERR_TE_RANGE: it broke: twice")),
        ("ERR_TE_FATAL 1-7-2:", Failed("1-7-2", "ERR_TE_FATAL: ", fatal=True)),
    ],
)
def test_what_payloads_say_is_understood(line, message):
    assert read(line) == message


def test_a_range_is_found_in_what_athenamp_could_not_read():
    line = "ERR_ATHENAMP_PARSE \"u'LFN': u'x',u'eventRangeID': u'1-7-2-0-3',u'startEvent': 5\": Wrong format"
    found = read(line)
    assert isinstance(found, Failed)
    assert found.id == "1-7-2-0-3"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "hello",
        "Ready for events now",
        "Ready for events 0",
        "Ready for events 99999999999",
        "out.root,ID:1,CPU:1,WALL:1",
        "/w/out.root",
        "/w/out,ID:../x,CPU:1",
        "/w/out,ID:,CPU:1",
        "ERR_ nothing",
        "ERR_X",
    ],
)
def test_what_nobody_understands_is_said_so_with_its_words(line):
    found = read(line)
    assert isinstance(found, Wrong)
    assert line[:200] in found.words
