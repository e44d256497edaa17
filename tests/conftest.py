"""What every test run has: the table of time budgets, and the mark for tests that need programs."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import pytest

from tests.budget import TimeBudget, read_budgets


def pytest_configure(config: pytest.Config) -> None:
    for number in (signal.SIGINT, signal.SIGQUIT):
        # A shell lets what it runs in the background ignore these, and our programs would inherit that.
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler if number == signal.SIGINT else signal.SIG_DFL)
    if config.getoption("numprocesses", None):
        # Tests made from sets must have one order in all processes, or xdist refuses to share them out.
        os.environ.setdefault("PYTHONHASHSEED", "0")
    if config.getoption("markexpr") == "campaign":
        return  # these take the time that they take
    config.pluginmanager.register(TimeBudget(read_budgets(Path(__file__).with_name("budget.toml"))), "time-budget")


@pytest.fixture(autouse=True)
def _programs_are_there(request: pytest.FixtureRequest) -> None:
    """Skip, or in CI fail, a test whose programs are missing."""
    for mark in request.node.iter_markers("programs"):
        missing = [name for name in mark.args if shutil.which(name) is None]
        if missing and os.environ.get("CI"):
            pytest.fail(f"missing here: {', '.join(missing)}")
        if missing:
            pytest.skip(f"not tested, missing here: {', '.join(missing)}")
