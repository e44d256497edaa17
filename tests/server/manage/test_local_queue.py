"""The queue of this machine: its pilots take what anybody submits."""

from __future__ import annotations

import pytest

from pilot.contract.messages import WorkRequest
from server.dispatcher.logic import acquire
from server.factory.models import FactoryQueue
from server.manage.local_queue import define_local_queue
from tests.server import jobs


@pytest.mark.parametrize("label", ["managed", "user", "panda", "test"])
def test_its_pilots_take_jobs_of_productions_and_of_users(db, tmp_path, label):
    define_local_queue("LOCAL", tmp_path / "storage", cores=1, memory=2000, slots=1)
    number = jobs.submit(label=label)[0]
    words = FactoryQueue.objects.get(pk="LOCAL").pilot_options
    asked = words[words.index("--joblabel") + 1]
    (job,) = acquire(WorkRequest(queue="LOCAL", label=asked), "request-1", repeatable=False, by="pilot")
    assert job["PandaID"] == number
