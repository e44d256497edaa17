from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime

import pytest

from server.notify.choosing import MOST_SHOWN, Said, body_of, is_wanted, mail_of, signature_of, subject_of

AT = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
DONE = Said("task.done", "17", "Task dvcs is done", "18 jobs", AT, "/tasks/dvcs")


@pytest.mark.parametrize(
    ("about", "patterns", "wanted"),
    [
        ({"owner": "ann"}, {"owner": "", "queue": ""}, True),
        ({"owner": "ann"}, {"owner": "ann"}, True),
        ({"owner": "ann"}, {"owner": "bob"}, False),
        ({"owner": "ann"}, {"owner": "bob, a*"}, True),
        ({"queue": "CERN_1"}, {"owner": "bob", "queue": "CERN_?"}, True),
        ({"queue": "cern_1"}, {"queue": "CERN_*"}, False),
        ({}, {"owner": "bob"}, True),
    ],
)
def test_a_notice_is_chosen_by_patterns_of_what_it_is_about(about, patterns, wanted):
    assert is_wanted(about, patterns) is wanted


def test_a_subject_is_one_line_of_bounded_length_whatever_comes():
    nasty = Said("a.b", "1", "x\r\nBcc: everybody@example.org\n" + "y" * 500, "", AT)
    subject = subject_of([nasty, DONE])
    assert "\n" not in subject
    assert "\r" not in subject
    assert len(subject) <= 160
    assert subject.endswith(" (and 1 more)")


def test_a_mail_says_what_happened_when_and_where_to_look():
    text = mail_of([DONE], "https://server.example.org/")
    assert "Task dvcs is done\n2026-03-01 12:00:00 UTC, task.done\n18 jobs\n" in text
    assert "https://server.example.org/tasks/dvcs\n" in text
    assert "http" not in mail_of([DONE], "")


def test_of_very_many_notices_the_first_are_told_and_the_others_counted():
    assert f"... and {3} more." in mail_of([DONE] * (MOST_SHOWN + 3), "")
    body = json.loads(body_of("d", [DONE] * (MOST_SHOWN + 3), ""))
    assert (len(body["notices"]), body["count"]) == (MOST_SHOWN, MOST_SHOWN + 3)


def test_a_call_names_its_delivery_and_each_notice():
    body = json.loads(body_of("a-delivery", [DONE], "https://server.example.org"))
    assert (body["delivery"], body["text"]) == ("a-delivery", "[COMPASS] Task dvcs is done")
    assert body["notices"] == [
        {
            "event": "task.done",
            "key": "17",
            "subject": "Task dvcs is done",
            "text": "18 jobs",
            "at": "2026-03-01T12:00:00+00:00",
            "url": "https://server.example.org/tasks/dvcs",
        }
    ]


def test_a_signature_is_checked_by_time_and_body_with_the_secret_alone():
    expected = hmac.new(b"a secret of a webhook", b'1700000000.{"a": 1}', hashlib.sha256).hexdigest()
    assert signature_of("a secret of a webhook", 1700000000, b'{"a": 1}') == f"t=1700000000,v1={expected}"
