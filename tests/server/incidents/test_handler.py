"""The log handler: it takes what matters, never raises, never waits and never listens to itself."""

from __future__ import annotations

import logging

import pytest

from server.incidents.handler import OWN, Incidents, process_name
from server.incidents.sighting import fold
from server.lib.afterwards import Afterwards


@pytest.fixture
def listening():
    """A logger that nobody else hears, and the list of what was written down."""
    found = []
    later = Afterwards("test", found.extend, fold=fold)
    logger = logging.Logger("server.factory.cycle")  # noqa: LOG001 (nobody else may hear it)
    logger.addHandler(Incidents(logging.ERROR, later))
    return logger, later, found


def test_errors_of_the_log_are_found_and_alike_ones_counted(listening):
    logger, later, found = listening
    for number in range(3):
        logger.error("queue %d is gone", number)
    logger.warning("this is none")
    later.flush()
    (one,) = found
    assert (one.app, one.words, one.times, one.sample) == ("factory", "queue %d is gone", 3, "queue 2 is gone")


def test_an_argument_that_cannot_be_written_breaks_nothing(listening):
    class Hostile:
        def __str__(self):
            raise RuntimeError("never")

    logger, later, found = listening
    logger.error(Hostile())
    logger.error("%s", Hostile())
    logger.error("still there")
    later.flush()
    assert [one.words for one in found] == ["still there"]


def test_what_is_said_while_incidents_are_written_is_no_incident():
    logger = logging.Logger("server.x")  # noqa: LOG001 (nobody else may hear it)

    def write(sightings):
        logger.error("the database does not answer")
        raise OSError

    later = Afterwards(OWN, write, every=0.0)
    logger.addHandler(Incidents(logging.ERROR, later))
    later.start()
    logger.error("one")
    assert not later.flush(10)
    assert [one.words for one in later._kept] == ["one"]


def test_its_own_loggers_are_not_listened_to(listening):
    logger, later, found = listening
    logger.name = f"{OWN}.logic"
    logger.error("mine")
    later.flush()
    assert found == []


def test_the_process_is_named_for_people():
    assert process_name().endswith(")")
