"""Files go to tape when they are right, are on tape when that is verified, and are made again where they vanished."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from pilot.contract.queue import local_storage
from server.dataservice import logic
from server.dataservice.models import DatasetFile, Replica, Transfer, TransferRequest
from server.dataservice.states import DatasetKind
from server.pandaconfig.logic import define_storage
from server.pandaconfig.models import StorageEndpoint
from server.production import logic as production
from server.production.archive.queries import requests_of, tape_counts, waits
from server.production.models import Chunk, CrossCheck, MergeGroup, Output, Task, TaskEvent
from server.production.queries import task_json
from server.production.steps import archive, check_archive, finish
from server.storage.base import Found, Locality
from tests.server.dataservice.conftest import World, nothing
from tests.server.production.conftest import define_data, reload, turn, work

pytestmark = pytest.mark.one_python

MDST = "mDST-278473-1-7.root"


class Site(World):
    """The storages, with the files that jobs say to have stored on them."""

    def follow(self) -> int:
        changed = super().follow()
        for one in Replica.objects.filter(endpoint="DISK", state="available").select_related("file"):
            if one.path not in self.disk.files and (one.file.pk, one.file.job) not in self.taken:
                self.disk.put(one.path, size=one.file.size, checksum=one.file.checksum)
        return changed

    taken: set = set()

    def lose(self, lfn: str) -> None:
        """Let a file vanish from its disk, and the catalogue know nothing of it."""
        file = DatasetFile.objects.get(lfn=lfn)
        self.taken = {*self.taken, (file.pk, file.job)}
        self.disk.files.pop(Replica.objects.get(file=file, endpoint="DISK").path, None)

    def archive(self) -> int:
        return archive.archive_files(now=self.now, keep=nothing, rims=self.rims)

    def check(self) -> int:
        return check_archive.check_archive(now=self.now)

    def copy(self, *, migrate: bool = True) -> None:
        """Let the data service bring to tape what was asked for."""
        self.later(seconds=30).submit()
        self.remove()
        self.porter.work()
        self.later(seconds=30).poll()
        self.migrate() if migrate else None
        self.look()
        self.later(minutes=6).look()

    def migrate(self) -> None:
        for path, found in self.tape.files.items():
            self.tape.files[path] = Found(found.size, Locality.TAPE, found.checksum)


@pytest.fixture
def site(queue, settings) -> Site:
    settings.DATASERVICE = {"delay": 60, "poll_every": 1, "tries": 2}
    define_storage("TAPE", local_storage("TAPE", "/TAPE"))
    return Site(now=timezone.now())


#: The merged files of a run: kind of the merge, kind of the file, its name.
MERGED = (("mdst", "merged_mdst", MDST), ("hist", "merged_histograms", "histsum"), ("dump", "merged_dump", "evtdump"))


def make(site: Site, number: int = 0) -> Task:
    """Write down a production of one run, merged and checked, whose files are registered."""
    names = {"name": f"other {number}", "slot": number} if number else {}
    task = define_data(runs=1, chunks=1, tape="TAPE", **names)
    Task.objects.filter(pk=task.pk).update(state="running")
    run = task.runs.get()
    task.chunks.update(state="finished", attempts=1)
    dataset = logic.register_dataset(f"merged {number}", kind=DatasetKind.OUTPUT, by="test", now=site.now)
    files = [logic.NewFile(lfn, size=10, checksum="adler32:0000000a") for _, _, lfn in MERGED]
    known = logic.add_files(dataset, files, by="test", endpoint="DISK", now=site.now)
    site.disk.put(*[f"merged {number}/{lfn}" for _, _, lfn in MERGED])
    for key, (kind, output, lfn) in zip(known, MERGED, strict=True):
        DatasetFile.objects.filter(pk=key).update(job_file=key)
        group = MergeGroup.objects.create(task=task, run=run, kind=kind, number=0, state="finished", attempts=1)
        said = {"size": 10, "checksum": "adler32:0000000a", "job_file_id": key, "endpoint": "DISK"}
        Output.objects.create(task=task, run=run, group=group, kind=output, lfn=lfn, dataset=dataset.name, **said)
    for kind in ("mdst", "dump"):
        CrossCheck.objects.create(task=task, run=run, kind=kind, verdict="yes", at=site.now)
    return reload(task)


@pytest.fixture
def task(site) -> Task:
    return make(site)


@pytest.fixture
def worked(site, pilot) -> Task:
    """The same, made by a pilot that goes on."""
    made = define_data(runs=1, chunks=2, tape="TAPE")
    work(pilot)
    site.follow()
    return reload(made)


def merged(**where) -> list:
    rows = Output.objects.filter(group__isnull=False, **where).exclude(kind="log").order_by("kind")
    return list(rows)


def states() -> dict[str, str]:
    return {file.kind: file.tape for file in merged()}


def all_are(state: str) -> bool:
    return {file.tape for file in merged()} == {state}


def on_tape(site: Site) -> None:
    site.archive()
    site.copy()
    site.check()


def test_a_file_that_the_catalogue_still_expects_has_not_vanished(site, task):
    # Its job's end was read by the production, and not by the data service yet.
    DatasetFile.objects.filter(lfn=MDST).update(state="expected")
    Replica.objects.filter(file__lfn=MDST).delete()
    site.archive()
    assert states()["merged_mdst"] == "ready"
    assert set(MergeGroup.objects.values_list("state", flat=True)) == {"finished"}


def test_merged_and_checked_files_go_to_tape_and_only_then_the_task_is_done(site, task):
    assert task.state == "running"
    assert site.archive() == 6  # ready, and sent
    assert all_are("sent")
    request = TransferRequest.objects.get()
    assert (request.kind, request.endpoint, request.files) == ("archive", "TAPE", 3)
    finish.finish_tasks()
    assert reload(task).state == "running"
    assert site.check() == 0
    site.copy(migrate=False)
    assert site.check() == 0  # copied, and on no tape yet
    site.migrate()
    site.later(minutes=10).look()
    assert site.check() == 3
    assert all_are("finished")
    assert {file.tape_words for file in merged()} == {""}
    finish.finish_tasks()
    assert reload(task).state == "done"
    file = merged(kind="merged_mdst")[0]
    moves = TaskEvent.objects.filter(group=file.group, after__startswith="tape").order_by("id")
    assert list(moves.values_list("before", "after")) == [
        ("tape none", "tape ready"),
        ("tape ready", "tape sent"),
        ("tape sent", "tape finished"),
    ]
    notes = TaskEvent.objects.filter(task=task, group=None, chunk=None, after__startswith="tape").order_by("id")
    assert [note.words for note in notes] == [
        f"3 files asked for on tape at TAPE: request {request.pk}",
        f"request {request.pk}: 3 of 3 files are on tape",
    ]
    assert site.archive() == 0


def test_nothing_goes_to_tape_before_its_check_has_passed_or_was_accepted(site, task):
    CrossCheck.objects.filter(kind="mdst").update(verdict="manual_check")
    site.archive()
    assert states() == {"merged_mdst": "", "merged_histograms": "", "merged_dump": ""}
    CrossCheck.objects.filter(kind="mdst").update(verdict="accepted")
    CrossCheck.objects.filter(kind="dump").update(verdict="no")
    site.archive()
    assert states() == {"merged_mdst": "sent", "merged_histograms": "sent", "merged_dump": ""}


def test_a_file_that_the_data_service_has_not_registered_waits_and_holds_up_no_other(site, task):
    DatasetFile.objects.filter(lfn=MDST).update(job_file=None)
    site.archive()
    assert states() == {"merged_mdst": "ready", "merged_histograms": "sent", "merged_dump": "sent"}


def test_each_task_sends_so_many_files_in_one_cycle(site, settings):
    settings.PRODUCTION = {"archive_files": 2}
    make(site)
    make(site, 1)
    site.archive()
    assert list(TransferRequest.objects.values_list("files", flat=True)) == [2, 2]
    site.archive()
    assert all_are("sent")


def test_what_fails_is_asked_for_again_later_each_time_and_not_for_ever(site, task, settings):
    settings.PRODUCTION = {"archive_attempts": 3, "archive_delay": 40_000}
    site.porter.work = lambda: [
        site.porter.done.update({key: {} for key in site.porter.done})
    ]  # the mover forgets all that it was asked for
    waits = [timedelta(seconds=40_000), timedelta(seconds=80_000)]
    site.archive()
    for number, wait in enumerate(waits, 1):
        for _ in range(3):
            site.later(hours=1)
            site.submit()
            site.porter.work()
            site.later(seconds=30).poll()
        assert site.check() == 3
        assert all_are("ready")
        assert merged()[0].tape_words.startswith(f"request {number} of 3 failed: request ")
        site.later(seconds=wait.total_seconds() - 60)
        assert site.archive() == 0
        site.later(seconds=120)
        assert site.archive() == 3  # though days have passed over more than one midnight
    for _ in range(3):
        site.later(hours=1)
        site.submit()
        site.porter.work()
        site.later(seconds=30).poll()
    assert site.check() == 3
    assert all_are("failed")
    assert merged()[0].tape_attempts == 3
    assert merged()[0].tape_words.startswith("after 3 requests: ")
    site.later(days=30)
    assert site.archive() == 0
    finish.finish_tasks()
    assert reload(task).state == "running"


def test_what_cannot_even_be_asked_for_has_failed_after_its_tries_and_says_why(site, task, settings):
    settings.PRODUCTION = {"archive_attempts": 2, "archive_delay": 600}
    StorageEndpoint.objects.filter(name="TAPE").delete()
    assert site.archive() == 3  # ready
    assert merged()[0].tape_attempts == 1
    (line,) = [line for line in waits(task, site.now) if "again" in line]
    assert "it cannot be asked for: endpoint: 'TAPE' is not known here" in line
    assert site.archive() == 0
    site.later(seconds=601)
    assert site.archive() == 0
    assert all_are("failed")
    assert merged()[0].tape_words.startswith("after 2 requests: it cannot be asked for: endpoint: 'TAPE' is not known")


def test_a_source_that_vanished_is_merged_and_checked_anew_and_then_archived(site, worked, pilot):
    before = Output.objects.get(lfn=MDST)
    site.lose(MDST)
    site.archive()
    assert states() == {"merged_mdst": "", "merged_histograms": "sent", "merged_dump": "sent"}
    group = MergeGroup.objects.get(kind="mdst")
    assert (group.state, group.number, group.attempts) == ("ready", 0, 1)
    assert group.words == f"its merged mDST {MDST} was not on tape yet: it is not on DISK any more: it is merged again"
    assert not CrossCheck.objects.filter(kind="mdst").exists()
    work(pilot)
    site.follow()
    after = Output.objects.get(lfn=MDST)
    assert after.pk == before.pk
    assert after.job_file_id != before.job_file_id
    assert CrossCheck.objects.get(kind="mdst").verdict == "yes"
    assert (MergeGroup.objects.get(kind="mdst").number, after.tape_words) == (0, "")
    on_tape(site)
    assert all_are("finished")


def test_what_vanishes_again_and_again_waits_for_a_person(site, task):
    MergeGroup.objects.update(attempts=5)
    site.lose(MDST)
    site.archive()
    group = MergeGroup.objects.get(kind="mdst")
    assert group.state == "manual_check"
    assert group.words.endswith("it has used its 5 attempts; look for the file, then send it again")
    assert Output.objects.get(lfn=MDST).tape == ""


def test_where_nothing_at_all_is_there_only_one_file_is_made_again(site, task):
    for file in merged():
        site.lose(file.lfn)
    site.archive()
    assert sorted(states().values()) == ["", "ready", "ready"]
    assert MergeGroup.objects.filter(state="ready").count() == 1


def test_a_storage_that_is_silent_changes_nothing(site, task):
    site.disk.silent = True
    site.archive()
    assert all_are("ready")
    assert {file.tape_attempts for file in merged()} == {0}
    site.disk.silent = False
    site.archive()
    assert all_are("sent")


def test_files_of_a_silent_storage_let_others_come_first(site, task, settings):
    settings.PRODUCTION = {**settings.PRODUCTION, "archive_files": 1}
    site.disk.silent = True
    asked = []
    for _ in range(3):
        first = Output.objects.filter(tape="ready").order_by("tape_since", "pk").values_list("pk", flat=True).first()
        site.later(seconds=20).archive()
        asked.append(first)
    assert len(set(asked[1:])) == 2
    assert {file.tape_attempts for file in merged()} == {0}


def test_a_merge_that_is_made_again_takes_the_place_of_its_old_copy_on_tape(site, worked, pilot):
    on_tape(site)
    assert all_are("finished")
    old = Replica.objects.get(file__lfn=MDST, endpoint="TAPE")
    MergeGroup.objects.filter(kind="mdst").update(state="ready", job_id=None)
    CrossCheck.objects.filter(kind="mdst").delete()
    work(pilot)
    site.disk.files.clear()
    site.follow()
    file = Output.objects.get(lfn=MDST)
    assert (file.tape, file.tape_attempts) == ("", 0)
    site.archive()
    file.refresh_from_db()
    assert file.tape == "ready"
    assert file.tape_words == f"what lies at TAPE under its name is removed first: request {file.tape_request}"
    assert TransferRequest.objects.get(pk=file.tape_request).kind == "delete"
    site.archive()
    assert Output.objects.get(lfn=MDST).tape == "ready"
    site.remove()
    assert old.path not in site.tape.files
    site.later(hours=1).archive()
    assert Output.objects.get(lfn=MDST).tape == "sent"
    site.copy()
    site.check()
    assert all_are("finished")


def test_what_was_given_up_is_not_asked_for_again_by_itself(site, task):
    site.archive()
    logic.give_up(TransferRequest.objects.get(), by="shift", why="the robot was sold", now=site.now)
    assert site.check() == 3
    assert all_are("failed")
    assert merged()[0].tape_words.endswith(
        "given up by shift: the robot was sold; when that is mended, ask for it again"
    )


def test_generated_events_go_to_tape_and_are_made_again_where_they_vanished(site, tasks, pilot):
    Task.objects.update(tape="TAPE")
    turn()
    pilot.run(2)
    turn()
    site.follow()
    site.archive()
    assert Output.objects.filter(kind="generated", tape="sent").count() == 2
    turn()
    pilot.run(1)
    turn()
    site.follow()
    file = Output.objects.filter(kind="generated", tape="").latest("pk")
    site.disk.put("other")
    site.lose(file.lfn)
    site.archive()
    chunk = Chunk.objects.get(pk=file.chunk_id)
    assert (chunk.state, chunk.attempts) == ("staged", 1)
    assert chunk.words.endswith("it is not on DISK any more: it is made again")


def test_a_file_that_lies_on_tape_with_the_right_bytes_already_is_only_compared(site, task):
    file = DatasetFile.objects.get(lfn=MDST)
    logic.request_archive([file.pk], "TAPE", "manager", now=site.now)
    site.archive()
    assert states()["merged_mdst"] == "ready"  # somebody is at it
    site.copy()
    site.later(hours=1).archive()
    submitted = site.porter.submitted
    site.copy()
    site.check()
    assert all_are("finished")
    assert site.porter.submitted == submitted
    assert Transfer.objects.filter(file=file, kind="archive").count() == 2


def test_pages_and_people_are_told_how_far_files_are(site, task, django_assert_num_queries):
    assert waits(task, site.now) == ["3 files go to TAPE when they are merged and checked"]
    site.archive()
    with django_assert_num_queries(1):
        counted = tape_counts([task.pk], per_run=True)
    assert {(one.kind, one.state.value, one.files) for one in counted} == {
        ("merged_mdst", "sent", 1),
        ("merged_histograms", "sent", 1),
        ("merged_dump", "sent", 1),
    }
    (request,) = requests_of(task, site.later(hours=30).now)
    assert (request.files, request.age) == (3, timedelta(hours=30))
    assert waits(task, site.now) == ["3 files are on their way to TAPE: asked for in 1 requests, the oldest 30.0 h ago"]
    told = task_json(task)["tape"]
    kinds = ("merged_mdst", "merged_histograms", "merged_dump")
    assert (told["storage"], told["files"]) == ("TAPE", {kind: {"sent": 1} for kind in kinds})
    assert [one["files_of_task"] for one in told["requests"]] == [3]
    site.tape.silent = True
    site.submit()
    assert waits(task, site.later(hours=2).now)[1] == "TAPE has not answered for 2.0 h"
    Output.objects.filter(kind="merged_dump").update(tape="failed", tape_words="no tapes are left")
    Output.objects.filter(kind="merged_mdst").update(tape="ready", tape_attempts=2, tape_words="it broke")
    DatasetFile.objects.filter(lfn=MDST).update(job_file=None)
    said = waits(task, site.now)
    assert "1 files wait until the data service has them in its catalogue" in said
    assert "1 files are asked for on TAPE again: it broke" in said
    assert "1 files have not come to TAPE: no tapes are left; when it is mended, send them again: archive" in said
    MergeGroup.objects.filter(kind="dump").update(state="ready")
    assert {one.state.value for one in tape_counts([task.pk]) if one.kind == "merged_dump"} == {""}
    Task.objects.filter(pk=task.pk).update(tape="")
    assert waits(reload(task), site.now) == []
    assert task_json(reload(task))["tape"] is None


def test_what_somebody_has_tried_again_at_the_data_service_is_on_tape_too(site, task):
    site.archive()
    request = TransferRequest.objects.get()
    logic.give_up(request, by="shift", why="the robot was sold", now=site.now)
    site.check()
    assert all_are("failed")
    request.refresh_from_db()
    logic.try_again(request, by="shift", why="it was bought back", now=site.now)
    assert site.check() == 0
    site.copy()
    assert site.check() == 3
    assert all_are("finished")


def test_a_request_that_the_data_service_has_forgotten_is_made_again(site, task):
    site.archive()
    TransferRequest.objects.all().delete()
    site.check()
    assert all_are("ready")
    assert merged()[0].tape_words.startswith("request 1 of 5 failed: request ")


def test_a_file_whose_name_another_job_is_to_write_does_not_stay_on_its_way(site, task):
    site.archive()
    # Its merge was sent again meanwhile, and that job has failed: nothing tells of the former file any more.
    MergeGroup.objects.filter(kind="mdst").update(state="manual_check")
    DatasetFile.objects.filter(lfn=MDST).update(job_file=987_654)
    site.copy()
    site.check()
    assert states() == {"merged_mdst": "ready", "merged_histograms": "finished", "merged_dump": "finished"}
    assert "knows nothing of it" in merged(kind="merged_mdst")[0].tape_words
    Task.objects.update(state="finishing")
    finish.finish_tasks()
    assert reload(task).state == "finished"


def test_where_nothing_is_known_of_why_a_file_failed_nothing_is_said(site, task):
    Output.objects.filter(group__isnull=False).update(tape="failed", tape_words="")
    assert waits(task, site.now) == ["3 files have not come to TAPE; when it is mended, send them again: archive"]
    Output.objects.filter(group__isnull=False).update(tape="ready", tape_attempts=1)
    assert waits(task, site.now)[0] == "3 files are asked for on TAPE again"


def test_a_task_that_is_being_ended_brings_to_tape_what_is_right(site, task):
    production.move_task("data", "finishing", by="manager", words="enough")
    finish.finish_tasks()
    assert reload(task).state == "finishing"
    on_tape(site)
    finish.finish_tasks()
    assert reload(task).state == "done"


def test_files_of_a_cancelled_task_are_let_go(site, task):
    site.disk.silent = True
    site.archive()
    Task.objects.update(state="cancelled")
    site.check()
    assert all_are("")
