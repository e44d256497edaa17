"""Numbers, sizes and times are shown as people read them."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from server.monitor.templatetags.shown import lasting, number, since, size, with_requests


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, ""), (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (4_200_000_000, "4.2 GB"), (5 * 10**18, "5000.0 PB")],
)
def test_sizes_have_decimal_units(value, text):
    assert size(value) == text


@pytest.mark.parametrize(("value", "text"), [(None, "–"), (7, "7"), (1234567, "1\u202f234\u202f567")])
def test_numbers_have_thin_spaces(value, text):
    assert number(value) == text


@pytest.mark.parametrize(("seconds", "text"), [(5, "5 s ago"), (61, "1 min ago"), (90_000, "1 d ago"), (-3, "0 s ago")])
def test_times_are_told_in_their_largest_unit(seconds, text):
    assert since(timezone.now() - timedelta(seconds=seconds)) == text
    assert f"{lasting(timezone.now() - timedelta(seconds=seconds))} ago" == text


def test_a_request_that_words_name_is_a_link_and_all_else_is_text():
    shown = with_requests("<b>.raw: prestage 7 at TAPE: queued; last: <i>")
    assert shown == '&lt;b&gt;.raw: <a href="/data/requests/7">prestage 7</a> at TAPE: queued; last: &lt;i&gt;'
    assert with_requests("nobody has asked & nothing comes") == "nobody has asked &amp; nothing comes"


def test_what_never_was_is_never():
    assert since(None) == "never"
