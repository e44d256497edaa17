"""Login at a real provider on the loopback: the way there and back, rights, and all that is not believed."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import requests
from django.contrib.auth.models import Group, User
from django.test import Client

from server.accounts import logic, oidc
from server.accounts.identity import BY_LOGIN
from server.accounts.issuers import issuers_in
from server.accounts.models import GivenRight, Person, SiteRight
from server.accounts.sessions import BY
from tests.kits.issuers import issuers_file
from tests.services import provider as providers

GO, BACK = "/login/with/iam", "/login/with/iam/back"


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    with providers.running(tmp_path_factory.mktemp("provider") / "authority") as provider:
        yield provider


@pytest.fixture(autouse=True)
def _fresh(provider, monkeypatch):
    """Nobody is known, and the provider says what it should."""
    monkeypatch.setattr("server.accounts.issuer_keys.PATIENCE", 60.0)
    oidc.ID_TOKENS.forget()
    BY_LOGIN.forget()
    provider.says, provider.tells, provider.refuses, provider.status = {}, {}, "", 200


@pytest.fixture
def configure(provider, settings, tmp_path):
    """Write the file of issuers, and have it used."""

    def write(login=None, **said):
        path = issuers_file(tmp_path, provider, login, **said)
        issuers_in.cache_clear()
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, issuers_file=str(path))

    yield write
    issuers_in.cache_clear()


@pytest.fixture
def door(configure, db):
    configure()


def way(client, provider, *, after=""):
    """Go to the provider as a browser does; answer the address that it sends the browser back to."""
    there = client.get(GO, {"next": after} if after else {})
    assert there.status_code == 302, there.content.decode()
    at = requests.get(there["Location"], allow_redirects=False, verify=provider.authority.file, timeout=10)
    assert at.status_code == 302, at.text
    return at.headers["Location"].removeprefix("http://testserver")


def log_in(client, provider, **options):
    return client.get(way(client, provider, **options))


def who(client):
    return client.session.get("_auth_user_id")


def words(answer, status=403):
    assert answer.status_code == status, answer.content.decode()
    return answer.content.decode()


def test_the_login_page_has_a_button_for_each_issuer_and_none_without(client, door, settings):
    assert "Log in by COMPASS IAM" in client.get("/login").content.decode()
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, issuers_file="")
    assert "Log in by" not in client.get("/login").content.decode()
    assert "nobody logs in here by an issuer of this name" in words(client.get(GO), 404)


def test_a_first_login_makes_an_account_without_rights(client, door, provider):
    answer = log_in(client, provider)
    assert (answer.status_code, answer["Location"]) == (302, "/")
    user = User.objects.get()
    assert (user.username, who(client), client.session[BY]) == ("1234@localhost", str(user.pk), "iam")
    assert [user.is_staff, user.is_superuser, user.has_usable_password(), user.groups.exists()] == [False] * 4
    log_in(client, provider)
    assert User.objects.count() == 1


def test_somebody_is_led_to_where_they_wanted_to_go_and_never_elsewhere(client, door, provider):
    assert log_in(client, provider, after="/tasks?state=done")["Location"] == "/tasks?state=done"
    assert log_in(client, provider, after="https://evil.example/")["Location"] == "/"
    assert log_in(client, provider, after="//evil.example/")["Location"] == "/"


def test_groups_give_rights_and_take_them_back_at_the_next_login(client, door, provider):
    provider.says = {"groups": ["/compass", "/compass/production", "/compass/cern"]}
    log_in(client, provider)
    user = User.objects.get()
    assert set(user.groups.values_list("name", flat=True)) == {"production", "site_admin", "reader"}
    assert set(SiteRight.objects.values_list("queue", "origin")) == {("Q1", provider.address), ("Q2", provider.address)}
    provider.says = {"groups": ["compass"]}
    log_in(client, provider)
    assert list(user.groups.values_list("name", flat=True)) == ["reader"]
    assert not SiteRight.objects.exists()
    assert list(GivenRight.objects.values_list("role", flat=True)) == ["reader"]


def test_what_was_given_by_hand_stays(client, door, provider):
    log_in(client, provider)
    user = User.objects.get()
    user.groups.add(Group.objects.get_or_create(name="production")[0])
    SiteRight.objects.create(account=user, queue="Q1")
    for groups in (["compass/production", "compass/cern"], []):
        provider.says = {"groups": groups}
        log_in(client, provider)
    assert list(user.groups.values_list("name", flat=True)) == ["production"]
    assert list(SiteRight.objects.values_list("queue", flat=True)) == ["Q1"]


def test_administrators_by_a_group_are_so_as_long_as_they_are_in_it(client, door, provider):
    for groups, is_one in ((["compass/admins"], True), (["compass"], False)):
        provider.says = {"groups": groups}
        log_in(client, provider)
        user = User.objects.get()
        assert (user.is_superuser, user.is_staff) == (is_one, is_one)


def test_groups_may_stand_in_a_claim_of_their_own_or_on_the_page_of_userinfo(client, configure, db, provider):
    configure(groups="roles")
    provider.says = {"roles": ["compass/production"]}
    log_in(client, provider)
    assert User.objects.get().groups.get().name == "production"
    provider.says, provider.tells = {}, {"sub": "1234", "groups": ["compass"]}
    log_in(client, provider)
    assert User.objects.get().groups.get().name == "reader"
    provider.tells = {"sub": "somebody else", "groups": ["compass/admins"]}
    log_in(client, provider)
    assert not User.objects.get().groups.exists()
    assert not User.objects.get().is_superuser


def test_it_is_the_same_person_by_browser_and_by_a_bearers_token(client, door, provider):
    log_in(client, provider)
    token = provider.token(groups=["compass"])
    said = client.get("/api/v1/accounts/who_am_i", headers={"Authorization": f"Bearer {token}"}).json()["data"]
    assert said["person"] == Person.objects.get(account=User.objects.get()).name


def test_a_browsers_token_is_no_bearers(client, door, provider):
    token = provider.token(aud=provider.client, groups=["compass"])
    answer = client.get("/api/v1/accounts/who_am_i", headers={"Authorization": f"Bearer {token}"})
    assert answer.status_code == 403


def test_an_account_that_is_there_is_not_taken_over_until_somebody_joins_the_two(client, configure, db, provider):
    configure(person="preferred_username")
    mine = User.objects.create_user("alice", password="twelve letters")
    provider.says = {"preferred_username": "alice", "email": "alice@example.org", "email_verified": True}
    assert "an account alice is there" in words(log_in(client, provider))
    assert who(client) is None
    logic.join_account("alice", mine)
    log_in(client, provider)
    assert who(client) == str(mine.pk)


def test_an_address_of_mail_is_kept_when_the_issuer_has_seen_it(client, door, provider):
    provider.says = {"email": "alice@example.org", "email_verified": True}
    log_in(client, provider)
    assert User.objects.get().email == "alice@example.org"


# What is not believed


def test_a_state_is_of_the_browser_that_began_and_good_once(client, door, provider):
    back = way(client, provider)
    assert "this browser has not begun this login" in words(Client().get(back))
    assert "this browser has not begun this login" in words(client.get(back.replace("state=", "state=x")))
    assert client.get(back).status_code == 302
    client.logout()
    assert "or it was used already" in words(client.get(back))
    assert who(client) is None


@pytest.mark.parametrize(
    ("says", "told"),
    [
        ({"nonce": "another"}, "not of the login that this browser began"),
        ({"nonce": None}, "not of the login that this browser began"),
        ({"aud": "compass"}, "the token is meant for others"),
        ({"aud": ["compass-desk", "else"], "azp": "else"}, "made for another client"),
        ({"exp": int(time.time()) - 100}, "the token ended"),
        ({"iss": "https://evil.example/"}, "are not taken here"),
        ({"sub": ""}, "the token&#x27;s sub is not a text"),
    ],
)
def test_a_token_that_is_not_for_this_login_lets_nobody_in(client, door, provider, says, told):
    provider.says = says
    assert told in words(log_in(client, provider))
    assert who(client) is None
    assert not User.objects.exists()


def test_a_token_by_another_key_lets_nobody_in(client, door, provider, monkeypatch):
    log_in(client, provider)
    client.logout()
    shown = provider.published()
    monkeypatch.setattr(provider, "published", lambda: shown)
    provider.rotate("first", "stolen")
    try:
        assert "has no key stolen" in words(log_in(client, provider))
    finally:
        provider.rotate("first")
    assert who(client) is None


def test_a_code_of_somebody_else_is_refused_by_the_proof_of_who_began(client, door, provider):
    other = Client()
    stolen = way(other, provider).partition("code=")[2].partition("&")[0]
    mine = way(client, provider)
    code = mine.partition("code=")[2].partition("&")[0]
    assert "does not take what this browser came back with (invalid_grant)" in words(
        client.get(mine.replace(code, stolen))
    )
    assert who(client) is None


def test_a_way_that_took_too_long_is_begun_again(client, door, provider, monkeypatch):
    back = way(client, provider)
    monkeypatch.setattr(oidc, "LONGEST_WAY", -1.0)
    assert "begin again" in words(client.get(back))


def test_who_does_not_agree_is_told_so_and_their_words_are_no_page(client, door, provider):
    provider.refuses = "<script>access_denied"
    told = words(log_in(client, provider))
    assert "&lt;script&gt;access_denied" in told


def test_an_issuer_that_is_down_is_named_and_other_logins_stay(client, configure, db, provider):
    configure(issuer="https://localhost:1/")
    told = words(client.get(GO), 502)
    assert "COMPASS IAM cannot be asked now" in told
    assert "Log in otherwise" in told


def test_an_issuer_that_breaks_down_on_the_way_is_named(client, door, provider):
    back = way(client, provider)
    provider.status = 503
    assert "localhost answers 503" in words(client.get(back), 502)


@pytest.mark.parametrize(("mode", "told"), [(0o644, "others may read it; chmod 600"), (None, "No such file")])
def test_a_secret_that_others_may_read_is_not_used(client, configure, db, tmp_path, mode, told):
    path = tmp_path / "open"
    if mode:
        path.write_text("secret")
        path.chmod(mode)
    configure(login={"secret_file": str(path)})
    assert told in words(client.get(GO))


def test_who_is_banned_is_told_why_and_gets_no_right(client, door, provider):
    log_in(client, provider)
    logic.ban("1234@localhost", "fills every disk")
    client.logout()
    provider.says = {"groups": ["compass/admins"]}
    assert "1234@localhost is banned: fills every disk; ask an administrator" in words(log_in(client, provider))
    assert who(client) is None
    assert not User.objects.get().is_superuser


def test_who_leaves_is_shown_how_to_leave_the_issuer_too(client, door, provider):
    log_in(client, provider)
    left = client.post("/logout", follow=True).content.decode()
    assert "At COMPASS IAM you are still logged in" in left
    there = client.get(f"{GO}/leave")["Location"]
    assert there.startswith(
        f"{provider.address}end?client_id=compass-desk&post_logout_redirect_uri=http%3A%2F%2Ftestserver"
    )


def test_a_browser_keeps_few_ways_and_the_latest_work(client, door, provider):
    first, *_, last = (way(client, provider) for _ in range(oidc.MOST_WAYS + 1))
    assert "has not begun" in words(client.get(first))
    assert client.get(last).status_code == 302


def test_a_page_of_userinfo_that_breaks_down_takes_no_rights_back(client, door, provider):
    provider.tells = {"sub": "1234", "groups": ["compass"]}
    log_in(client, provider)
    back, page = way(client, provider), provider.page

    def broken(method, path, body, headers):
        at_userinfo = path.startswith("/userinfo")
        return (503, {}, b'{"error": "busy"}') if at_userinfo else page(method, path, body, headers)

    provider.page = broken
    try:
        assert "does not say its groups" in words(client.get(back), 502)
    finally:
        del provider.page
    assert User.objects.get().groups.get().name == "reader"


@pytest.mark.parametrize("name", ["Grace", "GRACE", "\uff47race"])
def test_a_name_that_looks_like_an_accounts_is_not_taken_over(client, configure, db, provider, name):
    User.objects.create_user("grace")
    configure(person="preferred_username")
    provider.says = {"preferred_username": name}
    assert "an account grace is there" in words(log_in(client, provider))
    assert User.objects.count() == 1


@pytest.mark.parametrize("odd", [["grace"], {"a": 1}, 7, "x" * 251, "a\nb"])
def test_a_name_of_an_odd_kind_lets_nobody_in(client, configure, db, provider, odd):
    configure(person="preferred_username")
    provider.says = {"preferred_username": odd}
    assert "preferred_username is not a text of at most 250 printable characters" in words(log_in(client, provider))


@pytest.mark.parametrize("odd", [{"compass/admins": True}, 7, True, [["compass/admins"]], [None]])
def test_groups_of_an_odd_kind_give_nothing(client, door, provider, odd):
    provider.says = {"groups": odd}
    assert log_in(client, provider).status_code == 302
    assert not User.objects.get().groups.exists()


def test_a_session_that_somebody_else_chose_is_not_the_one_that_is_logged_in(client, door, provider):
    back = way(client, provider)
    chosen = client.session.session_key
    client.get(back)
    assert client.session.session_key != chosen
    stranger = Client()
    stranger.cookies["sessionid"] = chosen
    assert stranger.get("/account").status_code == 302


def test_who_was_somebody_else_before_keeps_nothing_of_that_session(client, door, provider):
    client.force_login(User.objects.create_superuser("root"))
    kept = client.session
    kept["of root"] = "secret"
    kept.save()
    log_in(client, provider)
    assert User.objects.get(pk=who(client)).username == "1234@localhost"
    assert (client.session.get("of root"), client.session[BY]) == (None, "iam")


@pytest.mark.parametrize("how", ["switched off", "banned"])
def test_who_is_put_out_while_logged_in_is_out_at_the_next_page(client, door, provider, how):
    provider.says = {"groups": ["compass"]}
    log_in(client, provider)
    assert client.get("/account").status_code == 200
    if how == "banned":
        logic.ban(Person.objects.get().name, "left")
    else:
        User.objects.update(is_active=False)
    assert client.get("/account").status_code in {302, 403}
    assert client.get("/tasks").status_code in {302, 403}


def test_rights_that_an_administrator_takes_away_are_gone_at_the_next_page(client, door, provider):
    provider.says = {"groups": ["compass/admins"]}
    log_in(client, provider)
    assert client.get("/admin/").status_code == 200
    User.objects.update(is_superuser=False, is_staff=False)
    assert client.get("/admin/").status_code != 200


@pytest.mark.parametrize(
    "after", ["/\\evil.example", "javascript:alert(1)", "http:evil.example", "\t//evil.example", "/%0d%0aX:1"]
)
def test_no_words_lead_elsewhere(client, door, provider, after):
    address = log_in(client, provider, after=after)["Location"]
    assert address in {"/", "/%0d%0aX:1"}
