"""What a payload gets to see of the pilot's environment."""

from __future__ import annotations

import pytest

from pilot.contract.codes import ErrorCode
from pilot.errors import JobFailed
from pilot.runtime.environment import asked_by_queue, chosen, payload_environment

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


@pytest.mark.parametrize("name", [*sorted(SECRETS), "KRB5CCNAME", "_CONDOR_CREDS", "OIDC_X", "DB_PASSWORD"])
def test_a_pattern_that_fits_everything_lets_no_secret_through(name):
    harmless = {"PYTHONPATH", "PYTHONHOME", "BASH_ENV", "LD_PRELOAD"}
    taken = chosen({name: "x", "CMS_DIR": "/cms"}, ("*",))
    assert taken == ({name: "x", "CMS_DIR": "/cms"} if name in harmless else {"CMS_DIR": "/cms"})


def test_what_may_be_a_secret_is_given_by_its_full_name_only():
    own = {"X509_USER_PROXY": "/tmp/proxy", "BEARER_TOKEN_FILE": "/tmp/token"}
    assert chosen(own, ("X509_USER_PROXY",)) == {"X509_USER_PROXY": "/tmp/proxy"}
    assert chosen(own, ("X509*", "BEARER_*")) == {}


@pytest.mark.parametrize("name", ["COMPASS_PILOT_TOKEN", "COMPASS_PILOT__SERVER__URL", "PANDA_AUTH_TOKEN", "OIDC_X"])
def test_the_pilots_own_credentials_are_given_to_nobody(name):
    assert chosen({name: "x"}, (name, "*")) == {}


def test_variables_that_nobody_named_stay_outside():
    assert chosen({"CMS_A": "1", "CMS_B": "2", "OTHER": "3"}, ("CMS_A", "ATLAS_*")) == {"CMS_A": "1"}


@pytest.mark.parametrize("said", [["A", "B_*"], "A, B_*", ("A", "B_*")])
def test_a_queue_names_variables_in_a_list_or_in_text(said):
    assert asked_by_queue({"payload_environment": said}, "Q") == ("A", "B_*")


def test_a_queue_that_names_none_gets_none():
    assert asked_by_queue({}, "Q") == ()


@pytest.mark.parametrize("said", [7, {"A": 1}, ["A", 1]])
def test_a_queue_that_names_variables_in_another_way_is_told_so(said):
    with pytest.raises(JobFailed, match="payload_environment of queue Q") as caught:
        asked_by_queue({"payload_environment": said}, "Q")
    assert caught.value.code is ErrorCode.BAD_QUEUE_CONFIGURATION
