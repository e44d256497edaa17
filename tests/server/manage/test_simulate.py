"""``compass-server simulate``."""

from __future__ import annotations

import json
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from server.taskbuffer.models import Job
from tests.server import jobs


def said(*words, **options):
    out = StringIO()
    call_command("simulate", *map(str, words), stdout=out, **options)
    return out.getvalue()


def test_this_servers_world_is_saved_and_placed_without_sending_anything(queue, tmp_path):
    jobs.submit(3, cores=2)
    path = tmp_path / "world.json"
    assert "1 queues and 3 queued jobs" in said(save=path)
    text = said(path, change=["LOCAL=off"])
    assert "LOCAL" in text
    assert "refused then: 3 of 3" in text
    assert "-status" in text
    assert set(Job.objects.values_list("state", flat=True)) == {"activated"}


def test_a_made_up_world_needs_no_server():
    found = json.loads(said("--json", jobs=200, queues=4))
    assert found["jobs"] == 200
    assert len(found["queues"]) == 4
    assert sum(line["before"] for line in found["queues"]) + sum(found["refused"].values()) == 200
    assert "jobs/s" in said(jobs=20, queues=2)


@pytest.mark.parametrize(
    ("words", "options", "complaint"),
    [
        (["nowhere.json"], {}, "nowhere.json cannot be read: No such file"),
        ([], {"jobs": 0}, "--jobs: 0 is less than 1"),
        ([], {"queues": 2, "change": ["X=off"]}, "--change 'X=off': give QUEUE=off"),
    ],
)
def test_a_slip_is_one_line(words, options, complaint):
    with pytest.raises(CommandError, match=complaint):
        said(*words, **options)


def test_a_file_that_holds_no_world_is_told(tmp_path):
    path = tmp_path / "world.json"
    path.write_text("{}")
    with pytest.raises(CommandError, match="it is no world of format 1"):
        said(path)
