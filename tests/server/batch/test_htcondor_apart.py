"""What the process apart makes of HTCondor's values, and how it holds a submission for itself."""

from __future__ import annotations

import fcntl

import pytest

from server.batch.base import BatchFailed, BatchMisconfigured
from server.batch.htcondor_apart import LOCK, _alone, _description, _pieces, _values, check_expressions


def test_values_are_told_and_what_is_undefined_or_an_expression_is_not():
    classad2 = pytest.importorskip("classad2")
    ad = classad2.ClassAd('[a = "x"; b = 7; c = 1.5; d = true; e = undefined; f = error; g = 1 + 1; h = {1}]')
    assert _values(ad, "abcdefghi") == {"a": "x", "b": 7, "c": 1.5, "d": True}


@pytest.mark.parametrize("text", ["((", "true) || (true", "a b", "", "1; 2", 'Machine == "open', "x = 1"])
def test_what_is_not_one_whole_expression_is_refused_by_the_name_of_its_option(text):
    pytest.importorskip("classad2")
    with pytest.raises(BatchMisconfigured, match="job options.rank: .* is no expression of ClassAds"):
        check_expressions({"requirements": "true", "rank": text})


@pytest.mark.parametrize(
    "text", ["Memory", 'regexp("^n$(DOLLAR)", Machine)', "a =!= undefined ? 1 : 2", "TARGET.x ?: 0"]
)
def test_expressions_are_taken(text):
    pytest.importorskip("classad2")
    check_expressions({"rank": text})


@pytest.mark.parametrize(
    ("lines", "required"),
    [
        ({}, "(true) && (MY.NumJobStarts ?: 0) == 0"),
        ({"requirements": "a || b"}, "(a || b) && (MY.NumJobStarts ?: 0) == 0"),
        ({"universe": "grid", "requirements": "a"}, "a"),
    ],
)
def test_a_job_requires_never_to_have_been_started_unless_it_is_passed_on(lines, required):
    htcondor2 = pytest.importorskip("htcondor2")
    assert _description(htcondor2, {"executable": "/bin/true", **lines})["requirements"] == required


def test_many_are_told_in_pieces_and_none_in_no_piece():
    found = list(_pieces([{"a": number} for number in range(1001)], ["a"]))
    assert [len(piece) for piece in found] == [500, 500, 1]
    assert list(_pieces([], ["a"])) == []


def test_who_has_a_submission_is_the_only_one(tmp_path):
    (tmp_path / LOCK).touch()
    with (tmp_path / LOCK).open() as door:
        with _alone(tmp_path), pytest.raises(BlockingIOError):
            fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.flock(door, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_submission_that_was_given_up_is_begun_by_nobody(tmp_path):
    with pytest.raises(BatchFailed, match="given up before it began"), _alone(tmp_path / "gone"):
        raise AssertionError
