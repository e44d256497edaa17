from __future__ import annotations

import base64
import json
import re
import stat
import subprocess
import time
from datetime import datetime, timezone

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.site.proxy import certificate_end, end_of, replace_secret, token_end
from tests.pilot.site.certificates import make

DAY = 86400


def token(**claims):
    def part(content):
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return ".".join([part({"alg": "none"}), part(claims), "c2ln"])


@pytest.mark.programs("openssl")
@pytest.mark.parametrize("days", [2, 365, 365 * 40], ids=["days", "a year", "after 2049"])
def test_the_end_of_a_certificate_is_what_openssl_says(tmp_path, days):
    path = make(tmp_path, days)
    said = subprocess.run(["openssl", "x509", "-noout", "-enddate", "-in", path], capture_output=True, text=True).stdout
    expected = datetime.strptime(said.strip(), "notAfter=%b %d %H:%M:%S %Y GMT").replace(tzinfo=timezone.utc)
    assert certificate_end(path) == expected.timestamp()
    assert abs(certificate_end(path) - time.time() - days * DAY) < 60


@pytest.mark.programs("openssl")
def test_a_proxy_lives_no_longer_than_its_chain(tmp_path):
    short, long = make(tmp_path, 1, "user"), make(tmp_path, 9, "proxy")
    long.write_text(long.read_text() + short.read_text())
    assert certificate_end(long) == certificate_end(short)


@pytest.mark.programs("openssl")
def test_a_certificate_that_was_cut_off_is_none(tmp_path):
    text = make(tmp_path).read_text()
    broken = re.sub(r"(BEGIN CERTIFICATE-----\n.{64}\n).*?(-----END CERTIFICATE)", r"\1\2", text, flags=re.DOTALL)
    with pytest.raises(ValueError, match="cannot be read"):
        end_of(broken.encode())


@pytest.mark.parametrize(
    "content", ["", "no certificate", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----"]
)
def test_a_file_without_a_certificate_is_no_proxy(tmp_path, content):
    path = tmp_path / "x509up"
    path.write_text(content)
    with pytest.raises(JobFailed, match="x509up: ") as caught:
        certificate_end(path)
    assert caught.value.code is ErrorCode.NO_PROXY


def test_a_proxy_that_is_not_there_is_told_by_its_path(tmp_path):
    with pytest.raises(JobFailed, match="No such file"):
        certificate_end(tmp_path / "gone")


def test_a_web_token_tells_when_it_ends():
    assert token_end(token(exp=1700000000, sub="pilot")) == 1700000000.0


@pytest.mark.parametrize(
    "text",
    [
        "",
        "opaque",
        "a.b",
        "a.b.c",
        "a.é.c",
        token(),
        token(exp=None),
        token(exp="soon"),
        token(exp=[1]),
        token(exp=10**400),
    ],
)
def test_any_other_token_says_nothing(text):
    assert token_end(text) is None


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("cpp_7.1700000000.1700003600.0123456789abcdef.sig", 1700003600.0),
        ("cpp_7.1700000000.soon.0123456789abcdef.sig", None),
        ("cpp_7.1700000000.1700003600", None),
        ("cpp_", None),
    ],
)
def test_a_pass_of_our_server_says_when_it_ends(text, end):
    assert token_end(text) == end


def test_a_secret_is_replaced_as_a_whole_for_its_owner_alone(tmp_path):
    path = tmp_path / "token"
    path.write_text("old")
    path.chmod(0o644)
    replace_secret(path, "new")
    assert (path.read_text(), stat.S_IMODE(path.stat().st_mode)) == ("new", 0o600)
    with pytest.raises(UnicodeEncodeError):
        replace_secret(path, "é")
    assert [one.read_text() for one in tmp_path.iterdir()] == ["new"]


def test_a_text_that_only_begins_certificates_is_refused_at_once():
    with pytest.raises(ValueError, match="it holds no certificate"):
        end_of(b"-----BEGIN CERTIFICATE-----\n" * 200_000)
