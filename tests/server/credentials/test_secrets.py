"""Secrets are kept sealed, given to whom has claimed a job that wants them, and go when it has ended."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest

from server.credentials import queries
from server.credentials.keyring import NAME, SealBroken, keyring
from server.credentials.logic import forget, keys, secrets
from server.credentials.models import HandOut, JobSecrets, UserSecret
from tests.server import jobs
from tests.server.credentials import making
from tests.server.credentials.making import NOW, credential

pytestmark = [pytest.mark.django_db, pytest.mark.one_python, pytest.mark.usefixtures("home")]


def claimed(number=1, owner="alice", **more):
    return {"PandaID": number, "attemptNr": 2, "prodUserID": owner, "useSecrets": "True", **more}


def given(job):
    secrets.add_to([job], to="a-pilot", queue="LOCAL", now=NOW)
    return json.loads(job["secrets"]) if "secrets" in job else None


def test_a_users_secrets_are_given_to_its_jobs_and_no_others():
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    secrets.set_secret("bob", "key", "other", now=NOW)
    assert given(claimed()) == {"key": "geheim"}
    assert given(claimed(owner="carol")) is None
    assert given(claimed(owner="NULL")) is None
    line = HandOut.objects.get()
    assert (line.what, line.kind, line.to, line.queues) == ("secrets of alice", "secrets", "a-pilot", "LOCAL")
    assert (line.job, line.attempt) == (1, 2)


def test_what_came_with_a_job_goes_before_what_its_user_has():
    secrets.set_secret("alice", "key", "general", now=NOW)
    secrets.set_secret("alice", "more", "too", now=NOW)
    secrets.keep_for_jobs({1: {"key": "special"}, 2: {"key": "of another"}})
    assert given(claimed()) == {"key": "special", "more": "too"}
    assert given(claimed(owner="")) == {"key": "special"}


def test_a_job_that_wants_none_costs_no_look(django_assert_num_queries):
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    job = claimed()
    del job["useSecrets"]
    with django_assert_num_queries(0):
        assert given(job) is None


def test_nothing_of_a_secret_can_be_read_in_the_database():
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    secrets.keep_for_jobs({1: {"key": "geheim"}})
    for row in (UserSecret.objects.get(), JobSecrets.objects.get()):
        assert b"geheim" not in bytes(row.sealed)
        assert "geheim" not in str(row) + repr(row)


def test_a_row_that_was_put_in_anothers_place_gives_nothing(caplog):
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    UserSecret.objects.update(owner="mallory")
    assert given(claimed(owner="mallory")) is None
    assert "secrets of jobs cannot be opened" in caplog.text


def test_a_secret_is_replaced_and_removed():
    secrets.set_secret("alice", "key", "old", now=NOW)
    secrets.set_secret("alice", "key", "new", now=NOW)
    secrets.set_secret("alice", "more", "x", now=NOW)
    assert given(claimed())["key"] == "new"
    assert secrets.remove_secrets("alice", "key") == 1
    assert queries.names_of("alice") == ["more"]
    assert secrets.remove_secrets("alice") == 1
    assert secrets.remove_secrets("alice") == 0


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("", "geheim", "is not a name of"),
        ("a" * 61, "geheim", "is not a name of"),
        ("a\nb", "geheim", "is not a name of"),
        ("a", "geheim" * 50000, "more than 262144 bytes"),
        ("a", 1, "a secret is text"),
    ],
)
def test_what_cannot_be_kept_is_refused_without_being_repeated(name, value, words):
    with pytest.raises(secrets.SecretRefused, match=words) as wrong:
        secrets.set_secret("alice", name, value, now=NOW)
    assert "geheim" not in str(wrong.value)


def test_there_may_be_so_many(monkeypatch):
    monkeypatch.setattr(secrets, "MOST", 2)
    for name in ("a", "b", "a"):
        secrets.set_secret("alice", name, "x", now=NOW)
    with pytest.raises(secrets.SecretRefused, match="alice has 2 secrets"):
        secrets.set_secret("alice", "c", "x", now=NOW)
    assert queries.names_of("alice") == ["a", "b"]


def test_what_came_with_a_job_goes_when_it_has_ended(queue, monkeypatch):
    monkeypatch.setattr(forget, "_BATCH", 2)
    numbers = jobs.submit(3)
    secrets.keep_for_jobs({number: {"a": "b"} for number in [*numbers, 10**9]})
    jobs.claim(count=2)
    jobs.finish(numbers[0])
    assert forget.forget_ended() == 2
    assert queries.jobs_with_secrets(0, limit=9) == numbers[1:]


def test_lines_about_hand_outs_go_when_their_days_are_over():
    for days in (1, 89, 91):
        HandOut.objects.create(at=NOW - timedelta(days=days), what="a", kind="b", to="c")
    assert forget.forget_hand_outs(NOW) == 1
    assert HandOut.objects.count() == 2


def test_a_new_key_seals_everything_anew_and_the_old_one_is_dropped(home):
    row = credential(making.token(), ends_at=NOW)
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    secrets.keep_for_jobs({1: {"more": "too"}})
    old = keyring().newest
    keys.add_key()
    assert (home / NAME).stat().st_mode & 0o777 == 0o600
    assert keyring().ids[1:] == [old]
    assert keys.drop_keys() == 0, "the old one is in use"
    assert keys.seal_anew() == 3
    assert keys.seal_anew() == 0
    assert keys.in_use() == {keyring().newest: 3}
    assert keys.drop_keys() == 1
    assert old not in keyring().ids
    assert given(claimed()) == {"key": "geheim", "more": "too"}
    row.refresh_from_db()
    assert keyring().open(row.sealed, f"credential/{row.pk}/token/text") == making.token()


def test_what_cannot_be_opened_keeps_nothing_else_from_being_sealed_anew(home):
    row = credential(making.token(), ends_at=NOW, sealed_grant=keyring().seal("{}", "an address of before"))
    secrets.set_secret("alice", "key", "geheim", now=NOW)
    old = keyring().newest
    keys.add_key()
    with pytest.raises(SealBroken, match=rf"^credential/{row.pk}/token/grant/.*: it was altered.*; all else is sealed"):
        keys.seal_anew()
    assert keys.in_use() == {keyring().newest: 2, old: 1}
    assert keys.drop_keys() == 0


def test_what_no_key_opens_is_counted(home):
    secrets.keep_for_jobs({1: {"more": "too"}})
    assert keys.unopened(keyring()) == 0
    (home / NAME).unlink()
    from server.manage.home import write_credential_key

    write_credential_key(home)
    assert keys.unopened(keyring()) == 1
