"""What every test run has: the tables of budgets and racy tests, the mark of needed programs, and a real XRootD."""

from __future__ import annotations

import gc
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest

from tests.budget import TimeBudget, read_budgets
from tests.order import BySharing, put_in_order
from tests.racy import SecondTurns, answer_at_once

# The kits hold assertions, too: they say what they have found.
pytest.register_assert_rewrite("tests.kits")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        # A shell lets what it runs in the background ignore these, and our programs would inherit that.
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if config.getoption("numprocesses", None):
        # Tests made from sets must have one order in all processes, or xdist refuses to share them out.
        os.environ.setdefault("PYTHONHASHSEED", "0")
    gc.disable()  # until the tests are collected: nothing of them is garbage, and there is a lot to look through
    config.pluginmanager.register(SecondTurns(), "second-turns")
    answer_at_once(config)
    if config.getoption("markexpr") == "campaign":
        return  # these take the time that they take
    config.pluginmanager.register(TimeBudget(read_budgets(Path(__file__).with_name("budget.toml"))), "time-budget")


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("numprocesses", None) or hasattr(config, "workerinput"):
        put_in_order(items)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> BySharing | None:
    return BySharing(config, log) if config.getoption("dist") == "loadfile" else None


def pytest_collection_finish() -> None:
    _read_constants()
    gc.freeze()  # it is there until the end, and need not be looked through again each time
    gc.enable()


def _read_constants() -> None:
    """Have Hypothesis read the constants of all modules now, as its newer versions do.

    Older ones do so in the first test that uses it, in each process. What was read once is kept for other processes.
    """
    if "hypothesis" not in sys.modules:
        return
    from hypothesis import HealthCheck, given, settings
    from hypothesis.strategies import integers

    @settings(max_examples=1, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(integers())
    def read(number: int) -> None:
        pass

    read()


@pytest.fixture(autouse=True)
def _programs_are_there(request: pytest.FixtureRequest) -> None:
    """Skip, or in CI fail, a test whose programs are missing."""
    for mark in request.node.iter_markers("programs"):
        missing = [name for name in mark.args if shutil.which(name) is None]
        if missing and os.environ.get("CI"):
            pytest.fail(f"missing here: {', '.join(missing)}")
        if missing:
            pytest.skip(f"not tested, missing here: {', '.join(missing)}")


@pytest.fixture(scope="session")
def xrootd():
    """A real XRootD with a certificate, which is the session's: use folders of your own there."""
    from tests.services import xrootd

    with xrootd.running(tls=True) as server:
        yield server


@pytest.fixture
def xrootd_client(monkeypatch):
    """Put xrdcp and xrdfs on the PATH."""
    from tests.services import xrootd

    for name, value in xrootd.client().items():
        monkeypatch.setenv(name, value)


@pytest.fixture(scope="session")
def rucio(xrootd):
    """A real Rucio, with a storage on that XRootD."""
    from tests.services import rucio

    with rucio.running(xrootd) as server:
        yield server
