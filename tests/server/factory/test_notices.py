from __future__ import annotations

import pytest

from server.batch.base import BatchJob, BatchState
from server.factory.notices import queue_black_hole
from tests.server.factory.played import NOW, activate

pytestmark = [pytest.mark.django_db, pytest.mark.one_python]


def end_all(cycle, batch, code):
    activate(3)
    cycle()
    batch.all_become(BatchJob(BatchState.DONE, code, NOW, NOW))
    cycle(1)


def test_a_queue_whose_pilots_all_fail_at_once_is_told_of_once_a_day(cycle, batch):
    end_all(cycle, batch, 70)
    (notice,) = queue_black_hole(NOW, NOW)
    assert notice.about == {"queue": "LOCAL"}
    assert notice.key == f"LOCAL:{NOW:%Y-%m-%d}"
    assert notice.text.startswith("The last 3 pilots failed within 20 s (exit codes 70)")
    assert queue_black_hole.name == "queue.black_hole"


def test_a_queue_whose_pilots_end_well_is_not_told_of(cycle, batch):
    end_all(cycle, batch, 0)
    assert list(queue_black_hole(NOW, NOW)) == []
