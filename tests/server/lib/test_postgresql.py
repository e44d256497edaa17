"""A kept connection to PostgreSQL is looked at before it is used, without asking the database while it is silent."""

from __future__ import annotations

import socket

import pytest

psycopg = pytest.importorskip("psycopg")

from server.lib.postgresql.base import DatabaseWrapper  # noqa: E402 (needs the driver)


class Driver:
    """A connection whose socket is ours; whoever asks anything by it hears that the database has gone."""

    closed = False

    def __init__(self, ours: socket.socket) -> None:
        self.fileno = ours.fileno
        self.asked = 0

    def cursor(self) -> None:
        self.asked += 1
        raise psycopg.OperationalError("the server closed the connection unexpectedly")


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours, theirs


@pytest.fixture
def wrapper(ends):
    made = DatabaseWrapper({"OPTIONS": {}, "TIME_ZONE": None, "AUTOCOMMIT": True}, "other")
    made.connection = Driver(ends[0])
    return made


def test_a_silent_connection_is_used_unasked(wrapper):
    assert wrapper.is_usable()
    assert wrapper.connection.asked == 0


@pytest.mark.parametrize("last", [b"", b"terminating connection due to administrator command"])
def test_a_connection_that_the_database_has_left_is_found_out(wrapper, ends, last):
    ends[1].sendall(last)
    ends[1].close()
    assert not wrapper.is_usable()


def test_a_closed_connection_is_not_used(wrapper):
    wrapper.connection.closed = True
    assert not wrapper.is_usable()
    wrapper.connection = None
    assert not wrapper.is_usable()
