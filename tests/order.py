"""Which tests run when, and in which process, if several run side by side.

No file that takes long is the last one to be begun; files that need a service which takes long to start share one.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import pytest
from xdist.scheduler import LoadFileScheduling

#: Files that one process runs, one after the other: all of them use the session's Rucio.
SHARING = frozenset(
    {
        "tests/pilot/api/test_data_servers.py",
        "tests/pilot/copytool/test_rucio.py",
        "tests/pilot/test_rucio.py",
        "tests/server/storage/test_rucio.py",
    }
)
#: The part of a run by which the last of the files that take long has begun.
BEGUN = 0.75


class BySharing(LoadFileScheduling):
    """Gives the tests of a file, and of files that share, to one process."""

    def _split_scope(self, nodeid: str) -> str:
        file: str = super()._split_scope(nodeid)
        return "sharing" if file in SHARING else file


def spread(files: Sequence[str], long: Collection[str]) -> list[str]:
    """Answer the files with those that take long among the others, evenly: these wait while the others compute."""
    first, others = [file for file in files if file in long], [file for file in files if file not in long]
    place = {file: BEGUN * number / len(first) for number, file in enumerate(first)}
    place.update((file, number / len(others)) for number, file in enumerate(others))
    return sorted(files, key=lambda file: place[file])


def put_in_order(items: list[pytest.Item]) -> None:
    """Put tests in order, file by file; long are those with tests for one Python, for these are of whole systems."""
    files = list(dict.fromkeys(item.nodeid.partition("::")[0] for item in items))
    long = {item.nodeid.partition("::")[0] for item in items if item.get_closest_marker("one_python")}
    rank = {file: number for number, file in enumerate(spread(files, long))}
    items.sort(key=lambda item: rank[item.nodeid.partition("::")[0]])
