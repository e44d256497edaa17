"""A credential's end is read from itself, and what is none is refused in words that hold nothing of it."""

from __future__ import annotations

import base64
from datetime import timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

from server.credentials.proofs import NotGood, pair_in, proxy_end, token_end
from tests.server.credentials import making
from tests.server.credentials.making import HOUR, NOW


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ({}, 12 * HOUR),
        ({"user_ends": NOW + 2 * HOUR}, 2 * HOUR),
        ({"attributes_end": NOW + 3 * HOUR}, 3 * HOUR),
        ({"attributes_end": NOW + timedelta(days=30)}, 12 * HOUR),
    ],
    ids=["the proxy", "its user's certificate", "its attributes", "attributes that outlive it"],
)
def test_a_proxy_ends_with_the_first_of_its_parts(ends, expected):
    assert proxy_end(making.proxy(**ends)) == NOW + expected


def locked():
    return making.key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"word")).decode()


def with_an_extension_twice():
    """Make a certificate with two extensions, and give the second the name of the first."""
    names = [x509.ObjectIdentifier(f"1.2.3.{last}") for last in (4, 5)]
    made = making.certificate("a", NOW, extensions=[x509.UnrecognizedExtension(name, b"\5\0") for name in names])
    body = x509.load_pem_x509_certificate(made.encode()).public_bytes(Encoding.DER)
    twice = base64.encodebytes(body.replace(b"\6\3\x2a\3\5", b"\6\3\x2a\3\4")).decode()
    return f"-----BEGIN CERTIFICATE-----\n{twice}-----END CERTIFICATE-----\n"


def wrong_proxies():
    """Made when they are asked for: tests are named alike in every process."""
    one = making.certificate("a", NOW)
    return {
        "nothing": ("", "no certificates in PEM"),
        "other letters": ("ü", "no PEM text"),
        "no certificate": (making.private(), "no certificates in PEM"),
        "no key": (one, "no private key"),
        "an extension twice": (with_an_extension_twice() + making.private(), "no certificates in PEM that can be read"),
        "another's key": (one + making.private(1), "does not belong"),
        "a passphrase": (one + locked(), "needs a passphrase"),
        "a broken key": (one + making.private().replace("\nM", "\nA", 1), "cannot be read"),
        "a broken certificate": (
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
            "no certificates in PEM",
        ),
    }


@pytest.mark.parametrize(
    "which",
    [
        *("nothing", "other letters", "no certificate", "no key"),
        *("another's key", "a passphrase", "a broken key", "a broken certificate", "an extension twice"),
    ],
)
def test_what_is_no_proxy_is_refused(which):
    text, words = wrong_proxies()[which]
    with pytest.raises(NotGood, match=words):
        proxy_end(text)


def test_a_token_ends_when_it_says_so():
    assert token_end(making.token()) == NOW + HOUR
    for silent in ("opaque", making.token(None), "a.b.c", "a.e30.c", making.token(None, exp=1e300)):
        assert token_end(silent) is None


@pytest.mark.parametrize("text", ["", "a b", "a\nb", "ü"])
def test_what_no_token_has_is_refused(text):
    with pytest.raises(NotGood, match="no token has"):
        token_end(text)


def test_keys_are_two_lines():
    assert pair_in("AKIA\nsecret\n") == ("AKIA", "secret")
    for wrong in ("", "one", "one two three", "ü a"):
        with pytest.raises(NotGood, match="two lines"):
            pair_in(wrong)
