"""What answers on a login node: the files that it takes, what it forgets, and its own end."""

from __future__ import annotations

import hashlib
import os
import signal

import pytest

from server.batch import ssh_agent
from server.batch.base import BatchFailed


@pytest.fixture
def where(tmp_path):
    """A login node's folder of one system, as the server names it; its end is not waited for."""
    kind = {"module": "server.batch.local", "class": "LocalBatch", "options": {"slots": 1}}
    return {"folder": str(tmp_path), "name": "login", "idle": 0, **kind}


def test_the_login_node_ends_what_nobody_has_asked_or_ended_for_long(where):
    [*ssh_agent.find({**where, "idle": 600}, "nothing")]
    assert signal.alarm(0) > 0


def test_a_file_that_changes_while_it_is_sent_is_refused_and_nothing_of_it_stays(where, tmp_path):
    with pytest.raises(BatchFailed, match="was it changed meanwhile"):
        [*ssh_agent.put(where, "0" * 64, "draft", "YWJj", last=True)]
    assert [*(tmp_path / "login" / "files").iterdir()] == []


def test_what_nobody_has_used_for_long_is_removed_and_what_is_asked_for_stays(where, tmp_path):
    digest = hashlib.sha256(b"abc").hexdigest()
    [*ssh_agent.put(where, digest, "draft", "YWJj", last=True)]
    (old,) = (tmp_path / "login" / "files").iterdir()
    os.utime(old, (0, 0))
    assert [*ssh_agent.missing(where, [digest])] == [[digest]]
    assert not old.exists()
    [*ssh_agent.put(where, digest, "draft", "YWJj", last=True)]
    assert [*ssh_agent.missing(where, [digest])] == [[]]
