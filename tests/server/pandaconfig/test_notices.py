from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.pandaconfig.logic import Author, set_status
from server.pandaconfig.notices import queue_off

pytestmark = pytest.mark.django_db


def test_a_queue_that_is_set_offline_or_brokeroff_is_told_of_with_who_and_why(queue):
    now = timezone.now()
    author = Author("ann", reason="the disks are full")
    for status in ("test", "offline", "offline", "online", "brokeroff"):
        set_status([queue], status, author)
    found = list(queue_off(now - timedelta(days=1), timezone.now()))
    assert [notice.subject for notice in found] == [f"Queue {queue} is offline", f"Queue {queue} is brokeroff"]
    assert found[0].about == {"queue": queue}
    assert "It was test. By ann" in found[0].text
    assert found[0].text.endswith("the disks are full")
    assert list(queue_off(timezone.now() + timedelta(days=1), timezone.now())) == []
