"""The table of doc/explanation/checks.md says what the code does."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest

from pilot.contract.codes import ErrorCode
from pilot.control.checks.catalogue import CHECKS
from pilot.settings import Credentials, Monitor, Settings

PAGE = (Path(__file__).parents[4] / "doc" / "explanation" / "checks.md").read_text()
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]
#: Settings of the section that are about something else.
OTHERS = {"heartbeat", "debug_heartbeat", "checks", "breakages", "free_disk_at_start"}


def test_the_table_has_every_check_in_its_order():
    assert [row[0].strip("`") for row in ROWS] == [check.name for check in CHECKS]


@pytest.mark.parametrize(("check", "row"), list(zip(CHECKS, ROWS)), ids=[check.name for check in CHECKS])
def test_the_table_says_each_period_as_it_is(check, row):
    period = check.period(Settings())
    assert row[1].endswith(f", {period:g} s" if period else "each look")


def test_every_setting_of_a_check_is_explained():
    words = set(re.findall(r"`([\w.]+)`", PAGE))
    named = {spec.name for spec in fields(Monitor)} - OTHERS
    assert named - words == set()
    assert {f"credentials.{spec.name}" for spec in fields(Credentials)} - words <= {"credentials.token_client"}


def test_the_table_names_the_codes_that_its_checks_give():
    pilot = Path(__file__).parents[4] / "pilot"
    files = [*pilot.glob("control/checks/*.py"), pilot / "control" / "credentials.py", pilot / "site" / "proxy.py"]
    used = {ErrorCode[name] for path in files for name in re.findall(r"ErrorCode\.([A-Z_]+)", path.read_text())}
    told = {ErrorCode(int(number)) for row in ROWS for number in re.findall(r"\d{4}", row[3])}
    # A warning, and a reason not to begin.
    assert used - told == {ErrorCode.PROXY_ABOUT_TO_EXPIRE, ErrorCode.PROXY_TOO_SHORT}
    assert told <= used
