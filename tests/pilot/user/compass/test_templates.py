"""The language of options templates."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pilot.user.compass.templates import BadTemplate, Must, fill


def filled(text, *inputs, musts=(), **values):
    return fill(text, values, inputs, musts)


def test_placeholders_get_their_values():
    assert filled("run @{run} of @{run}, slot @{slot}\n", run="5", slot="1") == "run 5 of 5, slot 1\n"


def test_a_line_with_an_input_is_written_once_for_each():
    text = "before\nData file @{input} // run @{run}\nafter"
    wanted = "before\nData file a // run 5\nData file b // run 5\nafter"
    assert filled(text, "a", "b", run="5") == wanted
    assert filled("x\nData file @{input}\n") == "x\n"


def test_a_line_with_an_optional_placeholder_is_left_out_without_its_value():
    assert filled("a\nevents to read @{events?}\nb") == "a\nb"
    assert filled("events to read @{events?}", events="9") == "events to read 9"


def test_everything_else_stays_as_it_is():
    text = "${HOME} $RUN {run} name@host @@{run} @ {x} //\t100%\r\n"
    assert filled(text, run="5") == text.replace("@@{", "@{")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n@{rnu}", "line 2: @{rnu} has no value; known are run, input"),
        ("@{Run}", "line 1: '@{Run}' is not a placeholder like @{run}"),
        ("@{}", "'@{}' is not a placeholder"),
        ("@{run", "'@{run' is not a placeholder"),
        ("@{run!}", "is not a placeholder"),
    ],
)
def test_an_unknown_placeholder_is_refused_by_name_and_line(text, words):
    with pytest.raises(BadTemplate) as caught:
        filled(text, run="5")
    assert words in str(caught.value)


def test_a_value_that_counts_and_is_nowhere_used_is_refused_by_name():
    musts = [Must(("mdst",), ("TMPMDSTFILE",)), Must(("events", "limit"))]
    with pytest.raises(BadTemplate, match=r"^@\{mdst\} or \$TMPMDSTFILE is nowhere in it"):
        filled("@{events}", mdst="m", events="5", musts=musts)
    with pytest.raises(BadTemplate, match=r"^@\{events\} or @\{limit\} is nowhere in it"):
        filled("@{mdst}", mdst="m", events="5", musts=musts)
    for way in ("@{mdst} @{events}", "$TMPMDSTFILE @{limit}", "${TMPMDSTFILE} @{events}"):
        assert filled(way, mdst="m", events="5", limit="5", musts=musts).endswith(" 5")
    with pytest.raises(BadTemplate):
        filled("$TMPMDSTFILES @{events}", mdst="m", events="5", musts=musts)


@pytest.mark.parametrize("value", ["", "a b", "a\nb", "a//b", "<b>", "a;b", "$x", "@{run}", '"', "é", "x" * 1025])
def test_a_value_that_programs_would_take_for_something_else_is_refused(value):
    for more in ({"values": {"mdst": value}, "inputs": ()}, {"values": {}, "inputs": (value,)}):
        with pytest.raises(BadTemplate, match="cannot stand in an options file"):
            fill("text", **more)


@given(st.text(max_size=50))
def test_a_text_without_placeholders_is_left_alone(text):
    assert filled(text.replace("@{", "{"), "in", a="VALUE") == text.replace("@{", "{")


@given(st.lists(st.sampled_from(["@{a}", "@{b?}", "@{input}", "@@{", "@", "{a}", "x", "\n"]), max_size=12))
def test_each_line_is_written_once_or_once_per_input_or_left_out(parts):
    lines = "".join(parts).split("\n")
    copies = [
        0 if "@{b?}" in line.replace("@@{", "") else 2 if "@{input}" in line.replace("@@{", "") else 1 for line in lines
    ]
    assert len(filled("\n".join(lines), "in1", "in2", a="A").split("\n")) == max(1, sum(copies))
