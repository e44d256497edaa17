"""Passes: what a pilot is given instead of a token."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.accounts import passes
from server.accounts.passes import LONGEST, BadPass, begin, prolong, read, write

KEY = b"k" * 32
NOW = 1_800_000_000.0


def a_pass(**changed):
    return begin(**{"token": 7, "now": NOW, "lifetime": 3600.0, **changed})


def test_a_pass_is_read_as_it_was_written():
    one = a_pass()
    assert read(write(one, KEY), [KEY], now=NOW) == one
    assert write(one, KEY).startswith(passes.MARK)


def test_two_passes_of_one_token_are_never_the_same():
    assert write(a_pass(), KEY) != write(a_pass(), KEY)


def test_a_pass_ends_when_it_says():
    text = write(a_pass(), KEY)
    assert read(text, [KEY], now=NOW + 3599)
    with pytest.raises(BadPass, match="ended 1 s ago; its pilot needs another"):
        read(text, [KEY], now=NOW + 3601)


def test_a_pass_of_another_server_is_refused():
    with pytest.raises(BadPass, match="not of this server"):
        read(write(a_pass(), b"another key"), [KEY], now=NOW)


@given(st.integers(0, 200), st.characters(codec="utf-8"))
def test_no_sign_of_a_pass_can_be_changed(at, sign):
    text = write(passes.Pass(7, int(NOW), int(NOW) + 3600, "0123456789abcdef"), KEY)
    at %= len(text)
    other = text[:at] + sign + text[at + 1 :]
    if other != text:
        with pytest.raises(BadPass):
            read(other, [KEY], now=NOW)


@given(st.text(max_size=200))
def test_any_text_is_answered_in_words(text):
    with pytest.raises(BadPass):
        read(passes.MARK + text, [KEY], now=NOW)


def test_a_renewed_pass_is_another_one_of_the_same_birth():
    old = a_pass()
    new = prolong(old, now=NOW + 1800, lifetime=3600.0)
    assert (new.token, new.born, new.ends) == (7, old.born, NOW + 5400)
    assert new.serial != old.serial


def test_a_pass_cannot_be_renewed_for_ever():
    old = a_pass()
    last = prolong(old, now=NOW + LONGEST - 60, lifetime=3600.0)
    assert last.ends == NOW + LONGEST
    with pytest.raises(BadPass, match="older than 14 days"):
        prolong(old, now=NOW + LONGEST, lifetime=3600.0)


def test_a_pass_is_good_while_the_key_that_signed_it_is_believed():
    one = a_pass()
    assert read(write(one, b"the old key"), [KEY, b"the old key"], now=NOW) == one
    with pytest.raises(BadPass, match="is not of this server"):
        read(write(one, b"the old key"), [KEY], now=NOW)
    with pytest.raises(BadPass, match="is not of this server"):
        read(write(one, KEY), [], now=NOW)
