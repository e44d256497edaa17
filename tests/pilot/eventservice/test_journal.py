from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.eventservice import journal
from pilot.eventservice.journal import Journal


def test_lines_are_read_as_they_were_written_also_those_of_the_next_pilot(tmp_path):
    first = Journal(tmp_path)
    first.note({"a": 1})
    first.close()
    second = Journal(tmp_path, again=True)
    second.note({"b": 2})
    second.close()
    assert list(journal.lines(tmp_path)) == [{"a": 1}, {"b": 2}]


def test_half_a_line_at_the_end_of_a_dead_pilots_journal_costs_that_line_only(tmp_path):
    first = Journal(tmp_path)
    first.note({"a": 1})
    with (tmp_path / journal.JOURNAL_FILE).open("ab") as file:
        file.write(b'{"half')
    second = Journal(tmp_path, again=True)
    second.note({"b": 2})
    assert list(journal.lines(tmp_path)) == [{"a": 1}, {"b": 2}]
    first.close()
    second.close()


def test_a_link_in_the_journals_place_is_not_followed(tmp_path):
    other = tmp_path / "other"
    other.write_text("mine")
    (tmp_path / journal.JOURNAL_FILE).symlink_to(other)
    with pytest.raises(OSError):  # noqa: PT011  # whatever the kernel calls it
        list(journal.lines(tmp_path))
    Journal(tmp_path).close()
    assert other.read_text() == "mine"


def test_a_journal_that_cannot_be_made_fails_the_job_with_its_code(tmp_path):
    with pytest.raises(JobFailed) as caught:
        Journal(tmp_path / "missing")
    assert caught.value.code is ErrorCode.JOURNAL_UNUSABLE


def test_a_full_disk_fails_the_job_with_its_code(small_disk):
    made = Journal(small_disk)
    (small_disk / "full").write_bytes(b"x" * 60000)
    with pytest.raises(JobFailed) as caught:
        made.note({"words": "x" * 10000})
    assert caught.value.code is ErrorCode.JOURNAL_UNUSABLE
    made.close()


def test_a_journal_that_was_settled_is_gone(tmp_path):
    Journal(tmp_path).close()
    journal.forget(tmp_path)
    journal.forget(tmp_path)
    assert list(tmp_path.iterdir()) == []
