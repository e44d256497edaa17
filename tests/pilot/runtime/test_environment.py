"""What a payload gets to see of the pilot's environment."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.environment import payload_environment

SECRETS = {
    "X509_USER_PROXY": "/tmp/x509up_u1000",
    "PANDA_AUTH_TOKEN": "token",
    "BEARER_TOKEN": "eyJ",
    "COMPASS_PILOT__SERVER__TOKEN": "secret",
    "AWS_SECRET_ACCESS_KEY": "key",
    "SSH_AUTH_SOCK": "/run/agent",
    "http_proxy": "http://user:password@proxy",
    "PYTHONPATH": "/pilot",
    "PYTHONHOME": "/pilot",
    "BASH_ENV": "/evil",
    "LD_PRELOAD": "/evil.so",
}


def test_no_secret_and_nothing_of_the_pilots_python_reaches_a_payload(tmp_path):
    environment = payload_environment({"PATH": "/bin", **SECRETS}, tmp_path)
    assert environment == {"PATH": "/bin", "TMPDIR": str(tmp_path / "tmp"), "PWD": str(tmp_path)}


def test_what_programs_need_is_kept(tmp_path):
    kept = {"PATH": "/a:/b", "HOME": "/h", "LANG": "C.UTF-8", "LC_ALL": "C", "LD_LIBRARY_PATH": "/l", "TZ": "UTC"}
    assert kept.items() <= payload_environment(kept, tmp_path).items()


def test_a_node_without_a_path_gets_the_usual_one(tmp_path):
    assert payload_environment({}, tmp_path)["PATH"] == "/usr/local/bin:/usr/bin:/bin"


def test_a_later_addition_wins(tmp_path):
    environment = payload_environment({"LANG": "C"}, tmp_path, [{"A": "1", "B": "1"}, {"B": "2", "LANG": "de"}])
    assert (environment["A"], environment["B"], environment["LANG"]) == ("1", "2", "de")


@pytest.mark.parametrize(
    ("addition", "words"),
    [
        ({"": "x"}, "'' cannot be the name"),
        ({"A=B": "x"}, "'A=B' cannot be the name"),
        ({"A": 1}, "A: 1 is not text"),
        ({"A": "a\0b"}, "is not text"),
    ],
)
def test_an_impossible_addition_is_named(tmp_path, addition, words):
    with pytest.raises(JobFailed, match=words) as caught:
        payload_environment({}, tmp_path, [addition])
    assert caught.value.code is ErrorCode.SETUP_FAILURE
