from __future__ import annotations

import pytest

from server.notify.addresses import BadAddress, Target, target_of, usable

OPEN = Target("https", "hooks.example.org", 443, "/a", is_named=False)


def test_an_address_is_taken_apart():
    assert target_of("https://hooks.example.org/a/b?c=d", []) == Target(
        "https", "hooks.example.org", 443, "/a/b?c=d", is_named=False
    )
    assert target_of("https://Hooks.Example.org:8443", []).host == "hooks.example.org"


def test_a_host_of_the_setting_may_be_private_and_without_tls():
    found = target_of("http://chat.example.org:8065/hooks/1", [".example.org"])
    assert (found.is_named, found.port) == (True, 8065)
    assert usable(found, ["10.0.0.7"]) == ["10.0.0.7"]
    assert not target_of("https://chat.example.org.evil.net/", [".example.org"]).is_named
    assert not target_of("https://notexample.org/", [".example.org"]).is_named


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://hooks.example.org/", "http is not safe"),
        ("ftp://hooks.example.org/", "write https://"),
        ("file:///etc/passwd", "write https://"),
        ("https://", "write https://"),
        ("https:///path", "write https://"),
        ("https://user:word@hooks.example.org/", "leave out user"),
        ("https://hooks.example.org/#a", "leave out user"),
        ("https://hooks.example.org/\r\nX: y", "without blanks"),
        ("https://höoks.example.org/", "of ASCII"),
        ("https://hooks.example.org:99999/", "this is no address"),
        ("https://[::1/", "this is no address"),
        ("https://h/" + "a" * 500, "at most 500"),
        ("", "write https://"),
    ],
)
def test_what_is_no_address_for_a_webhook_is_refused_with_a_remedy(url, words):
    with pytest.raises(BadAddress, match=words):
        target_of(url, [])


@pytest.mark.parametrize(
    "address",
    [
        *["127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.0", "100.64.0.1"],
        *["224.0.0.1", "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1"],
        *["::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b:1::1"],
    ],
)
def test_an_address_that_is_not_public_is_not_called(address):
    with pytest.raises(BadAddress, match="hooks.example.org has no public address"):
        usable(OPEN, [address])


def test_of_several_addresses_the_public_ones_are_called():
    assert usable(OPEN, ["127.0.0.1", "93.184.216.34", "2606:2800:220:1::1"]) == ["93.184.216.34", "2606:2800:220:1::1"]
