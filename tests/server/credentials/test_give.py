"""What fits is handed out and written down; what has ended, or is not for the caller, never is."""

from __future__ import annotations

import pytest

from server.credentials.logic import give
from server.credentials.models import Credential, HandOut, Kind
from server.credentials.rules import Asker
from server.lib import metrics
from tests.server import jobs
from tests.server.credentials.making import HOUR, NOW, PILOT, ROLE, credential

pytestmark = [pytest.mark.django_db, pytest.mark.one_python, pytest.mark.usefixtures("home")]


def proxy(name="robot", **fields):
    said = {"kind": Kind.PROXY, "asked_as": ROLE, "name": name, "ends_at": NOW + HOUR, **fields}
    return credential(f"PEM of {name}", **said)


def test_a_proxy_is_given_and_written_down():
    proxy()
    assert give.proxy(ROLE, "", Asker("a-pilot", frozenset({"LOCAL", "CERN"})), now=NOW) == "PEM of robot"
    line = HandOut.objects.get()
    assert (line.what, line.kind, line.to, line.queues) == ("robot", "proxy", "a-pilot", "CERN,LOCAL")
    assert (line.at, line.ends_at, line.job) == (NOW, NOW + HOUR, None)
    assert str(line) == "robot to a-pilot"
    assert b'compass_handed_out_total{kind="proxy"}' in metrics.exposed()


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"ends_at": NOW}, "robot ended at 2026-11-22 12:00 UTC"),
        ({"enabled": False}, "this server has not a proxy for the role 'compass:/compass/Role=production'"),
        ({"asked_as": "other"}, "this server has not a proxy"),
        ({"queues": ["CERN"]}, "robot is not for pilots of LOCAL"),
        ({"person": "alice"}, "this server has not a proxy"),
        ({"working_group": "phys"}, "robot is for pilots that have a job of the working group phys, and there is none"),
    ],
)
def test_what_is_not_for_the_caller_is_refused_with_the_reason(fields, words):
    proxy(**fields)
    with pytest.raises(give.NotGiven, match="^" + words.replace(".", r"\.")):
        give.proxy(ROLE, "", Asker("a-pilot", frozenset({"LOCAL"})), now=NOW)
    assert not HandOut.objects.exists()


def test_what_was_never_obtained_or_cannot_be_opened_is_not_given(caplog):
    row = credential(kind=Kind.PROXY, asked_as=ROLE, name="robot")
    with pytest.raises(give.NotGiven, match="robot was never obtained"):
        give.proxy(ROLE, "", PILOT, now=NOW)
    Credential.objects.filter(pk=row.pk).update(sealed=b"12345678" * 5)
    with pytest.raises(give.NotGiven, match="robot cannot be opened"):
        give.proxy(ROLE, "", PILOT, now=NOW)
    assert "is not in credential_keys any more" in caplog.text


def test_a_persons_own_proxy_goes_to_the_pilots_of_its_jobs_and_names_the_job(queue):
    proxy()
    proxy("of alice", person="alice")
    assert give.proxy(ROLE, "alice", PILOT, now=NOW) == "PEM of robot", "alice has no job"
    jobs.submit(user="bob")
    (mine,) = jobs.submit(user="alice")
    jobs.claim(count=2)
    assert give.proxy(ROLE, "alice", PILOT, now=NOW) == "PEM of of alice"
    assert HandOut.objects.first().job == mine
    elsewhere = Asker("b", frozenset({"CERN"}))
    assert give.proxy(ROLE, "alice", elsewhere, now=NOW) == "PEM of robot"
    assert give.proxy(ROLE, "bob", PILOT, now=NOW) == "PEM of robot"


def test_a_groups_proxy_goes_to_the_pilots_of_its_jobs(queue):
    proxy(working_group="phys")
    jobs.submit(working_group="other", name='{"workingGroup":"phys"}')
    jobs.claim()
    with pytest.raises(give.NotGiven, match="there is none"):
        give.proxy(ROLE, "", PILOT, now=NOW)
    (mine,) = jobs.submit(working_group="phys")
    jobs.claim()
    assert give.proxy(ROLE, "", PILOT, now=NOW) == "PEM of robot"
    assert HandOut.objects.get().job == mine


def test_keys_are_given_by_both_names():
    credential("public\nprivate", kind=Kind.KEY_PAIR, asked_as="os.pub os.key")
    assert give.key_pair("os.pub", "os.key", PILOT, now=NOW) == ("public", "private")
    with pytest.raises(give.NotGiven, match="keys by the names 'os.pub' and 'other'"):
        give.key_pair("os.pub", "other", PILOT, now=NOW)


def test_a_token_is_given_by_its_key():
    credential("the token", key_days=2, ends_at=NOW + HOUR)
    for wrong in ("", "geheim"):
        with pytest.raises(give.NotGiven, match="token_key: this is no key") as refused:
            give.access_token("pilot_server", wrong, PILOT, now=NOW)
        assert "geheim" not in str(refused.value)
    key = give.token_key("pilot_server", PILOT, now=NOW)
    assert give.access_token("pilot_server", key, PILOT, now=NOW) == "the token"
    assert [line.kind for line in HandOut.objects.order_by("pk")] == ["token_key", "token"]


def test_a_token_that_wants_no_key_is_given_without_and_has_none():
    credential("the token")
    assert give.access_token("pilot_server", "", PILOT, now=NOW) == "the token"
    with pytest.raises(give.NotGiven, match="has not a key of the token for the client 'pilot_server'"):
        give.token_key("pilot_server", PILOT, now=NOW)
    with pytest.raises(give.NotGiven, match="has not a token for the client 'other'"):
        give.access_token("other", "", PILOT, now=NOW)
