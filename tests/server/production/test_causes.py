"""What made something fail has one name, which is read as it is written."""

from __future__ import annotations

import pytest

from server.production.causes import COLUMNS, Cause, cause_of, of_cause, read_cause, words_of
from server.production.models import Chunk
from server.production.queries import failures
from server.taskbuffer.models import Job


def test_the_component_that_tells_most_gives_the_cause():
    assert cause_of({"pilot_error": 1305, "payload_error": 1243}) == Cause("payload", 1243)
    assert cause_of({"pilot_error": 1305, "payload_error": 0}) == Cause("pilot", 1305)
    assert cause_of({"dispatcher_error": 100, "supervisor_error": 2}) == Cause("dispatcher", 100)
    assert cause_of(dict.fromkeys(COLUMNS.values(), 0)) == Cause()


@pytest.mark.parametrize("text", ["payload:1243", "pilot:1305", "supervisor:1", "none"])
def test_a_cause_is_read_as_it_is_written(text):
    assert str(read_cause(text)) == text


@pytest.mark.parametrize(
    "text", ["", "payload", "payload:", "payload:0", "payload:-1", "payload:x", "moon:1", "pilot:٣"]
)
def test_what_is_no_cause_is_refused(text):
    with pytest.raises(ValueError, match="is no cause; write a component and its code, as payload:1243"):
        read_cause(text)


@pytest.mark.parametrize("source", COLUMNS)
def test_each_component_has_words_for_codes_that_nobody_knows(source):
    words, _ = words_of(Cause(source, 99999999))
    assert words


def test_words_and_advice_are_those_of_the_catalogue():
    words, advice = words_of(Cause("payload", 1243))
    assert "calibration" in words
    assert advice
    assert words_of(Cause("pilot", 1305))[1]
    assert words_of(Cause("dispatcher", 100))[0] == "no heartbeat of the pilot for too long"


def test_rows_are_selected_by_the_cause_of_their_last_job(tasks, pilot):
    from server.production.steps.submit import submit_chunks

    submit_chunks()
    chunks = list(Chunk.objects.filter(task=tasks[0]))
    Job.objects.filter(pk=chunks[0].job_id).update(payload_error=1243, pilot_error=1305)
    Job.objects.filter(pk=chunks[1].job_id).update(pilot_error=1305)
    Chunk.objects.filter(pk=chunks[2].pk).update(job_id=None)

    def found(text: str) -> set[int]:
        return set(of_cause(Chunk.objects.filter(task=tasks[0]), read_cause(text)).values_list("pk", flat=True))

    assert found("payload:1243") == {chunks[0].pk}
    assert found("pilot:1305") == {chunks[1].pk}
    assert found("pilot:1306") == set()
    assert found("none") == {chunk.pk for chunk in chunks[2:]}


def test_what_failed_before_its_job_was_archived_is_told_still(tasks):
    chunk = Chunk.objects.first()
    Chunk.objects.filter(pk=chunk.pk).update(state="manual_check", job_id=987654)
    (group,) = failures.failing()
    assert (str(group.cause), group.manual_check) == ("none", 1)
    assert [one.row for one in failures.samples(group.cause)] == [chunk]
