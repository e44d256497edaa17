"""The table of injected failures and its page."""

from __future__ import annotations

from pathlib import Path

import pytest
from compass_mc.failures import FAILURES, NO_END_OF_JOB

PAGE = Path(__file__).parents[3] / "examples/mc/README.md"


def test_the_page_has_every_failure_as_it_is():
    page = PAGE.read_text(encoding="utf-8")
    for name, failure in FAILURES.items():
        end = f"status {failure.status}" if failure.signal is None else failure.signal.name
        assert f"| `{name}` | {failure.code} | {failure.stream} | `{failure.line}` | {end} |" in page
    assert f"| `{NO_END_OF_JOB}` | 1240 |" in page


@pytest.mark.parametrize("failure", FAILURES.values(), ids=FAILURES)
def test_a_failure_ends_by_a_status_or_by_a_signal(failure):
    assert failure.status == 0 or failure.signal is None
    assert 0 <= failure.status < 256
