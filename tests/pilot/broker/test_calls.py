from __future__ import annotations

import pytest

from pilot.broker.calls import Meaningless, TaskCall, WorkCall, read_call


@pytest.mark.parametrize(
    ("body", "call"),
    [
        (b'{"msg_type": "get_job", "taskid": 7, "timestamp": 1}', WorkCall()),
        (b'{"msg_type": "kill_task", "taskid": 7}', TaskCall(7, None, False)),
        (b'{"msg_type": "kill_task", "taskid": "7", "jobid": "12"}', TaskCall(7, 12, False)),
        (b'{"msg_type": "finish_task", "task_id": 7, "job_id": null}', TaskCall(7, None, True)),
    ],
)
def test_pandas_messages_are_understood(body, call):
    assert read_call(body) == call


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (b"[1]", "no JSON object"),
        (b'{"msg_type": ["kill_task"]}', "msg_type is"),
        (b'{"msg_type": "reboot"}', "msg_type is 'reboot'; there are get_job, kill_task, finish_task"),
        (b'{"msg_type": "kill_task"}', "kill_task: taskid is missing"),
        (b'{"msg_type": "kill_task", "taskid": "all"}', "taskid is 'all'; a number"),
        (b'{"msg_type": "kill_task", "taskid": true}', "taskid is True"),
        (b'{"msg_type": "kill_task", "taskid": 7, "jobid": -1}', "jobid is -1"),
    ],
)
def test_what_says_nothing_to_a_pilot_is_named(body, words):
    with pytest.raises(Meaningless, match=words.replace("[", r"\[")):
        read_call(body)
