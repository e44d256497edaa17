"""The key that signs passes and sessions is changed without a break, and so is the pair that signs jobs."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.core.management import CommandError, call_command

from server.accounts import logic
from server.accounts.identity import IdentityRefused, identify
from server.accounts.models import Role
from server.lib.ed25519 import make_keys
from server.manage import secret_key
from server.manage.secret_key import KeyRefused


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "secret_key"
    path.write_text("the-first\n")
    path.chmod(0o600)
    return path


def keys(path):
    return path.read_text().split()


def test_a_key_is_added_used_and_the_old_one_dropped(path):
    secret_key.add(path)
    first, second = keys(path)
    assert first == "the-first"
    secret_key.use(path)
    assert keys(path) == [second, first]
    assert secret_key.drop(path) == 1
    assert keys(path) == [second]
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["secret_key"]


def test_steps_that_cannot_be_done_now_say_which_can(path):
    with pytest.raises(KeyRefused, match="has one key, which is used; add another one first"):
        secret_key.use(path)
    secret_key.add(path)
    secret_key.add(path)
    with pytest.raises(KeyRefused, match="has 3 keys; drop the old ones first"):
        secret_key.add(path)
    path.unlink()
    for step in (secret_key.add, secret_key.use, secret_key.drop):
        with pytest.raises(KeyRefused, match="run `compass-server init` first"):
            step(path)


def begin_with(settings, path):
    """Do what the settings do when a server begins."""
    settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = keys(path)


def test_no_pass_ends_while_the_key_is_changed(db, settings, path):
    logic.create_token("site", Role.PILOT)
    begin_with(settings, path)
    old = logic.make_pass("site", lifetime=timedelta(hours=1))
    secret_key.add(path)
    settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS = keys(path)
    assert identify(f"Bearer {old}").name == "site"
    secret_key.use(path)
    elsewhere = path.with_name("elsewhere")  # a worker that has not begun anew knows both, and signs by the old one
    elsewhere.write_text("\n".join(reversed(keys(path))))
    begin_with(settings, path)
    new = logic.make_pass("site", lifetime=timedelta(hours=1))
    assert {identify(f"Bearer {one}").name for one in (old, new)} == {"site"}
    begin_with(settings, elsewhere)
    assert {identify(f"Bearer {one}").name for one in (old, new)} == {"site"}
    secret_key.drop(path)
    begin_with(settings, path)
    assert identify(f"Bearer {new}").name == "site"
    with pytest.raises(IdentityRefused, match="is not of this server"):
        identify(f"Bearer {old}")


def test_nobody_is_logged_out_while_the_key_is_changed(client, django_user_model, settings, path):
    begin_with(settings, path)
    client.force_login(django_user_model.objects.create_superuser("admin", password="twelve letters"))
    secret_key.add(path)
    secret_key.use(path)
    begin_with(settings, path)
    assert client.get("/admin/").status_code == 200


def test_the_commands_say_what_comes_next(settings, path, capsys):
    settings.HOME = path.parent
    for verb, words in (("add", "then `secret_key use`"), ("use", "after 24 hours"), ("drop", "dropped: 1;")):
        call_command("secret_key", verb)
        assert words in capsys.readouterr().out
    with pytest.raises(CommandError, match="add another one first"):
        call_command("secret_key", "use")


@pytest.mark.programs("openssl")
def test_the_pair_that_signs_jobs_is_changed_in_two_steps(tmp_path, capsys):
    private = tmp_path / "signing.pem"
    make_keys(private, tmp_path / "signing.pem.pub")
    before = private.read_text()
    with pytest.raises(CommandError, match=r"signing\.pem\.next: No such file"):
        call_command("signing_key", "--file", str(private), "--turn")
    call_command("signing_key", "--file", str(private), "--next")
    assert "signing.pem.next.pub (verify.keys of the pilots, beside the old one)" in capsys.readouterr().out
    assert private.read_text() == before
    call_command("signing_key", "--file", str(private), "--turn")
    assert "signs new jobs; the old pair is" in capsys.readouterr().out
    assert private.read_text() != before
    assert (tmp_path / "signing.pem.old").read_text() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == [
        "signing.pem", "signing.pem.old", "signing.pem.old.pub", "signing.pem.pub",
    ]  # fmt: skip
