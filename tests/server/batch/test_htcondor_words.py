"""HTCondor's submit language: values stay values, whatever they hold."""

from __future__ import annotations

import pytest

from server.batch.base import BatchMisconfigured
from server.batch.htcondor_words import arguments, environment, literal, plain, quoted, reason, refuse_odd_text


@pytest.mark.parametrize(
    "text",
    [
        "a\nqueue 7",
        "a\rb",
        "a\0b",
        "a\x7fb",
        "a\x85b",
        "a\u2028b",
        "a\udcffb",
        "joins the next line\\",
        "$$(Arch)",
        "a$$b",
    ],
)
def test_what_would_not_stay_in_its_line_or_what_it_is_is_refused(text):
    with pytest.raises(BatchMisconfigured, match="^batch system htcondor: where: "):
        refuse_odd_text("where", text)


@pytest.mark.parametrize("text", ["", "a b", "é µ 日", "a\\b", "#no comment", "a = b", "x$y"])
def test_other_text_is_taken(text):
    refuse_odd_text("where", text)


def test_nothing_in_a_text_is_expanded():
    assert plain("where", "$HOME $(ClusterId) $ENV(X)") == "$(DOLLAR)HOME $(DOLLAR)(ClusterId) $(DOLLAR)ENV(X)"


def test_a_text_of_classads_has_its_quotes_marked_and_no_backslash():
    assert quoted("where", 'a "b" $c') == '"a \\"b\\" $(DOLLAR)c"'
    with pytest.raises(BatchMisconfigured, match="backslash"):
        quoted("where", 'a\\" || true || "')


@pytest.mark.parametrize(
    ("said", "written"),
    [
        (7, "7"),
        ("7", "7"),
        ("-1.5e3", "-1.5e3"),
        ("True", "true"),
        (False, "false"),
        ("long", '"long"'),
        ('"7"', '"7"'),
        ('a "b"', '"a \\"b\\""'),
        ("1 || true", '"1 || true"'),
        ("", '""'),
    ],
)
def test_a_value_is_a_number_a_truth_or_text_and_never_an_expression(said, written):
    assert literal("where", said) == written


def test_arguments_come_to_the_program_as_they_are():
    assert arguments(["-c", "it's", 'a "b"', "", "$x"]) == "\"'-c' 'it''s' 'a \"\"b\"\"' '' '$(DOLLAR)x'\""
    assert arguments([]) == '""'


def test_variables_come_as_they_are_and_ours_have_what_htcondor_fills_in():
    written = environment({"A": "it's $x", "B": ""}, {"ID": "k/$(ClusterId)"})
    assert written == "\"'A=it''s $(DOLLAR)x' 'B=' 'ID=k/$(ClusterId)'\""


@pytest.mark.parametrize("name", ["A B", "", "1A", "A=B", "A\n"])
def test_what_is_no_name_of_a_variable_is_refused(name):
    with pytest.raises(BatchMisconfigured, match="name of a variable"):
        environment({name: "x"}, {})


@pytest.mark.parametrize(
    ("number", "words"),
    [("-2", "MAX_JOBS_SUBMITTED"), ("-3", "MAX_JOBS_PER_OWNER"), ("-4", "MAX_JOBS_PER_SUBMISSION"), ("-9", "says -9")],
)
def test_a_schedd_that_takes_no_more_jobs_is_told_by_its_limit(number, words):
    error = f"expected next ProcId to be 39, but Schedd says {number}"
    assert words in reason(error, "")
    assert reason(error, "").startswith("the schedd takes no more jobs: ")


def test_a_failure_is_told_with_what_was_written_of_it_without_its_time_and_not_without_end():
    written = "11/22/26 18:45:27 SECMAN: required authentication failed\n\n11/22/26 18:45:27 ERROR: no token\n"
    told = "Failed communication. SECMAN: required authentication failed ERROR: no token"
    assert reason("Failed communication.\n", written) == told
    assert len(reason("x" * 5000, "")) < 700
