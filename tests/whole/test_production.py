"""Whole productions, with real pilots, storages and tapes: from raw files on tape to merged, checked files on tape.

A Monte Carlo generation with its reconstruction, and a production of data whose raw files lie on tape only; once
undisturbed, and once with everything going wrong that is known to. ``make production`` runs them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import pytest

from tests.whole import faulty_program, production_site
from tests.whole.production_report import complaints, report
from tests.whole.production_run import Killer, Productions, Size, Trouble, bring_up

pytestmark = [
    pytest.mark.one_python,
    pytest.mark.campaign,  # minutes: every rule in it has quick tests of its own
    pytest.mark.skipif(
        importlib.util.find_spec("pythia8mc") is None or importlib.util.find_spec("XRootD") is None,
        reason="not tested: the programs of examples/mc, or XRootD's module, are not installed",
    ),
]

Make = Callable[[Size, Mapping[str, str]], Productions]


def runs(first: int, number: int, chunks: int) -> dict[int, int]:
    return dict.fromkeys(range(first, first + number), chunks)


QUIET = Size(runs(277001, 1, 3), runs(278473, 2, 2))
FULL = Size(runs(277001, 3, 8), runs(278473, 3, 8))
SEED = 1


@pytest.fixture
def make(tmp_path: Path, bundle: Path) -> Iterator[Make]:
    """Bring up a site and its system, which is ended whatever happens."""
    with ExitStack() as stack:

        def made(size: Size, plan: Mapping[str, str]) -> Productions:
            site = stack.enter_context(production_site.running())
            found = bring_up(site, tmp_path, bundle, size, plan)
            stack.callback(found.system.close)
            return found

        yield made


def test_productions_go_from_raw_files_on_tape_to_merged_files_on_tape(make, capsys):
    productions = make(QUIET, {})
    productions.start()
    productions.follow(productions.are_cleaned_up)
    with capsys.disabled():
        report(productions)
    assert complaints(productions, "archived") == []
    assert len(productions.story) == 3, productions.story  # nobody had to do anything but have them archived


#: The merged file that vanishes before it is on tape.
VANISHED = "mc_prod/CERN/2016/P07/mc2016-1/mcreco/mDST/mDST-277002-1-7.root"
ARCHIVE = "production.archive"


def troubles(productions: Productions) -> list[Trouble]:
    """Break what can break at a site, each thing at its moment, and mend what a person would mend."""
    site, system, count = productions.site, productions.system, productions.count
    lfn = VANISHED.rpartition("/")[2]

    def hold() -> None:
        production_site.switch(system, ARCHIVE, "off")

    def lose() -> None:
        site.lose(VANISHED)
        production_site.switch(system, ARCHIVE, "on")

    def is_merged() -> int:
        checked = "SELECT run_id FROM production_crosscheck WHERE verdict = 'yes'"
        return count("production_output", f"lfn = '{lfn}' AND run_id IN ({checked})")

    def is_read() -> int:
        return count("production_chunk", "state = 'staging'")

    def is_written() -> int:
        return count("dataservice_transfer", "kind = 'archive' AND state IN ('queued', 'active')")

    def waits() -> int:
        return count("dataservice_transfer", "kind = 'archive' AND state = 'on_disk'")

    return [
        Trouble("nothing goes to tape for a while", lambda: True, hold),
        Trouble("a tape drive dies while raw files are read", is_read, partial(site.drives, "down", 0)),
        Trouble(f"{lfn} vanishes from the disk", is_merged, lose),
        Trouble("the other drive dies while files are written", is_written, partial(site.drives, "down", 1)),
        Trouble("the robot loses its power", waits, site.restart_robot),
        Trouble("both drives are repaired", waits, partial(site.drives, "up", 0, 1)),
    ]


def test_productions_lose_nothing_although_payloads_fail_events_are_lost_and_everything_is_killed(make, capsys):
    files = Productions.jobs_of(FULL)
    plan = faulty_program.everything(files, seed=SEED)
    productions = make(FULL, plan)
    productions.troubles = troubles(productions)
    productions.accepted = ("dvcs2016", 278475)
    with Killer(productions.system, seed=SEED, pause=(8.0, 16.0)) as killer:
        productions.start()
        productions.follow(productions.are_cleaned_up)
    with capsys.disabled():
        report(productions, killer)
    assert faulty_program.done(productions.program.parent) == plan
    assert complaints(productions, "archived") == []
    assert productions.troubles == []
    assert productions.was_made_again(VANISHED)
    assert killer.meanwhile.keys() >= {"running", "archiving"}, killer.meanwhile
    told = productions.told()
    assert "a person sent run 277001 of mc2016 again (manual check): events in mDSTs: merge 0: " in told
    assert "a person accepted run 278475 of dvcs2016: events in mDSTs: merge 0: " in told
