from __future__ import annotations

import pytest

from server.notify.registry import declared, event


def test_each_app_declares_its_events_with_a_sentence_to_choose_them_by():
    found = declared()
    assert list(found) == [
        "credential.expiring",
        "incident.burst",
        "queue.black_hole",
        "queue.broken",
        "queue.off",
        "service.failing",
        "service.late",
        "task.done",
        "task.stuck",
    ]
    assert found["service.late"].what == "A periodic service should have run, and did not"


@pytest.mark.django_db
def test_each_can_be_looked_for_when_there_is_nothing(django_assert_max_num_queries):
    from datetime import timedelta

    from django.utils import timezone

    now = timezone.now()
    for one in declared().values():
        with django_assert_max_num_queries(12):
            assert list(one(now - timedelta(days=3), now)) == []


def test_an_event_without_a_dot_or_a_sentence_is_refused():
    with pytest.raises(ValueError, match="such as task.done"):
        event("done")

    def silent(since, now):
        return []

    with pytest.raises(ValueError, match="a docstring says what it is"):
        event("a.silent")(silent)
