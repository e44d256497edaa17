from __future__ import annotations

from pilot.contract.naming import SECRETS_FILE
from pilot.control.job_secrets import JobSecrets

KEY = (7, 1)


def test_what_came_for_the_pilot_is_known_by_job_and_kept_out_of_logs():
    secrets = JobSecrets()
    secrets.learn({KEY: {"logstash_login": "somebody", "logstash_password": "hush-1"}})
    assert secrets.of(KEY)["logstash_password"] == "hush-1"
    assert secrets.of((8, 1)) == {}
    assert secrets.seen() == ("hush-1",)
    assert secrets.handed(KEY) == ""


def test_every_text_that_is_for_the_payload_is_kept_out_of_logs():
    secrets, text = JobSecrets(), '{"key": "hush-2", "more": ["hush-3", {"deep": "hush-4"}], "n": 5, "no": "abc"}'
    secrets.learn({KEY: {SECRETS_FILE: text}})
    assert secrets.handed(KEY) == text
    assert set(secrets.seen()) == {text, "hush-2", "hush-3", "hush-4"}


def test_what_is_for_the_payload_need_not_be_json():
    secrets = JobSecrets()
    secrets.learn({KEY: {SECRETS_FILE: "plain {words"}, (8, 1): {SECRETS_FILE: "[" * 100_000}})
    assert secrets.handed(KEY) == "plain {words"
    assert secrets.seen()[0] == "plain {words"


def test_that_there_are_none_for_the_payload_stars_nothing_out():
    secrets = JobSecrets()
    secrets.learn({KEY: {SECRETS_FILE: "{}"}})
    assert (secrets.handed(KEY), secrets.seen()) == ("{}", ())


def test_halves_of_characters_in_one_jobs_secrets_hold_up_no_log():
    secrets = JobSecrets()
    secrets.learn({KEY: {SECRETS_FILE: r'{"key": "hush-\ud800", "other": "tok-\udc00en"}'}, (8, 1): {"p": "\ud800"}})
    assert {text.encode() for text in secrets.seen()[1:]} == {b"hush-", b"tok-en"}
