"""Login at a provider that others have made, django-oauth-toolkit: what it does otherwise than the tests' own."""

from __future__ import annotations

from dataclasses import replace

import pytest
import requests
from django.contrib.auth.models import User

from server.accounts import oidc
from server.accounts.identity import BY_LOGIN
from server.accounts.issuers import issuers_in
from tests.kits.issuers import issuers_file
from tests.services import toolkit as toolkits

pytestmark = [pytest.mark.one_python, pytest.mark.django_db]

GO = "/login/with/iam"


@pytest.fixture(scope="module")
def toolkit(tmp_path_factory):
    with toolkits.running(tmp_path_factory.mktemp("toolkit")) as toolkit:
        yield toolkit


@pytest.fixture(autouse=True)
def configure(toolkit, settings, tmp_path, monkeypatch):
    monkeypatch.setattr("server.accounts.issuer_keys.PATIENCE", 60.0)

    def write(login=None, **said):
        path = issuers_file(tmp_path, toolkit, login, **{"algorithms": ["RS256"], **said})
        issuers_in.cache_clear()
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, issuers_file=str(path))

    oidc.ID_TOKENS.forget()
    BY_LOGIN.forget()
    toolkit.say()
    write()
    yield write
    issuers_in.cache_clear()


def log_in(client, toolkit, **options):
    there = client.get(GO)
    assert there.status_code == 302, there.content.decode()
    return client.get(toolkit.send_back(there["Location"], **options))


def roles():
    return set(User.objects.get().groups.values_list("name", flat=True))


def words(answer, status=403):
    assert answer.status_code == status, answer.content.decode()
    return answer.content.decode()


@pytest.mark.parametrize("where", ["id_token", "userinfo"])
@pytest.mark.parametrize("groups", [["/compass", "/compass/production"], "compass compass/production"])
def test_somebody_logs_in_with_the_rights_of_groups_wherever_they_stand(client, toolkit, where, groups):
    toolkit.say(**{where: {"groups": groups}})
    assert log_in(client, toolkit).status_code == 302
    assert roles() == {"reader", "production"}
    assert client.session["_auth_user_id"] == str(User.objects.get().pk)


@pytest.mark.parametrize("where", ["id_token", "userinfo"])
def test_a_claim_may_name_the_person_wherever_it_stands(client, toolkit, configure, where):
    configure(person="preferred_username")
    toolkit.say(id_token={"preferred_username": "grace" if where == "id_token" else None})
    log_in(client, toolkit)
    assert User.objects.get().username == "grace"


@pytest.mark.parametrize("where", ["id_token", "userinfo"])
@pytest.mark.parametrize(("seen", "kept"), [(False, ""), ("true", ""), (None, ""), (True, "grace@example.org")])
def test_an_address_of_mail_is_kept_when_the_provider_has_seen_it_and_says_so(client, toolkit, where, seen, kept):
    toolkit.say(**{where: {"email": "grace@example.org", "email_verified": seen}})
    log_in(client, toolkit)
    assert User.objects.get().email == kept


def test_that_one_address_was_seen_says_nothing_of_another(client, toolkit):
    toolkit.say(id_token={"email_verified": True}, userinfo={"email": "root@example.org"})
    log_in(client, toolkit)
    assert User.objects.get().email == ""


def test_a_provider_without_a_page_to_leave_leads_back_to_the_login(client, toolkit):
    log_in(client, toolkit)
    assert client.get(f"{GO}/leave")["Location"] == "/login"


def test_who_does_not_agree_is_told_so(client, toolkit):
    told = words(log_in(client, toolkit, agrees=False))
    assert "COMPASS IAM did not log you in, and says: access_denied" in told.replace("&#x27;", "'")
    assert not User.objects.exists()


def test_a_wrong_secret_of_the_client_lets_nobody_in(client, toolkit, tmp_path):
    (tmp_path / "secret").write_text("another one")
    assert "(invalid_client)" in words(log_in(client, toolkit))
    assert not User.objects.exists()


def test_a_way_back_counts_once_and_a_code_too(client, toolkit):
    back = toolkit.send_back(client.get(GO)["Location"])
    assert client.get(back).status_code == 302
    assert "was used already" in words(client.get(back))


def test_an_address_with_a_slash_that_the_provider_does_not_have_is_told(client, toolkit, configure):
    configure(issuer=f"{toolkit.address}/")
    assert f"it calls itself &#x27;{toolkit.address}&#x27;" in words(client.get(GO), 502)


def test_keys_may_change_and_tokens_that_ended_and_a_provider_that_is_down_let_nobody_in(client, toolkit):
    log_in(client, toolkit)
    toolkit.stop()
    assert "cannot be asked now" in words(client.get(GO), 502)
    try:
        toolkit.start("second", seconds=-100)
        oidc.ID_TOKENS.forget()
        assert "the token ended" in words(log_in(client, toolkit))
    finally:
        toolkit.stop()
        toolkit.start()
    oidc.ID_TOKENS.forget()
    assert log_in(client, toolkit).status_code == 302
    assert requests.get(f"{toolkit.address}/userinfo/", verify=toolkit.authority.file, timeout=10).status_code == 401
