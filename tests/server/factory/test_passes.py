"""The files with passes that the factory's pilots read."""

from __future__ import annotations

import os
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.utils import timezone

from pilot import settings as pilot_settings
from pilot.control.credentials import CredentialReader
from pilot.site.proxy import token_end
from server.accounts import logic
from server.accounts.identity import identify
from server.factory.launch import CannotLaunch
from server.factory.passes import pass_file, token_of

DAY = timedelta(days=1)


def fresh(folder, after=timedelta()):
    return pass_file(folder / "passes", "LOCAL", lifetime=DAY, now=timezone.now() + after)


def test_a_queues_pilots_get_a_pass_for_that_queue_alone(db, tmp_path):
    path = fresh(tmp_path)
    identity = identify(f"Bearer {path.read_text().strip()}")
    assert (identity.name, identity.queues) == (token_of("LOCAL"), frozenset({"LOCAL"}))


def test_nobody_else_can_read_a_pass(db, tmp_path):
    path = fresh(tmp_path)
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)
    assert [each.name for each in path.parent.iterdir()] == ["LOCAL.token"]


def test_a_pass_is_written_again_long_before_it_ends(db, tmp_path):
    first = fresh(tmp_path).read_text()
    assert fresh(tmp_path, timedelta(hours=5)).read_text() == first
    assert fresh(tmp_path, timedelta(hours=7)).read_text() != first


def test_a_clock_that_was_set_back_does_not_keep_an_old_pass(db, tmp_path):
    path = fresh(tmp_path)
    first, ahead = path.read_text(), timezone.now().timestamp() + 86400
    os.utime(path, (ahead, ahead))
    assert fresh(tmp_path).read_text() != first


def test_no_pilots_are_started_by_a_token_that_was_revoked(db, tmp_path):
    fresh(tmp_path).unlink()
    logic.revoke_token(token_of("LOCAL"))
    with pytest.raises(CannotLaunch, match="factory@LOCAL has ended, no pilots are started for LOCAL"):
        fresh(tmp_path)


def test_a_folder_that_cannot_be_written_is_named_with_the_remedy(db, tmp_path):
    (tmp_path / "passes").write_text("no folder")
    with pytest.raises(CannotLaunch, match=r"LOCAL\.token: Not a directory; make room there, and let the server write"):
        fresh(tmp_path)


def renewing(path, new):
    """A pilot that reads its pass there, and is given a new one whenever it looks."""
    chosen = pilot_settings.load([("test", {"server": {"token_file": str(path), "url": "http://h"}})]).settings
    read = pilot_settings.Token(chosen.server).read
    near = token_end(read()) - 60
    return CredentialReader(chosen, read, SimpleNamespace(new_pass=lambda: new), now=lambda: near)


@pytest.mark.parametrize("travelled", ["as a link", "as a copy"])
def test_a_pilot_renews_the_pass_that_came_with_it_and_not_that_of_others(db, tmp_path, travelled):
    shared, own = fresh(tmp_path), tmp_path / "pilot.token"
    before = shared.read_text()
    if travelled == "as a link":
        own.symlink_to(shared)
    else:
        own.write_text(before)
    new = logic.make_pass(token_of("LOCAL"), lifetime=2 * DAY)
    assert renewing(own, new).renewed().renewal == "the pass was renewed"
    assert (own.read_text(), own.is_symlink(), own.stat().st_mode & 0o777) == (f"{new}\n", False, 0o600)
    assert shared.read_text() == before


def test_a_link_shows_the_pass_that_the_factory_has_renewed(db, tmp_path):
    own = tmp_path / "pilot.token"
    own.symlink_to(fresh(tmp_path))
    first = own.read_text()
    fresh(tmp_path, timedelta(hours=7))
    assert own.read_text() != first
