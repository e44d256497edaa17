"""Administrators are made, listed and switched off by commands, and their passwords are on no command line."""

from __future__ import annotations

import pytest
from django.contrib.auth import get_user_model
from django.core.management import call_command
from django.core.management.base import CommandError


def told(capsys, *words):
    call_command("admin", *map(str, words))
    return capsys.readouterr().out


def user(name="ada"):
    return get_user_model().objects.get(username=name)


def test_an_administrator_is_made_with_a_password_from_a_file(db, tmp_path, capsys):
    file = tmp_path / "password"
    file.write_text("correct horse battery\n")
    assert "ada is an administrator" in told(capsys, "create", "ada", "--password-file", file, "--email", "a@b.ch")
    assert user().is_superuser
    assert user().email == "a@b.ch"
    assert user().check_password("correct horse battery")
    assert "ada, last login never" in told(capsys, "list")


def test_a_password_is_made_up_and_written_where_others_cannot_read_it(db, tmp_path, capsys):
    file = tmp_path / "password"
    said = told(capsys, "create", "ada", "--make-password", file)
    assert file.stat().st_mode & 0o777 == 0o600
    assert user().check_password(file.read_text().strip())
    assert file.read_text().strip() not in said
    with pytest.raises(CommandError, match="exists; remove it"):
        told(capsys, "password", "ada", "--make-password", file)


def test_somebody_who_logs_in_by_a_certificate_becomes_one_and_keeps_the_account(db, capsys):
    get_user_model().objects.create_user("ada", "a@b.ch")
    assert "who had an account before" in told(capsys, "create", "ada", "--no-password")
    assert (user().is_superuser, user().email) == (True, "a@b.ch")
    assert not get_user_model().objects.filter(username="bob").exists()
    told(capsys, "create", "bob", "--no-password")
    assert "bob, last login never, without a password" in told(capsys, "list")


def test_an_account_is_switched_off_and_on_but_never_the_last_administrator(db, capsys):
    told(capsys, "create", "ada", "--no-password")
    with pytest.raises(CommandError, match="ada is the last administrator"):
        told(capsys, "off", "ada")
    told(capsys, "create", "bob", "--no-password")
    assert "ada is switched off" in told(capsys, "off", "ada")
    assert not user().is_active
    assert "ada is switched on" in told(capsys, "on", "ada")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("password", "nobody", "--password-file", "x"), "nobody has an account 'nobody'"),
        (("create", "ada", "--password-file", "/no/such"), "--password-file: /no/such"),
        (("off", "nobody"), "admin create"),
    ],
)
def test_what_cannot_be_done_is_told(db, capsys, words, said):
    with pytest.raises(CommandError, match=said):
        told(capsys, *words)


def test_a_simple_password_is_refused_and_nobody_is_made(db, tmp_path, capsys):
    file = tmp_path / "password"
    file.write_text("short\n")
    with pytest.raises(CommandError, match="this password is refused"):
        told(capsys, "create", "ada", "--password-file", file)
    assert get_user_model().objects.count() == 0
