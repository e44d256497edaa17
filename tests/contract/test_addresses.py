from __future__ import annotations

import pytest

from pilot.contract.addresses import cleaned, shown


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("https://user:p@ss@storage/x?signature=s3cret", "https://***@storage/x"),
        ("root://storage//home@cern/x", "root://storage//home@cern/x"),
        ("root://user@storage//home@cern/x?authz=t", "root://***@storage//home@cern/x"),
        ("file:///data/a", "file:///data/a"),
        ("rucio:scope:lfn", "rucio:scope:lfn"),
    ],
)
def test_no_secret_of_an_address_is_shown(url, words):
    assert shown(url) == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            "GET https://me:s3cret@host/a?sig=s3cret: refused, and root://it:s3cret@h//b",
            "GET https://***@host/a?*** refused, and root://***@h//b",
        ),
        ("no 's3://K:s3cret@h/b?X-Amz-Signature=s3cret' is there", "no 's3://***@h/b?***' is there"),
        ("why? a@b is not //there", "why? a@b is not //there"),
        ("root://h//home@cern/x is gone. Why? Who knows", "root://h//home@cern/x is gone. Why? Who knows"),
        ("", ""),
    ],
)
def test_words_lose_the_secrets_of_the_addresses_in_them(said, words):
    assert cleaned(said) == words


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("[3011] no /d/f?authz=aGVhZGVyLnBheWxvYWQ; gone", "[3011] no /d/f?authz=***; gone"),
        ("authz=Bearer%20aGVhZGVyLnBheWxvYWQ&a=b", "authz=***&a=b"),
        ("> Authorization: Bearer aGVhZGVyLnBheWxvYWQ=", "> Authorization: Bearer ***"),
        ("X-Amz-Security-Token=aGVhZGVyLnBheWxvYWQ", "X-Amz-Security-Token=***"),
        ("Bearer token expired", "Bearer token expired"),
    ],
)
def test_a_token_is_taken_out_wherever_it_stands(said, words):
    assert cleaned(said) == words
