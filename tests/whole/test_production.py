"""Whole productions, with real pilots, storages and tapes: from raw files on tape to merged, checked files on tape.

A Monte Carlo generation with its reconstruction, and a production of data whose raw files lie on tape only; once
undisturbed, and once with everything going wrong that is known to. ``make production`` runs them.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.whole import faulty_program, production_site
from tests.whole.local_system import LocalSystem
from tests.whole.production_report import complaints, report
from tests.whole.production_run import RAW, Killer, Productions, Size

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
def make(local_system: Callable[..., LocalSystem], tmp_path: Path) -> Iterator[Make]:
    """Bring up a site with its system, which runs a program with planned faults; the raw files are on tape."""
    with ExitStack() as stack:

        def made(size: Size, plan: Mapping[str, str]) -> Productions:
            site = stack.enter_context(production_site.running())
            system = local_system(**production_site.environment()).with_tables()
            program = faulty_program.write_program(tmp_path / "faults", plan)
            found = Productions(system, site, program, size)
            folder = tmp_path / "raw"
            production_site.write_raw_files(folder, size.data, size.events)
            site.put_raw_files({f"{RAW}/{name}": (folder / name).read_bytes() for name in found.raw_files()})
            status, out, said = system.up()
            assert status == 0, out + said
            site.define(system)
            return found

        yield made


def test_productions_go_from_raw_files_on_tape_to_merged_files_on_tape(make, capsys):
    productions = make(QUIET, {})
    productions.start()
    productions.follow(lambda: productions.all_are("done"))
    with capsys.disabled():
        report(productions)
    assert complaints(productions, "done") == []
    assert productions.story == []


def test_productions_lose_nothing_although_payloads_fail_events_are_lost_and_everything_is_killed(make, capsys):
    files = Productions.jobs_of(FULL)
    losing = {"mDST-277002-1-7.root": faulty_program.LOSES, "mDST-278474-1-7.root": faulty_program.LOSES}
    plan = {**faulty_program.planned([name for name in files if name not in losing], seed=SEED), **losing}
    productions = make(FULL, plan)
    with Killer(productions.system, seed=SEED, times=12, pause=(5.0, 12.0)) as killer:
        productions.start()
        productions.follow(lambda: productions.all_are("done"))
    with capsys.disabled():
        report(productions, killer)
    assert faulty_program.done(productions.program.parent) == plan
    assert complaints(productions, "done") == []
    assert sum("of run" in words or "event" in words for words in productions.story) >= len(losing)
