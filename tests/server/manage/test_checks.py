"""What is said of whom the server believes: the web server in front, and issuers of tokens."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from django.core.checks import Tags, run_checks

from server.accounts.issuers import issuers_in
from server.manage.checks import check_front, check_issuers
from server.manage.management.commands.serve import forgeable
from server.manage.process import Place


@pytest.fixture
def found(settings, tmp_path):
    def check(secret=None, mode=0o600, roles=""):
        path = tmp_path / "secret"
        if secret is not None:
            path.write_text(secret)
            path.chmod(mode)
        name = "" if secret is None and mode else str(path)
        settings.ENVIRONMENT = replace(settings.ENVIRONMENT, front_secret_file=name, voms_roles=roles)
        return [(each.id, each.msg) for each in check_front()]

    return check


def test_a_server_without_a_front_and_one_with_a_good_secret_are_well(found):
    assert found() == []
    assert found("s" * 32, roles="/tests=reader") == []


def test_it_is_looked_at_by_check(settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, voms_roles="/a=king")
    assert "compass.E003" in {each.id for each in run_checks(tags=[Tags.security])}


@pytest.mark.parametrize(
    ("said", "number", "words"),
    [
        ({"mode": 0}, "compass.E001", "No such file"),
        ({"secret": "short"}, "compass.E002", "has 5 signs; at least 32"),
        ({"secret": "s" * 32, "mode": 0o644}, "compass.W001", "everybody on this machine may read"),
        ({"secret": "s" * 32, "roles": "/a=king"}, "compass.E003", "'/a=king' is not FQAN=role"),
        ({"roles": "/a=reader"}, "compass.W002", "is of no use without a front"),
    ],
)
def test_what_is_wrong_is_told_with_its_name(found, said, number, words):
    ((told, message),) = found(**said)
    assert (told, words in message) == (number, True)


@pytest.mark.parametrize(
    ("text", "mode", "number", "words"),
    [
        (None, 0, "compass.E004", "No such file"),
        ("- issuer: http://x", 0o600, "compass.E004", "issuer 1: issuer: 'http://x' is not an address"),
        (
            "[{issuer: 'https://x', audience: a, roles: [{group: g, role: user}]}]",
            0o602,
            "compass.W003",
            "and so become an administrator",
        ),
    ],
)
def test_a_file_of_issuers_that_cannot_be_used_is_named(settings, tmp_path, text, mode, number, words):
    path = tmp_path / "issuers.yaml"
    if text is not None:
        path.write_text(text)
        path.chmod(mode)
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, issuers_file=str(path))
    issuers_in.cache_clear()
    ((told, message),) = [(each.id, each.msg) for each in check_issuers()]
    assert (told, words in message) == (number, True)
    assert number in {each.id for each in run_checks(tags=[Tags.security])}


def test_a_server_that_believes_no_issuers_is_well():
    assert check_issuers() == []


@pytest.mark.parametrize(
    ("folder", "mode", "number"),
    [(0o750, 0o666, ""), (0o755, 0o660, ""), (0o755, 0o666, "compass.W005"), (0o777, 0o660, "compass.W004")],
)
def test_a_socket_by_which_anybody_could_pretend_to_be_anybody_is_told(settings, tmp_path, folder, mode, number):
    place = tmp_path / "run"
    place.mkdir()
    (place / "socket").touch()
    (place / "socket").chmod(mode)
    place.chmod(folder)
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, socket=str(place / "socket"), voms_roles="/tests=reader")
    assert [each.id for each in check_front()] == ([number] if number else [])


def test_a_socket_needs_its_folder_when_the_server_starts(settings, tmp_path):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, socket=str(tmp_path / "nowhere" / "socket"))
    assert [each.id for each in check_front()] == ["compass.W006"]


@pytest.mark.parametrize(
    ("place", "secret", "told"),
    [
        (Place("127.0.0.1"), "/secret", False),
        (Place("0.0.0.0"), "", False),
        (Place("0.0.0.0"), "/secret", True),
        (Place("0.0.0.0", path=Path("/run/compass/socket")), "/secret", False),
    ],
)
def test_who_lets_the_secret_travel_over_the_network_is_warned(settings, place, secret, told):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, front_secret_file=secret)
    assert ("warning: 0.0.0.0 is not the loopback" in forgeable(place)) is told


def test_the_secret_of_a_login_that_others_may_read_is_told(settings, tmp_path):
    path, secret = tmp_path / "issuers.yaml", tmp_path / "secret"
    secret.write_text("s")
    secret.chmod(0o644)
    login = f"{{name: iam, client: c, secret_file: {secret}}}"
    roles = "[{group: g, role: user}]"
    path.write_text(f"- {{issuer: 'https://a/', audience: x, roles: {roles}, login: {login}}}")
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, issuers_file=str(path))
    issuers_in.cache_clear()
    ((told, message),) = [(each.id, each.msg) for each in check_issuers()]
    assert told == "compass.E007"
    assert "chmod 600" in message
    secret.chmod(0o600)
    assert check_issuers() == []
