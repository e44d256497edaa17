from __future__ import annotations

import pytest

from server.services.registry import UnknownService, declared, find, periodic


def test_a_service_is_declared_by_its_function():
    @periodic("test.sweep", every=30, limit=5)
    def sweep(turn):
        """Sweep the floor.

        Not the stairs.
        """
        return {"swept": 3}

    assert (sweep.name, sweep.what, sweep.period, sweep.time_limit) == ("test.sweep", "Sweep the floor.", 30, 5)
    assert sweep(None) == {"swept": 3}


@pytest.mark.parametrize(
    ("name", "every", "limit", "words"),
    [
        ("test.x", 0, 5, "at least 1 s"),
        ("test.x", 5, 0, "at least 1 s"),
        ("x", 5, 5, "app and verb"),
        ("test." + "x" * 100, 5, 5, "app and verb"),
    ],
)
def test_a_slip_in_a_declaration_is_named(name, every, limit, words):
    with pytest.raises(ValueError, match=words):
        periodic(name, every=every, limit=limit)


def test_a_service_says_what_it_does():
    with pytest.raises(ValueError, match="docstring"):
        periodic("test.x", every=5)(lambda turn: {})


def test_the_services_of_the_installed_apps_are_found():
    assert {"services.prune", "factory.cycle", "taskbuffer.watchdog"} <= set(declared())


def test_an_unknown_name_is_refused_with_the_nearest_one():
    with pytest.raises(UnknownService, match=r"did you mean factory\.cycle"):
        find("factory.cycel", declared())
    with pytest.raises(UnknownService, match="known are none"):
        find("factory.cycle", {})
