"""Every number that steers brokerage, with its default; Django's setting ``BROKERAGE`` changes them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

GB = 10**9


class BadPolicy(ValueError):
    """A number of the policy is unknown, or cannot be meant."""


@dataclass(frozen=True)
class Policy:
    """Sizes are bytes, durations seconds, shares between 0 and 1."""

    oldest_facts: float = 600.0
    """Facts that were read longer ago are not believed: the safe answer is given, and says so."""
    failure_window: float = 3600.0
    """Attempts that ended longer ago do not count for a queue's failure rate."""
    failures_known: int = 10
    """So many attempts have to have ended before a queue's failure rate is believed."""
    failure_limit: float = 0.8
    """A queue with a larger share of failures gets no job: it may be a black hole."""
    transferring_limit: int = 2000
    """A queue whose storages have more transfers before them gets no job, unless its description or what it runs says
    otherwise."""
    unknown_size: int = 1 * GB
    """What an input is taken for whose size nobody knows."""
    far_bytes: int = 100 * GB
    """To move so much halves a queue's weight."""
    borrowed: float = 0.5
    """Weight of a queue whose cores are borrowed, against one that is pledged."""
    unpledged_priority: int = 800
    """Jobs of at least this priority are not sent to borrowed cores; with 0, few are: work is short, as PanDA says."""
    pilot_window: float = 10800.0
    """A queue in which jobs have waited for so long, and no pilot was heard either, gets no more jobs."""
    probes: int = 10
    """So many jobs are sent to such a queue nevertheless: those that wait there may be none for its pilots."""


def policy_from(chosen: Mapping[str, Any]) -> Policy:
    """Read a policy; what is left out keeps its default.

    Raises:
        BadPolicy: a name is unknown, or a value is not a number from 0 on.
    """
    kinds = {field.name: type(getattr(Policy(), field.name)) for field in fields(Policy)}
    for name, value in chosen.items():
        if name not in kinds:
            near = difflib.get_close_matches(name, kinds, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {', '.join(kinds)}"
            raise BadPolicy(f"BROKERAGE[{name!r}] is not a number of brokerage; {hint}")
        if isinstance(value, bool) or not isinstance(value, (int, kinds[name])) or value < 0:
            whole = "a whole number" if kinds[name] is int else "a number"
            raise BadPolicy(f"BROKERAGE[{name!r}] = {value!r}: give {whole} from 0 on")
    return Policy(**chosen)
