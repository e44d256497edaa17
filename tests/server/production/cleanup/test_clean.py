"""Chunks' files and logs are removed when what they went into is on tape, and nothing else ever is."""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from pilot.contract.naming import EMPTY_DUMP_SIZE
from pilot.contract.queue import local_storage
from server.dataservice import logic as dataservice
from server.dataservice.models import DatasetFile, Replica, TransferRequest
from server.pandaconfig.logic import define_storage
from server.production import logic
from server.production.cleanup.models import Cleaning, Removal
from server.production.cleanup.rows import facts_of
from server.production.models import Chunk, CrossCheck, MergeGroup, MergeInput, Output, Task, TaskEvent
from server.production.steps import clean, pack_logs
from tests.server.dataservice.conftest import nothing
from tests.server.production.conftest import define_data, reload, work
from tests.server.production.steps.test_archive import Site, on_tape

pytestmark = pytest.mark.one_python

GONE = {"mdst", "histograms", "dump", "log"}
RESULTS = {"merged_mdst", "merged_histograms", "merged_dump", "packed_logs"}


@pytest.fixture
def site(queue, settings) -> Site:
    settings.DATASERVICE = {"delay": 60, "poll_every": 1, "tries": 2}
    define_storage("TAPE", local_storage("TAPE", "/TAPE"))
    return Site(now=timezone.now())


@pytest.fixture
def task(site, pilot) -> Task:
    """A production of one run with two chunks that is archived: results and logs are on tape."""
    made = define_data(runs=1, chunks=2, tape="TAPE")
    work(pilot)
    site.follow()
    on_tape(site)
    work(pilot)
    logic.move_task("data", "archive", by="ada")
    work(pilot)
    site.follow()
    on_tape(site)
    pack_logs.pack_logs()
    assert reload(made).state == "archived"
    return reload(made)


def cleaned(site: Site) -> int:
    return clean.clean(now=site.now, keep=nothing)


def removed() -> Counter:
    return Counter(Output.objects.filter(removed__isnull=False).values_list("kind", flat=True))


def test_what_is_merged_and_packed_on_tape_is_removed_and_the_rest_is_kept(site, task):
    files = Output.objects.filter(merged_in__isnull=False)
    paths = set(Replica.objects.filter(file__job_file__in=files.values("job_file_id")).values_list("path", flat=True))
    results = set(site.disk.files) - paths
    assert cleaned(site) == len(paths) == files.count()
    (request,) = TransferRequest.objects.filter(kind="delete")
    assert (request.endpoint, request.files, request.by) == ("DISK", len(paths), "production.clean")
    assert not removed()  # asked for, and not gone yet
    assert cleaned(site) == 0
    site.remove()
    assert cleaned(site) == len(paths)
    assert set(removed()) == GONE
    assert set(site.disk.files) == results
    assert {path.rsplit("/", 1)[1] for path in results} >= set(
        Output.objects.filter(kind__in=RESULTS).values_list("lfn", flat=True)
    )
    assert set(Removal.objects.values_list("state", flat=True)) == {"removed"}
    size = sum(files.values_list("size", flat=True))
    told = TaskEvent.objects.filter(task=task, words__startswith="clean-up").order_by("id")
    assert [event.words.split(": ", 1)[1] for event in told] == [
        f"{len(paths)} files ({size} bytes) asked to be removed from DISK: request {request.pk}",
        f"request {request.pk}: {len(paths)} of {len(paths)} files are removed",
    ]
    site.later(days=3)
    assert cleaned(site) == 0
    assert TransferRequest.objects.filter(kind="delete").count() == 1


@contextmanager
def undone():
    """Let what is changed inside be as it was before."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def asked() -> dict[str, int]:
    """Answer how many files of each kind were asked to be removed."""
    return dict(Counter(Removal.objects.values_list("output__kind", flat=True)))


def test_what_is_not_over_or_not_on_tape_keeps_its_files(site, task, settings, django_assert_max_num_queries):
    chunk = Chunk.objects.first()
    for table, where, said in (
        (Task, {}, {"state": "archiving"}),
        (Task, {}, {"tape": "-"}),
        (Chunk, {"pk": chunk.pk}, {"state": "manual_check"}),
        (MergeGroup, {"kind": "mdst"}, {"state": "sent"}),
        (Output, {"endpoint": "DISK"}, {"endpoint": "TAPE"}),
    ):
        with undone():
            assert table.objects.filter(**where).update(**said)
            assert cleaned(site) == 0
            assert not TransferRequest.objects.filter(kind="delete").exists()
    with undone():
        merged = Output.objects.get(kind="merged_histograms")
        Replica.objects.filter(file__job_file=merged.job_file_id, endpoint="TAPE").update(state="lost")
        CrossCheck.objects.filter(kind="dump").update(verdict="manual_check")
        Output.objects.filter(kind="packed_logs").update(tape="failed")
        cleaned(site)
        assert asked() == {"mdst": 2}
    with undone():  # names decide nothing
        mdst = Output.objects.filter(kind="mdst").first()
        Output.objects.filter(pk=mdst.pk).update(lfn="mDST-278473-1-7.root.001")
        Output.objects.filter(kind="merged_mdst").update(lfn="mDST-278473-10001-1-7.root.log.tgz.001")
        cleaned(site)
        files = set(Removal.objects.values_list("output", flat=True))
        assert mdst.pk in files
        assert files == set(Output.objects.filter(merged_in__isnull=False).values_list("pk", flat=True))
    with undone():  # a dump without an event
        MergeInput.objects.get(output=chunk.outputs.get(kind="dump")).delete()
        chunk.outputs.filter(kind="dump").update(size=EMPTY_DUMP_SIZE)
        cleaned(site)
        assert asked()["dump"] == 2
    with undone():
        MergeInput.objects.get(output=chunk.outputs.get(kind="dump")).delete()
        chunk.outputs.filter(kind="dump").update(size=EMPTY_DUMP_SIZE + 1)
        cleaned(site)
        assert asked()["dump"] == 1
    with django_assert_max_num_queries(14):
        facts_of(task)
    settings.PRODUCTION = {**settings.PRODUCTION, "clean_files": 3}
    assert cleaned(site) == 3
    Cleaning.objects.update(kept="ada: for a study")
    assert cleaned(site) == 0
    Cleaning.objects.update(kept="")
    assert cleaned(site) == 3
    assert Removal.objects.count() == 6


def test_what_cannot_be_removed_is_asked_for_again_later_and_not_for_ever(site, task, settings):
    settings.PRODUCTION = {**settings.PRODUCTION, "clean_attempts": 2, "clean_delay": 600}
    cleaned(site)
    dataservice_fails(site)
    count = Removal.objects.count()
    assert cleaned(site) == count
    row = Removal.objects.first()
    assert (row.state, row.tries, row.due) == ("failed", 1, site.now + timedelta(seconds=600))
    assert not removed()
    assert cleaned(site) == 0
    site.later(seconds=601)
    assert cleaned(site) == count
    dataservice_fails(site)
    assert cleaned(site) == count
    row.refresh_from_db()
    assert (row.state, row.tries, row.due) == ("failed", 2, None)
    assert row.words.startswith("after 2 requests: request ")
    site.later(days=3)
    assert cleaned(site) == 0
    # Somebody has mended it, and the data service tries the same request again.
    DatasetFile.objects.get(job_file=row.job_file_id).transfers.filter(request=row.request).update(state="verified")
    assert cleaned(site) == 1
    assert sum(removed().values()) == 1


def dataservice_fails(site: Site) -> None:
    request = TransferRequest.objects.filter(kind="delete").order_by("pk").last()
    request.transfers.update(state="failed", words="no permission", busy=None)
    Replica.objects.filter(state="removing").update(state="available")


def test_what_was_given_up_waits_for_a_person_and_what_was_made_again_is_another_file(site, task):
    cleaned(site)
    row = Removal.objects.first()
    with undone():
        request = TransferRequest.objects.get(kind="delete")
        dataservice.give_up(request, by="shift", why="the disk is read-only", now=site.now)
        cleaned(site)
        now, site.now = site.now, site.now + timedelta(days=3)
        assert cleaned(site) == 0
        site.now = now
        assert "given up by shift: the disk is read-only" in Removal.objects.first().words
    Output.objects.filter(pk=row.pk).update(job_file_id=999_999_999)
    site.remove()
    cleaned(site)
    assert Output.objects.get(pk=row.pk).removed is None
    assert not Removal.objects.filter(pk=row.pk).exists()
