from __future__ import annotations

import contextlib
import os
import time

import pytest

from server.services import queries
from server.services.wake import pipe, tell, wake

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _home(settings, tmp_path):
    settings.HOME = tmp_path


@pytest.fixture
def ear():
    os.mkfifo(pipe())
    door = os.open(pipe(), os.O_RDWR | os.O_NONBLOCK)
    yield door
    os.close(door)


def test_a_worker_that_listens_is_told_at_once_and_nothing_is_written(install, ear, django_assert_num_queries):
    install(it=dict)
    with django_assert_num_queries(0):
        wake("test.it")
        wake("test.it")
    assert os.read(ear, 100) == b"test.it\ntest.it\n"


def test_where_nobody_listens_the_wish_is_written_once(install, django_assert_num_queries):
    install(it=dict)
    for _ in range(2):
        with django_assert_num_queries(1):
            wake("test.it")
    assert queries.wanted() == ["test.it"]


def test_a_pipe_without_a_worker_is_nobody(install):
    install(it=dict)
    os.mkfifo(pipe())
    wake("test.it")
    assert queries.wanted() == ["test.it"]


def test_a_pipe_that_is_full_does_not_hold_anybody_up(install, ear):
    install(it=dict)
    with contextlib.suppress(BlockingIOError):
        while True:
            os.write(ear, b"x" * 4096)
    begin = time.monotonic()
    wake("test.it")
    assert time.monotonic() - begin < 30
    assert queries.wanted() == ["test.it"]


def test_an_unknown_name_harms_nothing(install):
    wake("no.such")
    assert queries.wanted() == []


def test_a_worker_that_goes_while_it_is_told_harms_nobody(install, monkeypatch):
    install(it=dict)

    def opened(*_):
        reader, writer = os.pipe()
        os.close(reader)
        return writer

    with monkeypatch.context() as went:
        went.setattr(os, "open", opened)
        assert not tell("test.it")
