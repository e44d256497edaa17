"""People log in by the certificate that a front tells of, once; the session ends with it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from django.contrib.auth.models import Group, User

from server.accounts import logic, passwords
from server.accounts.certificate_logins import ACCOUNTS, CertificateRefused, join, switch
from server.accounts.models import Person, Role, UserCertificate
from server.lib.rates import Rates

SECRET = "s" * 32
ADA, PLAIN = "/DC=org/CN=Ada Example", "CN=Ada Example,DC=org"
PAGE = {"Accept": "text/html"}

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def front(settings, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text(SECRET)
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, front_secret_file=str(tmp_path / "secret"))
    monkeypatch.setattr(passwords, "FAILURES", Rates(lambda: 0.0, burst=passwords.WINDOW))
    monkeypatch.setattr("server.accounts.certificate_views.FAILURES", passwords.FAILURES)
    ACCOUNTS.forget()
    return settings


def shown(subject=ADA, proof=SECRET):
    verified = "SUCCESS" if subject else "NONE"
    return PAGE | {"X-Compass-Front": proof, "X-Compass-Verified": verified, "X-Compass-Subject": subject}


def log_in(client, subject=ADA, **more):
    return client.get("/login/certificate", more, headers=shown(subject))


def words_of(answer):
    return answer.status_code, answer.content.decode()


def test_a_first_login_makes_an_account_without_rights_and_greets_it(client):
    assert log_in(client, next="/tasks").url == "/tasks"
    user = User.objects.get()
    assert (user.username, user.has_usable_password(), user.is_staff, user.groups.count()) == (
        "ada.example",
        False,
        False,
        0,
    )
    for path in ("/tasks", "/tasks/new", "/tasks/x/resend", "/admin/"):
        page = client.get(path, headers=shown(), follow=True)
        assert page.redirect_chain[-1][0] == "/welcome", path
        assert "have no rights here yet" in page.content.decode()
        assert "ask an administrator of this server" in page.content.decode()


def test_both_spellings_and_proxies_log_in_one_account(client):
    for subject in (ADA, PLAIN, f"{ADA}/CN=proxy", f"{ADA}/CN=123"):
        assert log_in(client, subject).status_code == 302
    assert User.objects.count() == UserCertificate.objects.count() == 1


def test_given_rights_open_pages_and_admin(client):
    log_in(client)
    User.objects.get().groups.add(Group.objects.get_or_create(name="production")[0])
    assert client.get("/tasks", headers=shown()).status_code == 200
    assert client.get("/admin/", headers=shown()).status_code == 200


@pytest.mark.parametrize("headers", [shown("/DC=org/CN=Bob"), shown(""), PAGE, shown(proof="t" * 32)])
def test_another_certificate_or_none_ends_the_session(client, headers):
    log_in(client)
    assert client.get("/welcome", headers=shown()).status_code == 200
    answer = client.get("/welcome", headers=headers)
    assert answer.url == "/login?ended=certificate&next=%2Fwelcome"
    assert "_auth_user_id" not in client.session
    assert "Your browser shows another certificate now" in client.get(answer.url, headers=headers).content.decode()


def test_a_session_by_password_needs_no_certificate(client):
    client.force_login(User.objects.create_user("bob"))
    assert client.get("/welcome", headers=shown()).status_code == 200
    assert client.get("/welcome", headers=PAGE).status_code == 200


def test_a_certificate_that_is_switched_off_ends_its_sessions_and_logs_nobody_in(client):
    log_in(client)
    switch(PLAIN, enabled=False)
    ACCOUNTS.forget()
    assert "ended=off" in client.get("/welcome", headers=shown()).url
    status, text = words_of(log_in(client))
    assert (status, f"the certificate {ADA} is switched off" in text) == (403, True)


def test_who_is_not_on_the_list_is_told_its_name_and_whom_to_ask(client, front):
    front.ENVIRONMENT = replace(front.ENVIRONMENT, login_subjects="/DC=net/.*", administrators="Eve, eve@example.org")
    status, text = words_of(log_in(client))
    assert (status, User.objects.count()) == (403, 0)
    assert f"the certificate {ADA} is not among those that may log in here; ask Eve, eve@example.org" in text


@pytest.mark.parametrize("said", [{"login_subjects_file": "/nowhere/list"}, {"login_subjects": "("}])
def test_a_list_that_cannot_be_read_lets_nobody_in(client, front, said):
    front.ENVIRONMENT = replace(front.ENVIRONMENT, **said)
    status, text = words_of(log_in(client))
    assert (status, "cannot be read" in text, "/nowhere" in text) == (403, True, False)


@pytest.mark.parametrize(
    "headers", [shown(proof="t" * 32), {"X-Compass-Verified": "SUCCESS", "X-Compass-Subject": ADA}]
)
def test_what_no_front_proves_logs_nobody_in(client, headers):
    assert client.get("/login/certificate", headers=headers).status_code == 403
    assert User.objects.count() == 0
    assert "Log in with your certificate" not in client.get("/login", headers=headers).content.decode()


def test_too_many_refused_logins_have_none_looked_at(client, front):
    front.ENVIRONMENT = replace(front.ENVIRONMENT, login_failures=2, login_subjects="nobody")
    assert [log_in(client).status_code for _ in range(3)] == [403, 403, 429]


def test_the_login_page_offers_the_certificate_and_shows_nothing_else_as_code(client):
    page = client.get("/login?next=/tasks", headers=shown("/O=<b>/CN=Ada")).content.decode()
    assert "/login/certificate?next=/tasks" in page
    assert "<b>" not in page.partition("<main")[2]
    assert "Log in with your certificate" not in client.get("/login", headers=PAGE).content.decode()


def test_nobody_is_led_to_another_host(client):
    assert log_in(client, next="https://elsewhere.example.org/").url == "/"


def test_a_name_that_somebody_has_is_left_to_them(client):
    User.objects.create_superuser("ada.example", password="x")
    log_in(client)
    account = UserCertificate.objects.get().account
    assert (account.username, account.is_superuser) == ("ada.example.2", False)


def test_an_administrator_joins_a_certificate_to_an_account(client):
    bob = User.objects.create_user("bob")
    assert join(PLAIN, "bob").subject == ADA
    log_in(client)
    assert client.session["_auth_user_id"] == str(bob.pk)
    for subject, name, words in (("nonsense", "bob", "nonsense"), (ADA, "nobody", "'nobody' is nobody's")):
        with pytest.raises(CertificateRefused, match=words):
            join(subject, name)


def test_the_certificate_of_a_token_logs_in_its_persons_account(client):
    logic.create_token("adas", Role.USER, person="ada", certificate=ADA)
    ada = User.objects.create_user("somebody")
    logic.join_account("ada", ada)
    log_in(client)
    assert client.session["_auth_user_id"] == str(ada.pk)


def test_who_is_banned_or_switched_off_is_refused_in_words(client):
    log_in(client)
    logic.ban(ADA, "fills every disk")
    assert "is banned: fills every disk" in words_of(log_in(client))[1]
    logic.lift_ban(ADA)
    User.objects.update(is_active=False)
    assert "the account ada.example is switched off" in words_of(log_in(client))[1]
    assert Person.objects.count() == 1


def test_the_session_gets_a_new_key(client):
    client.get("/login", headers=shown())
    session = client.session
    session["x"] = 1
    session.save()
    before = session.session_key
    log_in(client)
    assert client.session.session_key != before
