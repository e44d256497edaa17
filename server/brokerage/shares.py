"""Fair shares: which leaf of the tree a job belongs to, and which leaf and which user in it come next.

What is queued carries its share as a text, ``leaf`` or ``leaf/user``; nothing here knows jobs.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

#: Longest text of a share that the task buffer keeps.
LONGEST = 32

#: A leaf of this name always comes first, as in PanDA: tests are few, and waited for.
FIRST = "Test"

#: Labels of jobs that are single users' own, also where they belong to no leaf.
OF_USERS = frozenset({"user", "panda"})


@dataclass(frozen=True)
class Share:
    """A node of the tree. ``value`` is its weight among its siblings; the patterns are regular expressions, "" any."""

    name: str
    value: float
    parent: str = ""
    label: str = ""
    group: str = ""
    processing_type: str = ""
    per_user: bool = False

    def takes(self, label: str, group: str, processing_type: str) -> bool:
        """Say whether jobs of this kind belong to it."""
        asked = ((self.label, label), (self.group, group), (self.processing_type, processing_type))
        return all(not pattern or re.fullmatch(pattern, text) for pattern, text in asked)


def targets(shares: Collection[Share]) -> dict[str, float]:
    """Answer the part of everything that each leaf is to have: its part of its parent's, and so on; 1 in sum.

    A share whose parent is not there, or is below itself, counts as one without a parent.
    """
    by_name = {share.name: share for share in shares}
    parents = {share.name: share.parent if _is_rooted(share, by_name) else "" for share in shares}
    sums: defaultdict[str, float] = defaultdict(float)
    for share in shares:
        sums[parents[share.name]] += share.value
    found = {}
    for leaf in set(by_name) - set(parents.values()):
        part, name = 1.0, leaf
        while name:
            part *= by_name[name].value / sums[parents[name]] if sums[parents[name]] else 0.0
            name = parents[name]
        found[leaf] = part
    return found


def _is_rooted(share: Share, by_name: Mapping[str, Share]) -> bool:
    seen = {share.name}
    above = share.parent
    while above:
        if above not in by_name or above in seen:
            return False
        seen.add(above)
        above = by_name[above].parent
    return True


def share_of(
    shares: Sequence[Share], *, label: str, group: str, processing_type: str, user: str, asked: str = ""
) -> str:
    """Answer the share of a job: the leaf that it asks for, or the first that takes it, and its user where those count.

    Args:
        shares: All shares, in the order in which leaves are tried.
        label: Its prodSourceLabel.
        group: Its working group.
        processing_type: Its processing type.
        user: Its user.
        asked: The leaf that it asks for.
    """
    parents = {share.parent for share in shares}
    leaves = [share for share in shares if share.name not in parents]
    taking = (leaf for leaf in leaves if leaf.takes(label, group, processing_type))
    leaf = next((leaf for leaf in leaves if leaf.name == asked), None) if asked else next(taking, None)
    by_user = leaf.per_user if leaf else label in OF_USERS
    return with_user(leaf.name if leaf else asked, user if by_user else "")


def with_user(leaf: str, user: str) -> str:
    """Write a leaf with a user; a name that is too long is cut, and told apart by a digest of the whole."""
    text = f"{leaf}/{user}" if user else leaf
    if len(text) <= LONGEST:
        return text
    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text[: LONGEST - 9]}~{digest}"


def leaf_of(share: str) -> str:
    return share.partition("/")[0]


class Running:
    """The cores that each share has: as they were counted, and what was given since; and has had of late, on average.

    The past counts as what runs does: who had much gets less for a while, and who had nothing gets more.
    """

    def __init__(self, cores: Mapping[str, int] | None = None, past: Mapping[str, float] | None = None) -> None:
        self._of_share: Counter[str] = Counter()
        self._of_leaf: Counter[str] = Counter()
        self._past_of_share: Mapping[str, float] = past or {}
        self._past_of_leaf: defaultdict[str, float] = defaultdict(float)
        for share, number in (cores or {}).items():
            self.give(share, number)
        for share, average in self._past_of_share.items():
            self._past_of_leaf[leaf_of(share)] += average

    def give(self, share: str, cores: int) -> None:
        """Count cores that a share has just been given."""
        self._of_share[share] += cores
        self._of_leaf[leaf_of(share)] += cores

    def of(self, share: str) -> int:
        return self._of_share[share]

    def of_leaf(self, leaf: str) -> int:
        """Answer the cores of all users of a leaf."""
        return self._of_leaf[leaf]

    def past_of(self, share: str) -> float:
        """Answer the cores that a share has had of late, on average."""
        return self._past_of_share.get(share, 0.0)

    def past_of_leaf(self, leaf: str) -> float:
        """Answer the cores that all users of a leaf have had of late, on average."""
        return self._past_of_leaf.get(leaf, 0.0)


def in_order(waiting: Iterable[str], running: Running, wanted: Mapping[str, float]) -> list[str]:
    """Sort the shares that have something queued: whoever has least of what is his comes first.

    Args:
        waiting: The shares, with their users.
        running: The cores that each has now, and has had of late; both count.
        wanted: The part of everything that each leaf is to have; a leaf that is not among them comes last.

    Returns:
        The shares: by leaf, the one that has least against its target first, and within a leaf by user, the one who has
        least first. Equal ones are sorted by name.
    """

    def place(share: str) -> tuple[bool, bool, float, str, float, str]:
        leaf = leaf_of(share)
        target = wanted.get(leaf, 0.0)
        use = (running.of_leaf(leaf) + running.past_of_leaf(leaf)) / (target or 1.0)
        return (leaf != FIRST, not target, use, leaf, running.of(share) + running.past_of(share), share)

    return sorted(set(waiting), key=place)
