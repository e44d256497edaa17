"""What may be said of an HTCondor and of a queue there, and what is refused by its name."""

from __future__ import annotations

import importlib.util

import pytest

from server.batch.base import BatchMisconfigured
from server.batch.htcondor import HTCondorBatch
from server.batch.htcondor_options import HTCondorJobOptions, HTCondorOptions
from server.batch.place import Place, read_job_options


def opened(tmp_path, name="pool", **options):
    return HTCondorBatch.open(Place(name, tmp_path, options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"pool": "ce.example.org:9619", "schedd": "ce.example.org", "spool": True, "ce": True},
        {"pool": "<10.0.0.1:9618?sock=collector>", "schedd": "schedd@pool"},
        {"config": "/etc/condor/other", "token_directory": "/etc/tokens", "scitoken": "/t", "proxy": "/p"},
        {"config": "ONLY_ENV", "patience": 5.0, "history_at_once": 1},
    ],
)
def test_what_may_be_said_is_taken_and_nobody_is_asked(tmp_path, options):
    assert opened(tmp_path, **options).name == "htcondor"


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"pol": "x"}, "pol"),
        ({"pool": "a b", "schedd": "s"}, "options.pool: 'a b' is no name or address"),
        ({"schedd": 'x" || true'}, "options.schedd"),
        ({"pool": "ce.example.org"}, "options.schedd: name the schedd"),
        ({"config": "condor_config"}, "options.config: 'condor_config' is no absolute path"),
        ({"token_directory": "ONLY_ENV"}, "options.token_directory"),
        ({"scitoken": "token"}, "options.scitoken"),
        ({"proxy": "~/proxy"}, "options.proxy"),
        ({"patience": 0.0}, "options.patience: 0.0 is no time above 0"),
        ({"history_patience": -1.0}, "options.history_patience"),
        ({"submit_patience": 1e9}, "options.submit_patience"),
        ({"force_after": 0.0}, "options.force_after"),
        ({"history_at_once": 0}, "options.history_at_once: 0 is not between"),
        ({"spool": "yes please"}, "options.spool"),
    ],
)
def test_what_cannot_be_is_refused_by_its_name(tmp_path, options, words):
    with pytest.raises(BatchMisconfigured, match="batch system pool: ") as caught:
        opened(tmp_path, **options)
    assert words in str(caught.value)


def test_a_name_that_could_not_be_in_an_expression_is_refused(tmp_path):
    with pytest.raises(BatchMisconfigured, match="name: letters"):
        opened(tmp_path, name='a" || true')


def test_bindings_that_are_missing_are_told_with_the_remedy(tmp_path, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(BatchMisconfigured, match=r"pip install 'compass-pilot\[htcondor\]'"):
        opened(tmp_path)


def test_credentials_are_named_by_their_files_and_decide_how_it_is_proved_who_asks():
    assert HTCondorOptions().environment == {}
    found = HTCondorOptions(config="/c", scitoken="/s", token_directory="/t", proxy="/p").environment
    assert found["CONDOR_CONFIG"] == "/c"
    assert found["_CONDOR_SCITOKENS_FILE"] == "/s"
    assert found["_CONDOR_SEC_TOKEN_DIRECTORY"] == found["_CONDOR_SEC_TOKEN_SYSTEM_DIRECTORY"] == "/t"
    assert found["X509_USER_PROXY"] == found["_CONDOR_AUTH_SSL_CLIENT_CERTFILE"] == "/p"
    assert found["_CONDOR_SEC_CLIENT_AUTHENTICATION_METHODS"] == "SCITOKENS,IDTOKENS,SSL"


@pytest.mark.parametrize(
    "options",
    [
        {"requirements": 'regexp("^node", Machine) && Memory > 100', "rank": "Memory", "priority": -5},
        {"accounting_group": "group_prod.compass", "accounting_user": "prod@site"},
        {"attributes": {"queue": "long", "maxWallTime": 600, "My_Own": 'with "quotes"'}},
        {"grid_resource": "condor ce.example.org ce.example.org:9619", "hold_on": "76, 94"},
        {"container_image": "/cvmfs/image.sif", "held_limit": 60.0, "stream": True},
    ],
)
def test_what_a_queue_may_ask_is_taken(options):
    read_job_options("pool", HTCondorBatch, options).check()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"requirements": "true\nqueue 9"}, "job options.requirements"),
        ({"rank": "1\\"}, "job options.rank"),
        ({"container_image": "/a,/b"}, "container_image"),
        ({"container_image": "/a", "grid_resource": "condor a b"}, "not together with grid_resource"),
        ({"accounting_group": "a b"}, "accounting_group"),
        ({"accounting_user": "a\n"}, "accounting_user"),
        ({"grid_resource": "arc ce.example.org"}, "condor SCHEDD COLLECTOR"),
        ({"hold_on": "1; 2"}, "hold_on"),
        ({"hold_on": "1})"}, "hold_on"),
        ({"held_limit": 0.0}, "held_limit"),
        ({"attributes": {"a b": "1"}}, "letters, digits and _ only"),
        ({"attributes": {"a = 1\nqueue": "1"}}, "letters, digits and _ only"),
        ({"attributes": {"CompassKey": "k"}}, "written by the server itself"),
        ({"attributes": {"owner": "root"}}, "written by the server itself"),
        ({"attributes": {"a": "1\nqueue 9"}}, "attributes.a"),
        ({"attributes": {"a": ["1"]}}, "expected: a number, true, false or text"),
    ],
)
def test_what_a_queue_cannot_ask_is_refused_by_its_name(options, words):
    with pytest.raises(BatchMisconfigured) as caught:
        read_job_options("pool", HTCondorBatch, options).check()
    assert words in str(caught.value)


def test_what_nobody_said_is_nothing():
    HTCondorJobOptions().check()
    assert HTCondorJobOptions().attributes == {}
