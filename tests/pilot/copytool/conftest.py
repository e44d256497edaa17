"""What tests of several copy tools share: servers that are started once for all of them."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def grid():
    """Real GridFTP servers: one for proxies, one for anybody."""
    from tests.services import gridftp

    with gridftp.running() as server:
        yield server


@pytest.fixture(scope="session")
def programs():
    """The folder of gfal2's programs, and of a Python with its module."""
    from tests.services import gfal

    return gfal.programs()


@pytest.fixture
def trusting(monkeypatch, grid):
    """The environment of somebody with a good proxy, for the servers of ``grid``."""
    for name, value in grid.environment.items():
        monkeypatch.setenv(name, value)
