"""Lists of raw files are megabytes, so no step may read them with the rows that it looks at."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.db import connection

from server.production.models import Task
from server.production.states import TaskState
from server.production.steps import archive, check_archive, retry
from tests.server.production.conftest import define_data, failed, turn, work


def test_no_step_reads_the_list_of_files_of_a_task_that_is_on_its_way(queue, pilot):
    define_data(runs=1, chunks=2)
    now, read = datetime.now(UTC), []

    def note(execute, sql, params, many, context):
        read.extend([sql] if "filelist" in sql else [])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        turn()
        pilot.spoil = lambda job: failed()
        pilot.run()
        turn()
        pilot.spoil = lambda job: {}
        retry.retry_failed(now=now + timedelta(days=1))
        work(pilot)
        Task.objects.filter(state=TaskState.DONE).update(state=TaskState.ARCHIVE)
        work(pilot)
        archive.archive_files(now=now, keep=lambda: None)
        check_archive.check_archive(now=now)
    assert not read
    assert Task.objects.get().state == TaskState.ARCHIVED
