"""The audit of productions has nothing to say of rows and files that are right, and catches what may be wrong."""

from __future__ import annotations

import itertools
from dataclasses import replace

import pytest

from server.production.files import Names
from tests.whole import production_audit as audit
from tests.whole.production_audit import Ordered
from tests.whole.production_rows import (
    Check,
    Chunk,
    Event,
    Group,
    Move,
    Output,
    Production,
    Request,
    Task,
    Transfer,
)
from tests.whole.production_site import Stored

pytestmark = pytest.mark.one_python

RUN = 278473
ORDER = Ordered("data", Names("mass_production", "dvcs", 2016, "P07", "soft", 1, 7), {RUN: 1})
AREA = "data_prod/CERN/2016/P07/soft/mass"
MDST, HIST = f"{AREA}/mDST/mDST-{RUN}-1-7.root", f"{AREA}/histos/histsum-{RUN}-1-7.root"
LOGS = f"{AREA}/logArchive/dvcs-{RUN}-1-7.logs.tar"
SUM = "adler32:00000001"


def output(number: int, path: str, kind: str, tape: str = "finished") -> Output:
    dataset, _, lfn = path.rpartition("/")
    return Output(number, 1, RUN, kind, lfn, dataset, 100, SUM, 20, tape, None, None, number)


def way(*states: str, chunk: int | None = None, group: int | None = None) -> list[Event]:
    return [Event(1, chunk, group, *pair) for pair in itertools.pairwise(states)]


TASK_WAY = way("", "draft", "ready", "jobs_ready", "jobs_ready", "send", "running", "done")
CHUNK_WAY = way("defined", "staged", "sent", "running", "failed", "sent", "running", "finished", chunk=1)
GROUP_WAY = way("ready", "sent", "finished", "manual_check", "ready", "sent", "finished", group=1)
#: The histograms, and the files on their way to tape: the mDST was asked for twice.
TAPE_WAY = way("tape none", "tape ready", "tape sent", "tape ready", "tape sent", "tape finished", group=1)
REST = [
    *way("ready", "sent", "finished", group=2),
    *TAPE_WAY,
    *way("tape none", "tape ready", "tape sent", "tape finished", group=2),
    *way("ready", "sent", "finished", group=3),
    *way("tape none", "tape ready", "tape sent", "tape finished", group=3),
]
#: One run of one chunk: tried again once, merged twice, on tape.
RIGHT = Production(
    tasks=[Task(1, "data", "mass_production", "done", None)],
    chunks=[Chunk(1, 1, RUN, 1, "finished", None, 20)],
    groups=[
        Group(1, 1, RUN, "mdst", 0, "finished", 20, 20),
        Group(2, 1, RUN, "hist", 0, "finished", None, None),
        Group(3, 1, RUN, "logs", 0, "finished", None, None),
    ],
    outputs=[output(1, MDST, "merged_mdst"), output(2, HIST, "merged_histograms"), output(3, LOGS, "packed_logs")],
    checks=[Check(1, RUN, "mdst", "yes", 20, 20)],
    events=[*TASK_WAY, *CHUNK_WAY, *GROUP_WAY, *REST],
    transfers=[Transfer(1, "archive", "verified", "a")],
    moves=[
        Move(1, *pair)
        for pair in [
            ("", "requested"),
            ("requested", "queued"),
            ("queued", "queued"),
            ("queued", "on_disk"),
            ("on_disk", "on_tape"),
            ("on_tape", "verified"),
        ]
    ],
    requests=[Request(1, "archive", "done")],
)
TAPED = {MDST: Stored(100, SUM), HIST: Stored(100, SUM), LOGS: Stored(100, SUM), "raw/a": Stored(1, SUM)}
DISK = {name: stored for name, stored in TAPED.items() if name != "raw/a"}


def all_words(made: Production = RIGHT, taped: dict[str, Stored] = TAPED, disk: dict[str, Stored] = DISK) -> list[str]:
    table = audit.counted(made, {("data", RUN): 20}, {("data", RUN): 20})
    expected = audit.expected_files([ORDER], made)
    return [
        *audit.not_as_ordered([ORDER], made),
        *audit.unfinished(made, {"data": "done"}),
        *audit.unchecked(made),
        *audit.tape_gaps(made, [MDST, HIST, LOGS]),
        *audit.gaps(made),
        *audit.transfer_gaps(made),
        *audit.lost_events(table, made),
        *audit.not_on_tape(expected, made, taped, besides=["raw/a"]),
        *audit.leftovers([ORDER], made, disk),
    ]


def test_a_production_that_is_right_has_no_complaint():
    assert all_words() == []
    assert audit.expected_files([ORDER], RIGHT) == {MDST, HIST, LOGS}


def one(rows, **changes):
    """Change something about the first row."""
    return [rows[0]._replace(**changes), *rows[1:]]


WRONG = {
    "a task is not where it must end": ({"tasks": one(RIGHT.tasks, state="running")}, "task data is running, and not"),
    "a task is not there": ({"tasks": [], "events": [*CHUNK_WAY, *GROUP_WAY, *REST]}, "there is no task data"),
    "a chunk has failed": ({"chunks": one(RIGHT.chunks, state="failed")}, f"chunk 1 of run {RUN} of data is failed"),
    "a group waits": ({"groups": one(RIGHT.groups, state="sent")}, f"mdst merge 0 of run {RUN} of data is sent"),
    "a check says no": ({"checks": one(RIGHT.checks, verdict="manual_check")}, "data says manual_check"),
    "a run was not checked": ({"checks": []}, f"run {RUN} of data has no check of its mDSTs"),
    "a chunk has no history": ({"events": [*TASK_WAY, *GROUP_WAY, *REST]}, "its moves end with defined"),
    "a chunk's first move is missing": (
        {"events": [*TASK_WAY, *CHUNK_WAY[1:], *GROUP_WAY, *REST]},
        "it was defined, and the next move is from staged to sent",
    ),
    "a move in the middle is missing": (
        {"events": [*TASK_WAY, *CHUNK_WAY[:3], *CHUNK_WAY[4:], *GROUP_WAY, *REST]},
        "it was running, and the next move is from failed to sent",
    ),
    "a chunk's last move is missing": (
        {"events": [*TASK_WAY, *CHUNK_WAY[:-1], *GROUP_WAY, *REST]},
        "is finished, and its moves end with running",
    ),
    "a group's moves are in another order": (
        {"events": [*TASK_WAY, *CHUNK_WAY, *reversed(GROUP_WAY), *REST]},
        "it was ready, and the next move is from sent to finished",
    ),
    "a move is in no table": (
        {"events": [*way("draft", "done"), *CHUNK_WAY, *GROUP_WAY, *REST]},
        "task data: there is no move from draft to done",
    ),
    "a file's way to tape has a gap": (
        {"moves": [*RIGHT.moves[:3], *RIGHT.moves[4:]]},
        "archive 1 of a: it was queued, and the next move is from on_disk to on_tape",
    ),
    "a file's way to tape has no beginning": ({"moves": RIGHT.moves[1:]}, "archive 1 of a has no beginning"),
    "a request is open": ({"requests": one(RIGHT.requests, state="open")}, "request 1 (archive) is open"),
    "a move to tape is missing": (
        {"events": [*TASK_WAY, *CHUNK_WAY, *GROUP_WAY, *REST[:2], *TAPE_WAY[:2], *TAPE_WAY[3:], *REST[-8:]]},
        f"mDST-{RUN}-1-7.root on its way to tape: it was tape sent, and the next move is from tape ready to tape sent",
    ),
    "a file has no history of its way to tape": (
        {"events": [*TASK_WAY, *CHUNK_WAY, *GROUP_WAY, *REST[:2], *TAPE_WAY, *REST[-5:]]},
        f"histsum-{RUN}-1-7.root on its way to tape is tape finished, and its moves end with tape none",
    ),
    "a file has no row": ({"outputs": [RIGHT.outputs[0], RIGHT.outputs[2]]}, f"{HIST} is on tape, and in no row"),
    "a file is not said to be on tape": (
        {"outputs": one(RIGHT.outputs, tape="sent")},
        f"{MDST} is said to be sent on its way to tape",
    ),
    "a file has another checksum": ({"outputs": one(RIGHT.outputs, checksum="adler32:2")}, f"{MDST} has 100 bytes"),
    "a file that is there is said to be removed": (
        {"outputs": one(RIGHT.outputs, removed="now")},
        f"{MDST} is on the disk, and its row says something else",
    ),
    "a file that is not there is not said to be removed": (
        {"outputs": [*RIGHT.outputs, output(4, f"{AREA}/mDST.chunks/a", "mdst")]},
        f"{AREA}/mDST.chunks/a is not on the disk, and its row says something else",
    ),
    "a chunk made too many events": ({"chunks": one(RIGHT.chunks, done=21)}, "21 events were made of 20"),
    "a chunk lost an event": ({"chunks": one(RIGHT.chunks, done=19)}, "its chunks have 19 events, on tape there are"),
    "a run was made that nobody ordered": (
        {"chunks": [*RIGHT.chunks, Chunk(2, 1, 5, 1, "finished", None, 3)]},
        "run 5 of data was not ordered",
    ),
    "a chunk is missing": ({"chunks": []}, f"run {RUN} of data has 0 chunks, [], and 1 were ordered"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_wrong_in_the_rows_is_told(wrong):
    changes, words = WRONG[wrong]
    assert any(words in each for each in all_words(replace(RIGHT, **changes))), all_words(replace(RIGHT, **changes))


@pytest.mark.parametrize(
    ("taped", "words"),
    [
        ({name: stored for name, stored in TAPED.items() if name != HIST}, f"{HIST} is not on tape"),
        ({**TAPED, MDST: Stored(99, SUM)}, f"{MDST} has 99 bytes"),
        ({**TAPED, MDST: Stored(100, "adler32:00000002")}, f"{MDST} has 100 bytes, adler32:00000002 on tape"),
        ({**TAPED, "x/y": Stored(1, SUM)}, "x/y is on tape, and nobody wants it there"),
        ({name: stored for name, stored in TAPED.items() if name != "raw/a"}, "raw/a has gone from the tape"),
    ],
)
def test_what_is_wrong_on_tape_is_told(taped, words):
    assert any(words in each for each in all_words(taped=taped)), all_words(taped=taped)


def test_what_is_left_on_disk_and_results_that_have_gone_are_told():
    packing = f"{AREA}/logFiles/dvcs-merge-logs-{RUN}-1-7-ch000.job.log.tgz"
    left = {**DISK, "a/b": TAPED[MDST], packing: TAPED[MDST], f"{packing}.2": TAPED[MDST]}
    assert all_words(disk=left) == ["a/b is left on the disk"]
    gone = {name: stored for name, stored in DISK.items() if name != HIST}
    assert f"{HIST} has gone from the disk" in all_words(disk=gone)


def test_logs_of_tries_that_came_to_nothing_may_be_left_and_others_not():
    log = output(5, f"{AREA}/logFiles/a.job.log.tgz.2", "log", tape="")._replace(removed="now")
    made = replace(RIGHT, outputs=[*RIGHT.outputs, log])
    names = {f"{AREA}/logFiles/{name}" for name in ("a.job.log.tgz", "a.job.log.tgz.3")}
    assert audit.former_logs(made, {*names, f"{AREA}/logFiles/b.job.log.tgz", f"{AREA}/logFiles/{log.lfn}"}) == names
    assert list(audit.leftovers([ORDER], made, {**DISK, **dict.fromkeys(names, TAPED[MDST])})) == []
    words = f"{AREA}/logFiles/{log.lfn} is left on the disk"
    assert words in list(audit.leftovers([ORDER], made, {**DISK, f"{AREA}/logFiles/{log.lfn}": TAPED[MDST]}))


def test_a_log_that_is_in_no_packed_file_is_told():
    log = output(5, "logFiles/a.job.log.tgz", "log", tape="")._replace(group=1)
    own = output(6, "logFiles/b.job.log.tgz", "log", tape="")._replace(group=3)
    made = replace(RIGHT, outputs=[*RIGHT.outputs, log, own])
    assert list(audit.missing_logs(made, {("data", RUN): ["a.job.log.tgz"]})) == []
    assert list(audit.missing_logs(made, {})) == [f"a.job.log.tgz is not in the packed logs of run {RUN} of data"]


def test_a_generation_that_makes_less_than_was_ordered_is_told():
    generation = replace(RIGHT, tasks=one(RIGHT.tasks, type="mc_generation"), groups=(), checks=())
    table = audit.counted(generation, {("data", RUN): 21}, {("data", RUN): 20})
    assert list(audit.lost_events(table, generation)) == [f"run {RUN} of data: 21 events were ordered, 20 were made"]


def test_merged_files_that_hold_less_than_the_chunks_made_are_told():
    table = audit.counted(RIGHT, {("data", RUN): 20}, {("data", RUN): 19})
    words = f"run {RUN} of data: its chunks have 20 events, on tape there are 19"
    assert list(audit.lost_events(table, RIGHT)) == [words]


def test_what_a_person_has_accepted_may_be_missing_and_not_one_event_more():
    accepted = replace(RIGHT, checks=[check._replace(verdict="accepted", found=19) for check in RIGHT.checks])
    for out, complaints in ((19, 0), (18, 1), (20, 1)):
        table = audit.counted(RIGHT, {("data", RUN): 20}, {("data", RUN): out})
        assert len(list(audit.lost_events(table, accepted))) == complaints


def test_a_dump_is_expected_where_events_were_dumped_and_one_file_for_each_chunk_of_a_generation():
    dump = output(4, f"{AREA}/evtdump/slot1/evtdump1-1-{RUN}.raw", "dump")
    dumped = replace(RIGHT, outputs=[*RIGHT.outputs, dump])
    assert f"{AREA}/mergedDump/slot1/evtdump1-{RUN}.raw" in audit.expected_files([ORDER], dumped)
    names = replace(ORDER.names, type="mc_generation")
    files = audit.expected_files([Ordered("gen", names, {RUN: 2})], RIGHT)
    folder = "mc_prod/CERN/2016/P07/soft/mcgen"
    events = {f"{folder}/mcr0000{n}-{RUN}_run000.tgeant" for n in (1, 2)}
    assert files == {*events, f"{folder}/logArchive/dvcs-{RUN}-1-7.logs.tar"}
