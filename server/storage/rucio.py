"""Rucio as the server asks it: datasets and their files, replicas, and rules that have Rucio copy and keep them.

It is no `Storage`: it knows of many, and moves bytes among them by itself. Everything is asked for many names at once,
and answered for each; what a name's answer does not say is raised for all (`StorageUnavailable`).
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import Any, NamedTuple

from server.storage.apart import Apart
from server.storage.base import Fault, FaultKind

#: How rucio.cfg and the REST interface write moments.
_MOMENT = "%a, %d %b %Y %H:%M:%S UTC"


class Name(NamedTuple):
    """What Rucio knows something by (a DID)."""

    scope: str
    name: str

    def __str__(self) -> str:
        return f"{self.scope}:{self.name}"


@dataclass(frozen=True)
class File:
    """A file as it is registered: ``size`` in bytes, ``checksum`` as ``adler32:xxxxxxxx``; ``guid`` "" for none.

    ``url`` is where it lies, for storages whose addresses Rucio does not compute.
    """

    name: Name
    size: int
    checksum: str
    guid: str = ""
    url: str = ""


@dataclass(frozen=True)
class Known:
    """What Rucio has registered of a name: its bytes, and of a dataset the number of its files.

    Of a dataset that is open, Rucio has counted neither yet: both are ``None``.
    """

    dataset: bool
    size: int | None
    files: int | None
    open: bool
    checksum: str | None = None


class ReplicaState(str, Enum):
    """What Rucio believes of a file on one storage."""

    AVAILABLE = "AVAILABLE"
    UNAVAILABLE = "UNAVAILABLE"
    COPYING = "COPYING"
    BEING_DELETED = "BEING_DELETED"
    BAD = "BAD"
    TEMPORARY_UNAVAILABLE = "TEMPORARY_UNAVAILABLE"


@dataclass(frozen=True)
class Replica:
    """A file on one storage; ``url`` is "" where Rucio gives no address."""

    state: ReplicaState
    url: str = ""


class RuleState(str, Enum):
    """How far a rule is. `GONE`: Rucio knows it no more; it was deleted, or its lifetime is over."""

    OK = "OK"
    REPLICATING = "REPLICATING"
    STUCK = "STUCK"
    SUSPENDED = "SUSPENDED"
    WAITING_APPROVAL = "WAITING_APPROVAL"
    INJECT = "INJECT"
    GONE = "GONE"


@dataclass(frozen=True)
class Wish:
    """Copies of something: so many, on storages that an expression names, for ``lifetime`` seconds (or for ever)."""

    name: Name
    endpoints: str
    copies: int = 1
    lifetime: int | None = None
    activity: str = ""


@dataclass(frozen=True)
class Rule:
    """What has become of a wish: files that are there, on their way, and stuck; ``words`` are Rucio's, if it fails."""

    state: RuleState
    ok: int = 0
    replicating: int = 0
    stuck: int = 0
    words: str = ""


class Rucio:
    """One Rucio, as one account; may be used by several threads.

    Every method raises `StorageUnavailable` when Rucio as a whole does not answer, and `StorageMisconfigured` when it
    does not take whom its configuration says, or when its clients are not installed.
    """

    def __init__(self, home: str = "", account: str = "", host: str = "", patience: float = 120.0) -> None:
        """Say which; nothing is asked of it yet.

        Args:
            home: Folder with etc/rucio.cfg; as Rucio's clients find it when left out.
            account: As rucio.cfg says when left out.
            host: Address of the server, if it is not rucio.cfg's; one logs in where that says.
            patience: Seconds for which it may be silent.
        """
        chosen = {"RUCIO_HOME": home, "RUCIO_ACCOUNT": account}
        self._apart = Apart("server.storage.rucio_apart", {name: value for name, value in chosen.items() if value})
        self._client, self._patience = {"host": host, "timeout": patience}, patience

    def add_datasets(self, names: Sequence[Name]) -> Mapping[Name, Fault | None]:
        """Make datasets; ``None`` for those that are there now."""
        return _each(self._ask("add_datasets", names=_wire(names)))

    def attach(self, files: Mapping[Name, Sequence[File]], endpoint: str) -> Mapping[Name, Fault | None]:
        """Register files that lie on a storage, and attach them to datasets; ``None`` for a dataset that has all.

        A dataset gets all of its files, or none (of more than a thousand: of each thousand); what is registered and
        attached already is as good.
        """
        wanted = [
            {**dataset._asdict(), "rse": endpoint, "dids": [_file(each) for each in some]}
            for dataset, some in files.items()
            if some
        ]
        answers: dict[Name, Fault | None] = dict.fromkeys(files)
        for name, words in self._ask("attach", wanted=wanted):
            answers[_name(name)] = answers[_name(name)] or _fault(words)
        return answers

    def close(self, names: Sequence[Name]) -> Mapping[Name, Fault | None]:
        """Let datasets take no more files."""
        return _each(self._ask("close", names=_wire(names)))

    def describe(self, names: Sequence[Name]) -> Mapping[Name, Known | Fault]:
        """Say what is registered of datasets and files."""
        found = {_name(each): _known(each) for each in self._ask("describe", names=_wire(names))}
        return {name: found.get(name, _absent(name)) for name in names}

    def list_files(self, dataset: Name) -> Iterable[File]:
        """List the files of a dataset as they come; none for one that has none."""
        for each in self._ask("list_files", name=dataset._asdict()):
            yield File(_name(each), int(each["bytes"]), _checksum(each) or "", each["guid"] or "")

    def add_replicas(self, files: Sequence[File], endpoint: str) -> Mapping[Name, Fault | None]:
        """Register files that lie on a storage; ``None`` for those that are registered there now."""
        return _each(self._ask("add_replicas", endpoint=endpoint, files=[_file(each) for each in files]))

    def replicas(self, names: Sequence[Name]) -> Mapping[Name, Mapping[str, Replica] | Fault]:
        """Say where files lie: by the name of the storage, whatever state they are in there."""
        found = {
            _name(each): {
                endpoint: Replica(ReplicaState(state), next(iter((each["rses"] or {}).get(endpoint) or ()), ""))
                for endpoint, state in (each["states"] or {}).items()
            }
            for each in self._ask("replicas", names=_wire(names))
        }
        return {name: found.get(name, _absent(name)) for name in names}

    def add_rules(self, wishes: Sequence[Wish]) -> Mapping[Wish, str | Fault]:
        """Have Rucio make copies; the answer is the number of each wish's rule, also of one that was there before."""
        alike: dict[tuple[Any, ...], list[Wish]] = defaultdict(list)
        for wish in wishes:
            alike[wish.endpoints, wish.copies, wish.lifetime, wish.activity].append(wish)
        answers: dict[Wish, str | Fault] = {}
        for (endpoints, copies, lifetime, activity), same in alike.items():
            rule = {"rse_expression": endpoints, "copies": copies, "lifetime": lifetime, "activity": activity or None}
            by_name = {wish.name: wish for wish in same}
            for name, number, words in self._ask("add_rules", names=_wire(by_name), rule=rule):
                answers[by_name[_name(name)]] = _fault(words) or number
        return answers

    def rules(self, numbers: Sequence[str], since: datetime | None = None) -> Mapping[str, Rule]:
        """Say what has become of rules.

        Args:
            numbers: As `add_rules` has answered them.
            since: None of them is older. Of many rules, all that the account has made since then are looked through.
        """
        moment = since.astimezone(UTC).strftime(_MOMENT) if since else ""
        found = {
            each["id"]: Rule(
                RuleState(each["state"]),
                each["ok"],
                each["replicating"],
                each["stuck"],
                " ".join(each["error"].split()),
            )
            for each in self._ask("rules", numbers=list(numbers), since=moment)
        }
        return {number: found.get(number, Rule(RuleState.GONE)) for number in numbers}

    def delete_rules(self, numbers: Sequence[str], *, purge: bool = False) -> Mapping[str, Fault | None]:
        """Let Rucio keep for a rule no longer what it has copied; ``purge``: and remove it soon."""
        answers = self._ask("delete_rules", numbers=list(numbers), purge=purge)
        return {number: _fault(words) for number, words in answers}

    def _ask(self, function: str, **arguments: Any) -> Iterator[Any]:
        # Made here, so that it goes with the call also when the process is killed: tokens are kept there.
        with tempfile.TemporaryDirectory(prefix="rucio-", ignore_cleanup_errors=True) as folder:
            client = {**self._client, "folder": folder}
            yield from self._apart.ask(function, {"client": client, **arguments}, patience=self._patience)


def _wire(names: Iterable[Name]) -> list[dict[str, str]]:
    return [name._asdict() for name in names]


def _name(said: Mapping[str, Any]) -> Name:
    return Name(said["scope"], said["name"])


def _known(said: Mapping[str, Any]) -> Known:
    dataset, more = said["did_type"] == "DATASET", bool(said["is_open"])
    if dataset and more:
        return Known(True, None, None, True)
    size, files = int(said["bytes"] or 0), int(said["length"] or 0)  # some databases give sums as decimals
    return Known(dataset, size, files if dataset else 1, more, _checksum(said))


def _file(file: File) -> dict[str, Any]:
    algorithm, _, value = file.checksum.partition(":")
    said: dict[str, Any] = {**file.name._asdict(), "bytes": file.size, algorithm: value}
    if file.guid:
        said["meta"] = {"guid": file.guid}
    if file.url:
        said["pfn"] = file.url
    return said


def _checksum(said: Mapping[str, Any]) -> str | None:
    return f"adler32:{said['adler32']}" if said.get("adler32") else None


def _fault(words: Sequence[str] | None) -> Fault | None:
    return Fault(FaultKind(words[0]), words[1]) if words else None


def _absent(name: Name) -> Fault:
    return Fault(FaultKind.ABSENT, f"Rucio knows no {name}")


def _each(answers: Iterable[tuple[Mapping[str, Any], Sequence[str] | None]]) -> dict[Name, Fault | None]:
    return {_name(name): _fault(words) for name, words in answers}
