"""What a queue's allocations are like."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.contract.queue import QueueData
from pilot.errors import JobFailed
from pilot.hpc.choosing import SAID_BY_QUEUES, adjusted, chosen, wishes
from pilot.settings import load
from pilot.settings.hpc import Hpc


def queue(said):
    return QueueData(name="Q", params={"hpc": said})


def test_what_the_queue_says_wins_and_the_rest_is_the_settings():
    ours = Hpc(project="ours", most_nodes=7, launcher="srun")
    found = chosen(ours, queue({"project": "theirs", "wall_time": 3600}))
    assert (found.project, found.most_nodes, found.launcher, found.wall_time) == ("theirs", 7, "srun", 3600.0)
    assert chosen(ours, QueueData(name="Q")) is ours


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ([], "params.hpc of queue Q: \\[\\]"),
        ({"batch_options": ["x"]}, "batch_options is not for a queue to say; there are allocations"),
        ({"most_nodes": "many"}, "hpc.most_nodes is 'many'"),
        ({"launcher": "rsh"}, "hpc.launcher is 'rsh'; one of local, srun"),
        ({"wall_time": 1}, "the least allowed is 60"),
    ],
)
def test_what_a_queue_says_wrongly_is_named(said, words):
    with pytest.raises(JobFailed, match=words) as failed:
        chosen(Hpc(), queue(said))
    assert failed.value.code is ErrorCode.BAD_QUEUE_CONFIGURATION


def test_all_that_a_queue_may_say_is_a_setting():
    assert set(Hpc.__dataclass_fields__) >= SAID_BY_QUEUES


def test_wishes_are_the_settings_words():
    found = wishes(Hpc(cores_per_node=4, launcher_options=("-x",), batch_options=("-y",), queue="long"))
    assert (found.cores_per_node, found.options, found.batch_options, found.queue) == (4, ("-x",), ("-y",), "long")


def test_a_pilot_that_gathers_has_as_many_jobs_at_once_as_an_allocation():
    settings = load([("test", {"hpc": {"jobs": 5}})]).settings
    assert not settings.gathers
    assert adjusted(settings).gathers
    assert adjusted(settings).job.at_once == 5
    assert adjusted(settings, queue({"jobs": 9})).job.at_once == 9
