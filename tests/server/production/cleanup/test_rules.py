"""What may be removed is what lies on tape in another form, of tasks that are over; everything else is kept."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from server.production.cleanup.rules import (
    CLOSED_CHUNKS,
    MERGED_BY,
    REMOVABLE,
    Failed,
    Group,
    Owner,
    Portion,
    RunFacts,
    after_failure,
    kept_because,
)
from server.production.states import ChunkState, GroupState, OutputKind, TaskState, TaskType, Verdict

pytestmark = pytest.mark.one_python

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
OWNER = Owner(TaskType.MASS, TaskState.ARCHIVED, "TAPE")
RUN = RunFacts(checks={"mdst": "yes", "dump": "yes"})


def files(kind: OutputKind, **more) -> Portion:
    said = {"group": 1, "empty": False, "safe": False, "files": 3, "size": 30, **more}
    return Portion(kind, said.pop("endpoint", "DISK"), 1, **said)


def group(kind: OutputKind, **more) -> Group:
    return replace(Group(MERGED_BY[kind], GroupState.FINISHED, True), **more)


@pytest.mark.parametrize("kind", list(MERGED_BY))
def test_what_is_merged_or_packed_on_tape_and_checked_may_go(kind):
    assert kept_because(OWNER, RUN, group(kind), files(kind)) == ""


@pytest.mark.parametrize("kind", list(MERGED_BY))
def test_what_lies_nowhere_else_is_kept(kind):
    assert kept_because(OWNER, RUN, group(kind, safe=False), files(kind)).endswith("file is not on tape")
    assert kept_because(OWNER, RUN, None, files(kind, group=None)).startswith("it went into no ")


@pytest.mark.parametrize("kind", list(MERGED_BY))
@pytest.mark.parametrize("state", [state for state in GroupState if state is not GroupState.FINISHED])
def test_a_merge_that_is_not_finished_keeps_its_files(kind, state):
    assert kept_because(OWNER, RUN, group(kind, state=state), files(kind)) == "its merge is not finished"


def test_a_file_that_went_into_another_kind_of_merge_is_kept():
    words = kept_because(OWNER, RUN, group(OutputKind.DUMP), files(OutputKind.MDST))
    assert words == "it went into a merge of another kind"


@pytest.mark.parametrize("verdict", list(Verdict))
def test_checks_of_a_merge_must_have_passed_or_been_accepted(verdict):
    run = RunFacts(checks={"mdst": "yes", "dump": verdict})
    passed = verdict in (Verdict.YES, Verdict.ACCEPTED)
    words = kept_because(OWNER, run, group(OutputKind.DUMP), files(OutputKind.DUMP))
    assert words == ("" if passed else "its run's check of bytes in event dumps has not passed")
    events = RunFacts(checks={"mdst": verdict, "dump": "yes"})
    for kind in (OutputKind.MDST, OutputKind.HISTOGRAMS, OutputKind.DUMP):
        assert (kept_because(OWNER, events, group(kind), files(kind)) == "") is passed
    # Logs have no check.
    assert kept_because(OWNER, RunFacts(), group(OutputKind.LOG), files(OutputKind.LOG)) == ""


def test_a_check_that_was_never_made_has_not_passed():
    assert "has not passed" in kept_because(OWNER, RunFacts(), group(OutputKind.MDST), files(OutputKind.MDST))


@pytest.mark.parametrize("kind", [kind for kind in OutputKind if kind not in REMOVABLE])
def test_results_are_kept(kind):
    assert kept_because(OWNER, RUN, None, files(kind, group=None, safe=True)) == "it is a result"


def test_rich_files_merged_files_and_packed_logs_are_results():
    kept = {kind.value for kind in OutputKind if kind not in REMOVABLE}
    assert kept == {"rich", "merged_mdst", "merged_histograms", "merged_dump", "packed_logs"}


@pytest.mark.parametrize("state", [state for state in TaskState if state is not TaskState.ARCHIVED])
@pytest.mark.parametrize("kind", list(MERGED_BY))
def test_only_of_archived_tasks_anything_is_removed(state, kind):
    assert kept_because(replace(OWNER, state=state), RUN, group(kind), files(kind)) == "its task is not archived"


@pytest.mark.parametrize("kind", list(MERGED_BY))
def test_without_a_tape_or_with_a_persons_wish_nothing_is_removed(kind):
    assert kept_because(replace(OWNER, tape=""), RUN, group(kind), files(kind)) == "its task has no tape"
    words = kept_because(replace(OWNER, kept="ada: for a study"), RUN, group(kind), files(kind))
    assert words == "its task is to be kept: ada: for a study"


@pytest.mark.parametrize("kind", list(MERGED_BY))
def test_nothing_is_removed_from_the_storage_with_the_tapes_nor_of_a_run_that_is_open(kind):
    assert "which has the tapes" in kept_because(OWNER, RUN, group(kind), files(kind, endpoint="TAPE"))
    assert kept_because(OWNER, replace(RUN, open=True), group(kind), files(kind)) == "something of its run is open"


def test_empty_dumps_that_are_in_no_merge_may_go_when_the_runs_dumps_were_checked():
    marker = files(OutputKind.DUMP, group=None, empty=True)
    assert kept_because(OWNER, RUN, None, marker) == ""
    unchecked = RunFacts(checks={"mdst": "yes"})
    assert "is empty" in kept_because(OWNER, unchecked, None, marker)
    assert kept_because(OWNER, RUN, None, replace(marker, kind=OutputKind.MDST)) == "it went into no merged file"


@pytest.mark.parametrize(
    ("children", "safe", "words"),
    [
        (["archived"], True, ""),
        (["archived", "cancelled"], True, ""),
        (["archived"], False, "it is not on tape"),
        ([], True, "no task that reads it is archived"),
        (["cancelled"], True, "no task that reads it is archived"),
        (["archived", "done"], True, "a task that reads it is not over"),
        (["archived", "finished"], True, "a task that reads it is not over"),
        (["archived", "draft"], True, "a task that reads it is not over"),
    ],
)
def test_generated_events_go_when_they_are_on_tape_and_nobody_reads_them_any_more(children, safe, words):
    owner = Owner(TaskType.MC_GENERATION, TaskState.ARCHIVED, "TAPE", children=children)
    portion = files(OutputKind.GENERATED, group=None, safe=safe)
    assert kept_because(owner, RunFacts(), None, portion) == words


def test_failures_are_followed_by_other_requests_later_each_time_and_not_for_ever():
    said = {"allowed": 3, "delay": 600, "words": "no", "now": NOW}
    assert after_failure(1, given_up=False, **said).due == NOW + timedelta(seconds=600)
    assert after_failure(2, given_up=False, **said).due == NOW + timedelta(seconds=1200)
    words = "after 3 requests: no; when that is mended, ask again by 'compass task clean'"
    assert after_failure(3, given_up=False, **said) == Failed(None, words)
    assert after_failure(1, given_up=True, **said).due is None
    assert after_failure(60, given_up=False, **{**said, "allowed": 99}).due == NOW + timedelta(days=1)


def test_chunks_that_failed_are_not_at_their_end():
    assert set(CLOSED_CHUNKS) == {ChunkState.FINISHED, ChunkState.CANCELLED}
