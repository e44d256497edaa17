"""What is to be sent again is read from forms and JSON, and what cannot be is told by its field."""

from __future__ import annotations

import pytest

from server.production.resend.wishes import WORDS, BadWish, What, Wish, read_reason, read_wish


@pytest.mark.parametrize(
    ("said", "wish", "words"),
    [
        ({"what": "failed"}, Wish(What.FAILED), "failed"),
        ({"what": "chunks", "run": "5", "chunk": " 2"}, Wish(What.CHUNKS, 5, 2), "chunks of run 5 chunk 2"),
        ({"what": "merging", "run": 5, "kind": "hist"}, Wish(What.MERGING, 5, kind="hist"), "(histograms) of run 5"),
        ({"what": "chunks", "with_merges": "true", "run": ""}, Wish(What.CHUNKS, with_merges=True), "with its merges"),
        ({"what": "merging", "groups": "0,7,3"}, Wish(What.MERGING, groups=(3, 7)), "merging: 2 chosen"),
        ({"what": "merging", "groups": "0"}, Wish(What.MERGING, groups=(0,)), "merging"),
        ({"what": "manual_check", "with_merges": False}, Wish(What.MANUAL_CHECK), "manual check"),
    ],
)
def test_a_wish_is_read_and_told(said, wish, words):
    found = read_wish(said)
    assert found == wish
    assert words in str(found)
    assert read_wish(found.as_json()) == wish


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ({}, "what: None cannot be sent again; there are failed"),
        ({"what": "all"}, "what: 'all'"),
        ({"what": "chunks", "run": "x"}, "run: 'x' is not a number"),
        ({"what": "chunks", "run": True}, "run: True is not a number"),
        ({"what": "chunks", "run": -1}, "run: -1"),
        ({"what": "chunks", "run": "9" * 30}, "is not a number"),
        ({"what": "chunks", "chunk": 1}, "run: missing"),
        ({"what": "merging", "run": 1, "chunk": 1}, "leave the chunk out"),
        ({"what": "merging", "kind": "x"}, "kind: 'x' is no kind of merges"),
        ({"what": "merging", "groups": "1;2"}, "groups: give the numbers of up to 500 merges"),
        ({"what": "chunks", "groups": "1"}, "groups: only merges are chosen one by one"),
        ({"what": "failed", "kind": "mdst"}, "only merging is of a kind"),
    ],
)
def test_what_cannot_be_is_told(said, words):
    with pytest.raises(BadWish) as bad:
        read_wish(said)
    assert words in str(bad.value)


@pytest.mark.parametrize("text", ["", "  ", "x" * 401, None, 5])
def test_a_reason_is_required(text):
    with pytest.raises(BadWish, match="give a reason"):
        read_reason(text)


def test_every_kind_of_wish_has_its_words():
    assert set(WORDS) == set(What)


def test_a_reason_is_kept_as_every_database_can_hold_it():
    assert read_reason(" the\0disk ") == "the\ufffddisk"
