"""Time budgets of the test folders: how much each took, and which took far too much."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

import pytest

if sys.version_info >= (3, 11):  # noqa: UP036 - read on Python 3.9 too
    import tomllib
else:  # the pilot's smoke set; pytest brings it there
    import tomli as tomllib

#: A folder that takes this many times its budget fails the run, and is named again behind the table; below that it is
#: only marked.
TOLERATED = 2.0
#: So many of the slowest files are named behind the table, of those that took so many seconds at least.
SHOWN, LONG = 30, 5.0


@dataclass(frozen=True)
class Spent:
    """What the tests below one folder took, in seconds, against their budget."""

    folder: str
    budget: float
    tests: int = 0
    seconds: float = 0.0

    @property
    def verdict(self) -> str:
        if self.seconds <= self.budget:
            return ""
        return "OVER BUDGET" if self.seconds <= TOLERATED * self.budget else "FAR OVER BUDGET"


def read_budgets(path: Path) -> Mapping[str, float]:
    """Read seconds by folder."""
    folders: Mapping[str, float] = tomllib.loads(path.read_text())["folders"]
    return folders


def home_of(test: str, budgets: Mapping[str, float]) -> str:
    """Answer the innermost folder with a budget that a test (by its node id) lies in.

    Raises:
        LookupError: no folder fits.
    """
    for folder in PurePosixPath(test.split("::", maxsplit=1)[0]).parents:
        if str(folder) in budgets:
            return str(folder)
    raise LookupError(f"{test} lies in no folder of tests/budget.toml")


def add_up(durations: Iterable[tuple[str, float]], budgets: Mapping[str, float]) -> list[Spent]:
    """Add the seconds of each phase of each test to its folder; folders without tests are left out."""
    spent: dict[str, Spent] = {}
    seen: set[str] = set()
    for test, seconds in durations:
        folder = home_of(test, budgets)
        before = spent.get(folder) or Spent(folder, budgets[folder])
        spent[folder] = replace(before, tests=before.tests + (test not in seen), seconds=before.seconds + seconds)
        seen.add(test)
    return sorted(spent.values(), key=lambda one: one.folder)


def slowest(durations: Iterable[tuple[str, float]], count: int) -> list[tuple[str, float]]:
    """Answer the files whose tests took longest together, with their seconds, the slowest first."""
    files: dict[str, float] = {}
    for test, seconds in durations:
        file = test.split("::", maxsplit=1)[0]
        files[file] = files.get(file, 0.0) + seconds
    return sorted(files.items(), key=lambda each: -each[1])[:count]


def as_table(spent: Iterable[Spent]) -> list[str]:
    """Write one line per folder: tests, seconds, budget, verdict."""
    head = f"{'folder':<32}{'tests':>7}{'seconds':>10}{'budget':>9}"
    return [
        head,
        *(f"{s.folder:<32}{s.tests:>7}{s.seconds:>10.1f}{s.budget:>9.0f}  {s.verdict}".rstrip() for s in spent),
    ]


class TimeBudget:
    """The pytest plugin: prints the table, and fails a run in which a folder took far too long.

    Lives in the process that reports; with xdist that is the one that runs no test itself.
    """

    def __init__(self, budgets: Mapping[str, float]) -> None:
        self._budgets = budgets
        self._durations: list[tuple[str, float]] = []
        self._last_word = ""

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._durations.append((report.nodeid, report.duration))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        far = any(spent.verdict.startswith("FAR") for spent in add_up(self._durations, self._budgets))
        if far and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("time budget")
        spent = add_up(self._durations, self._budgets)
        for line in as_table(spent):
            terminalreporter.write_line(line)
        if files := [f"{file} {took:.0f}" for file, took in slowest(self._durations, SHOWN) if took >= LONG]:
            terminalreporter.write_line(f"slowest, in seconds: {', '.join(files)}")
        if far := [one.folder for one in spent if one.verdict.startswith("FAR")]:
            self._last_word = f"This run FAILS by its time budgets (tests/budget.toml): {', '.join(far)}"

    def pytest_unconfigure(self) -> None:
        if self._last_word:
            print(self._last_word)
