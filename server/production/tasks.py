"""The production's periodic services. One that has done something wakes the ones that live on it."""

from __future__ import annotations

from collections.abc import Callable

from server.production import catalogue
from server.production.steps import (
    archive,
    check_archive,
    check_staging,
    clean,
    collect,
    crosscheck,
    define,
    finish,
    merge,
    prestage,
    retry,
    submit,
)
from server.production.steps import (
    pack_logs as packing,
)
from server.production.totals import count as totals
from server.services.registry import Figures, Turn, periodic
from server.services.wake import wake


def _step(step: Callable[[], int], what: str, *then: str) -> Figures:
    if count := step():
        for name in then:
            wake(name if "." in name else f"production.{name}")
    return {what: count}


@periodic("production.define", every=20)
def define_tasks(turn: Turn) -> Figures:
    """Make runs and chunks of tasks that are ready."""
    return _step(define.define_ready_tasks, "defined")


@periodic("production.count_events", every=1800, limit=300)
def count_events(turn: Turn) -> Figures:
    """Fill in how many events raw files have, where the catalogue of runs has learnt it since."""
    return _step(catalogue.count_events, "counted")


@periodic("production.prestage", every=60, limit=600)
def prestage_files(turn: Turn) -> Figures:
    """Ask for raw files that lie on tape, whole runs in their order, as many as there is room for."""
    return _step(prestage.prestage, "begun", "submit")


@periodic("production.check_staging", every=15, limit=300)
def check_staging_files(turn: Turn) -> Figures:
    """Stage the chunks whose files have come from tape; ask again for what has not, or has left the disk."""
    return _step(check_staging.check_staging, "moved", "submit", "prestage")


@periodic("production.release", every=60, limit=300)
def release_files(turn: Turn) -> Figures:
    """Let go of files from tape that no chunk needs any more."""
    return _step(check_staging.release_unneeded, "released", "dataservice.pins")


@periodic("production.submit", every=5, limit=300)
def submit_chunks(turn: Turn) -> Figures:
    """Submit jobs of chunks whose input is there, as many as the queues take."""
    return _step(submit.submit_chunks, "submitted", "factory.cycle")


@periodic("production.collect", every=1, limit=300)
def collect_jobs(turn: Turn) -> Figures:
    """Bring chunks and merges to where their jobs stand, by the jobs' events."""
    return _step(
        collect.collect, "moved", "submit", "merge_mdst", "check_events", "check_dumps", "finish", "retry", "pack_logs"
    )


@periodic("production.sweep", every=300, limit=300)
def sweep_jobs(turn: Turn) -> Figures:
    """Look at the jobs of everything open, in case an event was passed by."""
    return _step(collect.sweep, "moved", "submit", "merge_mdst")


@periodic("production.retry", every=20, limit=300)
def retry_failed(turn: Turn) -> Figures:
    """Try again what failed, a bounded number of times."""
    return _step(retry.retry_failed, "retried", "submit")


@periodic("production.merge_mdst", every=10, limit=300)
def merge_mdst(turn: Turn) -> Figures:
    """Merge the mDSTs of runs whose jobs are all finished."""
    return _step(merge.merge_mdst, "submitted", "factory.cycle")


@periodic("production.check_events", every=10, limit=300)
def check_events(turn: Turn) -> Figures:
    """Compare the events of merged mDSTs with those of their chunks."""
    return _step(crosscheck.check_events, "checked", "merge_hist", "merge_dump")


@periodic("production.merge_hist", every=10, limit=300)
def merge_histograms(turn: Turn) -> Figures:
    """Merge the histograms of cross-checked runs."""
    return _step(merge.merge_histograms, "submitted", "factory.cycle")


@periodic("production.merge_dump", every=10, limit=300)
def merge_dumps(turn: Turn) -> Figures:
    """Merge the event dumps of cross-checked runs."""
    return _step(merge.merge_dumps, "submitted", "finish", "factory.cycle")


@periodic("production.check_dumps", every=10, limit=300)
def check_dumps(turn: Turn) -> Figures:
    """Compare the bytes of merged event dumps with those of their chunks."""
    return _step(crosscheck.check_dumps, "checked", "finish")


@periodic("production.archive", every=20, limit=600)
def archive_files(turn: Turn) -> Figures:
    """Ask for files on tape that are right: merged and checked, or generated."""
    return _step(lambda: archive.archive_files(now=turn.now, keep=turn.keep), "moved", "submit", "merge_mdst")


@periodic("production.check_archive", every=20, limit=300)
def check_archive_of_files(turn: Turn) -> Figures:
    """Look which files are on tape, verified, and which are not and why."""
    return _step(lambda: check_archive.check_archive(now=turn.now), "moved", "archive", "finish", "pack_logs")


@periodic("production.finish", every=10)
def finish_tasks(turn: Turn) -> Figures:
    """Call tasks done, or finished, of which nothing more will be made."""
    return _step(finish.finish_tasks, "done")


@periodic("production.pack_logs", every=60, limit=300)
def pack_logs(turn: Turn) -> Figures:
    """Pack the logs of tasks that are archived, and call these archived when that is done and on tape."""
    return _step(packing.pack_logs, "moved", "archive", "factory.cycle")


@periodic("production.clean", every=600, limit=300)
def clean_up(turn: Turn) -> Figures:
    """Have files removed of tasks that are archived, where they lie on tape in another form."""
    return _step(lambda: clean.clean(now=turn.now, keep=turn.keep), "files", "dataservice.remove")


@periodic("production.totals", every=60, limit=300)
def count_totals(turn: Turn) -> Figures:
    """Count what tasks have made, for the production summary."""
    return {"counted": totals.count_totals()}
