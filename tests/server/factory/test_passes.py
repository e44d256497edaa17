"""The files with passes that the factory's pilots read."""

from __future__ import annotations

import os
from datetime import timedelta

import pytest
from django.utils import timezone

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
