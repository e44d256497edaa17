"""A whole production to look at: ``python -m tests.whole.try_production HOME`` runs one, and stays until Ctrl-C.

Nobody sends anything again by itself: what waits for a person waits for whoever looks at the page.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from tests.whole import faulty_program, production_site
from tests.whole.local_system import ticks
from tests.whole.production_run import Productions, Size, bring_up
from wrappers import build_bundle

ROOT = Path(__file__).parents[2]
#: Nobody waits so long, in seconds.
FOR_EVER = 30 * 86400.0


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.whole.try_production", description=__doc__)
    parser.add_argument("home", type=Path, help="a folder that is not there yet")
    parser.add_argument("--runs", type=int, default=2, help="runs of the Monte Carlo, and of the data (2)")
    parser.add_argument("--chunks", type=int, default=4, help="chunks of each run (4)")
    parser.add_argument("--faults", action="store_true", help="some payloads fail, and two merges lose an event")
    given = parser.parse_args(arguments)
    if given.home.exists():
        parser.error(f"home: {given.home} is there already; give a folder that is not")
    size = Size(
        dict.fromkeys(range(277001, 277001 + given.runs), given.chunks),
        dict.fromkeys(range(278473, 278473 + given.runs), given.chunks),
    )
    try:
        plan = faulty_program.everything(Productions.jobs_of(size), seed=1) if given.faults else {}
    except ValueError as few:
        parser.error(f"--faults: {few}")
    with suppress(KeyboardInterrupt), production_site.running() as site:
        _run(site, given, size, plan)


def _run(site: production_site.Site, given: argparse.Namespace, size: Size, plan: Mapping[str, str]) -> None:
    given.home.mkdir(parents=True)
    home = given.home.resolve()
    bundle = home / "pilot.pyz"
    build_bundle.write(bundle, list(build_bundle.members(build_bundle.fetch(ROOT / "build" / "wheels"))))
    productions = bring_up(site, home, bundle, size, plan)
    try:
        productions.start()
        password = (productions.system.home / "server" / "admin_password").read_text().strip()
        sys.stdout.write(f"\n{productions.system.url()}  (admin, {password})\n")
        sys.stdout.write(f"on tape: {site.robot.layout.tapes}\non disk: {site.disk.data}\nCtrl-C ends everything\n")
        sys.stdout.flush()
        for _ in ticks(FOR_EVER, pause=60.0):
            pass
    finally:
        productions.system.close()


if __name__ == "__main__":
    main()
