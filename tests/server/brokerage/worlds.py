"""Made-up facts for the tests of brokerage: a good queue, changed as a test needs it, and snapshots of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from server.brokerage.policy import GB, Policy
from server.brokerage.snapshot import FailureRate, Input, JobNeeds, Load, Part, QueueFacts, Snapshot, UserFacts

NOW = 1_000_000.0
POLICY = Policy()


def queue(name: str = "GOOD", **changes: Any) -> QueueFacts:
    known: dict[str, Any] = {"cores": 8, "memory": 16 * GB, "disk": 100 * GB, "max_walltime": 86400}
    return QueueFacts(name, **{**known, "storages": (f"{name}_DISK",), **changes})


def snapshot(
    *queues: QueueFacts,
    loads: Mapping[str, Load] | None = None,
    failures: Mapping[str, FailureRate] | None = None,
    replicas: Mapping[str, tuple[str, ...]] | None = None,
    backlogs: Mapping[str, int] | None = None,
    users: Mapping[str, UserFacts] | None = None,
    age: float = 0.0,
) -> Snapshot:
    """Make a snapshot of facts that were read ``age`` seconds ago."""
    parts: list[Any] = [{one.name: one for one in queues}, loads, failures, replicas, backlogs, users]
    return Snapshot(NOW, *(Part(facts or {}, NOW - age) for facts in parts))


NAMES = ("A", "B", "C", "D")
FILES = ("f1", "f2", "f3")


def _sizes(most: int = 50) -> Any:
    return st.integers(0, most).map(lambda n: n * GB)


queues = st.builds(
    QueueFacts,
    name=st.just("?"),
    status=st.sampled_from(["online", "test", "offline", "brokeroff", "standby"]),
    type=st.sampled_from(["unified", "production", "analysis"]),
    cores=st.integers(1, 16),
    memory=_sizes(),
    disk=_sizes(),
    max_walltime=st.integers(0, 5),
    max_input=_sizes(),
    platforms=st.sampled_from([(), ("x86.*",), ("aarch64", "[")]),
    releases=st.sampled_from([(), ("R1",), ("R1", "R2")]),
    containers=st.booleans(),
    countries=st.sampled_from([(), ("de",), ("it", "cz")]),
    other_countries=st.booleans(),
    groups=st.sampled_from([(), ("exotic",), ("!exotic",)]),
    processing=st.sampled_from([(), ("reco",), ("!reco",)]),
    without_pilots=st.booleans(),
    pledged=st.sampled_from([-1, 0, 4, 100]),
    storages=st.sampled_from([(), ("DISK1",), ("DISK1", "DISK2")]),
)
jobs = st.builds(
    JobNeeds,
    label=st.sampled_from(["managed", "user", "test"]),
    cores=st.integers(1, 16),
    memory=_sizes(20),
    disk=_sizes(20),
    walltime=st.integers(0, 5),
    platform=st.sampled_from(["", "x86_64", "aarch64"]),
    release=st.sampled_from(["", "R1", "R2"]),
    container=st.sampled_from(["", "image"]),
    processing_type=st.sampled_from(["", "reco"]),
    group=st.sampled_from(["", "exotic"]),
    user=st.sampled_from(["", "ada", "bob"]),
    priority=st.sampled_from([0, 1000]),
    inputs=st.lists(
        st.builds(Input, st.just("d"), st.sampled_from(FILES), st.one_of(st.none(), _sizes(5))), max_size=3
    ).map(tuple),
)
loads = st.builds(
    Load, queued=st.integers(0, 50), running=st.integers(0, 50), running_cores=st.integers(0, 9),
    transferring=st.integers(0, 9), slots=st.integers(0, 60),
    waits_since=st.sampled_from([0.0, NOW - 90_000, NOW]), heard=st.sampled_from([0.0, NOW - 90_000, NOW]),
)  # fmt: skip
rates = st.integers(0, 30).flatmap(lambda n: st.builds(FailureRate, ended=st.just(n), failed=st.integers(0, n)))
_named = st.sampled_from(NAMES)
snapshots = st.builds(
    lambda found, **parts: snapshot(*(queue_of(name, one) for name, one in found.items()), **parts),
    st.dictionaries(_named, queues, max_size=4),
    loads=st.dictionaries(_named, loads),
    failures=st.dictionaries(_named, rates),
    replicas=st.dictionaries(
        st.sampled_from([f"d/{lfn}" for lfn in FILES]), st.lists(st.sampled_from(["DISK1", "DISK2"])).map(tuple)
    ),
    backlogs=st.dictionaries(st.sampled_from(["DISK1", "DISK2"]), st.integers(0, 5000)),
    users=st.just({"bob": UserFacts("bob", "de", max_queued=3, queued=1)}),
)


def queue_of(name: str, facts: QueueFacts) -> QueueFacts:
    return QueueFacts(**{**vars(facts), "name": name})
