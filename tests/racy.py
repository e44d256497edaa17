"""Tests that needed a second turn: a run names them with what failed at first, and fails when they are many."""

from __future__ import annotations

import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

import pytest

#: A run in which more tests than these needed a second turn fails.
TOLERATED = 3


@dataclass(frozen=True)
class Racy:
    """A test that failed and was run again, with all that its first turn said."""

    test: str
    failures: tuple[str, ...]
    failed_again: bool

    @property
    def verdict(self) -> str:
        return "failed again" if self.failed_again else "passed the second time"


@dataclass
class Turns:
    """What the reports of a run say of second turns."""

    firsts: dict[str, list[str]] = field(default_factory=dict)
    failed: set[str] = field(default_factory=set)

    def note(self, test: str, outcome: str, said: str) -> None:
        """Note one phase of one turn; ``rerun`` is the outcome of a failure that has another turn."""
        if outcome == "rerun":
            self.firsts.setdefault(test, []).append(said)
        elif outcome == "failed":
            self.failed.add(test)

    def racy(self) -> list[Racy]:
        return [Racy(test, tuple(said), test in self.failed) for test, said in self.firsts.items()]


def are_too_many(racy: Collection[Racy]) -> bool:
    return len(racy) > TOLERATED


def as_lines(racy: Collection[Racy]) -> Iterable[str]:
    """Write each test's name, what came of it, and its first failure in full; last, how many there may be."""
    for one in racy:
        yield f"{one.test}: {one.verdict}; at first:"
        for failure in one.failures:
            yield from (f"    {line}" for line in failure.splitlines())
    told = f"{len(racy)} needed a second turn, each a defect to be mended"
    yield f"{told}; MORE THAN {TOLERATED}, SO THIS RUN FAILS" if are_too_many(racy) else told


def words_of(report: pytest.TestReport) -> str:
    """Answer all that a report holds: where it failed, and what was printed and logged meanwhile."""
    return "\n".join(
        [f"({report.when})", report.longreprtext, *(f"-- {name} --\n{text}" for name, text in report.sections)]
    )


def answer_at_once(config: pytest.Config) -> None:
    """Have a process that runs tests told at once how many turns a test has had.

    pytest-rerunfailures asks the process that reports in two small pieces before each test; the second would wait for
    an acknowledgement of the first, 40 ms.
    """
    asking = getattr(getattr(config, "failures_db", None), "sock", None)
    if asking is not None and hasattr(config, "workerinput"):
        asking.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


class SecondTurns:
    """The pytest plugin, for the process that reports; with xdist that is the one that runs no test itself."""

    def __init__(self) -> None:
        self._turns = Turns()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._turns.note(report.nodeid, report.outcome, words_of(report) if report.outcome == "rerun" else "")

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if are_too_many(self._turns.racy()) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if racy := self._turns.racy():
            terminalreporter.section("racy")
            for line in as_lines(racy):
                terminalreporter.write_line(line)
