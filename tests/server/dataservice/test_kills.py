"""Services that are killed at any statement, or after any word to a storage, double nothing and lose nothing."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager, suppress

import pytest
from django.db import connection, transaction

from pilot.contract.job import FileSpec, Role
from server.dataservice import logic
from server.dataservice.models import DatasetFile, Transfer
from tests.server import jobs
from tests.server.dataservice.conftest import World, audit, filled, names

pytestmark = pytest.mark.one_python


class Killed(BaseException):
    """Nobody catches this."""


@contextmanager
def killed_at_statement(number: int):
    """Die when the database is asked for the n-th time."""
    left = [number]

    def die(execute, sql, params, many, context):
        left[0] -= 1
        if left[0] == 0:
            raise Killed
        return execute(sql, params, many, context)

    with connection.execute_wrapper(die):
        yield left


@contextmanager
def killed_after_word(world: World, number: int):
    """Die when a storage has done what it was told for the n-th time, and before anybody has read its answer."""
    left = [number]

    def dying(method: Callable):
        def told(*arguments, **options):
            answer = method(*arguments, **options)
            left[0] -= 1
            if left[0] == 0:
                raise Killed
            return answer

        return told

    rims = [(one, name) for one in (world.tape, world.disk, world.far) for name in ("look", "remove")]
    rims += [(world.tape, name) for name in ("recall", "recalled", "release")]
    rims += [(world.porter, name) for name in ("submit", "status")]
    for one, name in rims:
        setattr(one, name, dying(getattr(one, name)))
    try:
        yield left
    finally:
        for one, name in rims:
            delattr(one, name)


def bring_and_run(world: World) -> None:
    """Two files come from tape, and a job that waits for them runs."""
    files = filled(world, 2)
    inputs = tuple(FileSpec(lfn, Role.INPUT, dataset="raw") for lfn in names(2))
    jobs.submit(waits=True, inputs=inputs)
    logic.request_prestage(files, "TAPE", 3600, "manager", now=world.now)


def brought(world: World) -> None:
    assert set(Transfer.objects.values_list("state", flat=True)) == {"pinned"}
    assert [len(files) for files in world.tape.recalls.values()] == [2]
    assert set(Transfer.objects.values_list("tries", flat=True)) == {1}
    assert len(jobs.claim(count=5)) == 1
    jobs.audit()


def archive_and_delete(world: World) -> None:
    """Two files are copied elsewhere, and two others removed."""
    logic.request_replicate(filled(world, 2, at="DISK", dataset="out"), "FAR", "manager", now=world.now)
    logic.request_delete(filled(world, 2, at="DISK", dataset="old"), "DISK", "manager", now=world.now)


def archived(world: World) -> None:
    assert set(Transfer.objects.values_list("state", flat=True)) == {"verified"}
    assert world.porter.submitted == 2
    assert sorted(world.far.files) == ["out/cdr00000-1.raw", "out/cdr00001-1.raw"]
    assert sorted(world.disk.files) == ["out/cdr00000-1.raw", "out/cdr00001-1.raw"]
    assert dict(DatasetFile.objects.values_list("dataset__name", "state")) == {"out": "available", "old": "deleted"}


def work(world: World) -> None:
    world.turn()
    world.tape.work()
    world.porter.work()


def go_on(world: World) -> None:
    for _ in range(5):
        work(world)


SCENES = [(bring_and_run, brought), (archive_and_delete, archived)]


def run_killed(scene, check, kill) -> bool:
    """Play a scene with one kill, and on to its end; say whether it came to the kill."""
    with transaction.atomic():
        world = World()
        scene(world)
        with kill(world) as left, suppress(Killed):
            for _ in range(4):
                work(world)
        go_on(world)
        check(world)
        audit()
        transaction.set_rollback(True)
    return left[0] <= 0


@pytest.mark.parametrize(("scene", "check"), SCENES, ids=["prestage", "archive"])
def test_a_kill_at_any_statement_doubles_and_loses_nothing(world, queue, scene, check):
    number = 1
    while run_killed(scene, check, lambda _, n=number: killed_at_statement(n)):
        number += 29
    assert number > 60


@pytest.mark.parametrize(("scene", "check"), SCENES, ids=["prestage", "archive"])
def test_a_kill_after_any_word_to_a_storage_doubles_and_loses_nothing(world, queue, scene, check):
    number = 1
    while run_killed(scene, check, lambda world, n=number: killed_after_word(world, n)):
        number += 1
    assert number > 3
