"""Asks Rucio by its own clients, in a process apart: bulk calls, whose single failures are found by halving."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from server.storage.base import FaultKind, StorageMisconfigured, StorageUnavailable

#: Names in one call; Rucio's schema takes no more.
BATCH = 1000
#: Rules that are asked for one by one; of more, all that the account has are listed.
FEW = 10

#: What Rucio's exceptions say of one name, by their own names; the others say that it has failed.
KINDS: Mapping[str, FaultKind] = {
    **dict.fromkeys(("DataIdentifierNotFound", "RuleNotFound", "ReplicaNotFound"), FaultKind.ABSENT),
    **dict.fromkeys(("RSENotFound", "ScopeNotFound", "InvalidRSEExpression"), FaultKind.ABSENT),
    **dict.fromkeys(("AccessDenied", "ScopeAccessDenied", "RuleReplaceFailed"), FaultKind.FORBIDDEN),
    **dict.fromkeys(("RSEWriteBlocked", "InsufficientTargetRSEs", "InsufficientAccountLimit"), FaultKind.BUSY),
    **dict.fromkeys(("ReplicationRuleCreationTemporaryFailed", "MissingSourceReplica"), FaultKind.BUSY),
}
#: What says that the service as a whole does not do what it should, or that its client cannot speak with it.
SILENT = ("ServerConnectionException", "DatabaseException", "ResourceTemporaryUnavailable", "ServiceUnavailable")
REFUSED = ("CannotAuthenticate", "NoAuthInformation", "MissingClientParameter", "ConfigNotFound", "ConfigLoadingError")

Name = Mapping[str, str]
Words = list[str] | None


def add_datasets(client: Mapping[str, Any], names: Sequence[Name]) -> Iterator[tuple[Name, Words]]:
    """Make datasets; one that is there already is as good."""
    with _connected(client) as rucio:
        for batch in _batches(names):
            try:
                rucio.add_datasets([*batch])
            except _exceptions().DataIdentifierAlreadyExists:
                there = {(each["scope"], each["name"]) for each in rucio.get_metadata_bulk([*batch])}
                yield from ((name, None) for name in batch if _key(name) in there)
                missing = [name for name in batch if _key(name) not in there]
                yield from _halved(missing, rucio.add_datasets)
            except _exceptions().RucioException:
                yield from _halved(batch, rucio.add_datasets)
            else:
                yield from ((name, None) for name in batch)


def attach(client: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> Iterator[tuple[Name, Words]]:
    """Attach files to datasets: each has its ``scope`` and ``name``, its ``dids``, and the ``rse`` that has them.

    Of a dataset with more files than go into one call, there is an answer for each part.
    """
    with _connected(client) as rucio:
        for batch in shared_out(wanted):
            for one, words in _halved(batch, lambda some: rucio.add_files_to_datasets(some, ignore_duplicate=True)):
                yield {"scope": one["scope"], "name": one["name"]}, words


def shared_out(wanted: Sequence[Mapping[str, Any]]) -> Iterator[Sequence[Mapping[str, Any]]]:
    """Share files of datasets out to calls that are no larger than Rucio takes."""
    parts = [
        {**one, "dids": one["dids"][at : at + BATCH]} for one in wanted for at in range(0, len(one["dids"]), BATCH)
    ]
    return _batches(parts, lambda one: len(one["dids"]))


def close(client: Mapping[str, Any], names: Sequence[Name]) -> Iterator[tuple[Name, Words]]:
    """Close datasets, for which Rucio has no call for many; one that is closed is as good."""
    with _connected(client) as rucio:
        for name in names:
            try:
                rucio.close(**name)
            except _exceptions().UnsupportedOperation as wrong:  # which it also says when there is nothing to be done
                yield name, _words(wrong) if rucio.get_did(**name)["open"] else None
            except _exceptions().RucioException as wrong:
                yield name, _words(wrong)
            else:
                yield name, None


def describe(client: Mapping[str, Any], names: Sequence[Name]) -> Iterator[Mapping[str, Any]]:
    """Say what is known of files and datasets that there are."""
    with _connected(client) as rucio:
        for batch in _batches(names):
            for each in rucio.get_metadata_bulk([*batch]):
                yield {
                    key: each.get(key) for key in ("scope", "name", "did_type", "bytes", "length", "adler32", "is_open")
                }


def list_files(client: Mapping[str, Any], name: Name) -> Iterator[Mapping[str, Any]]:
    """List the files of a dataset."""
    with _connected(client) as rucio:
        for each in rucio.list_files(**name):
            yield {key: each.get(key) for key in ("scope", "name", "bytes", "adler32", "guid")}


def add_replicas(
    client: Mapping[str, Any], endpoint: str, files: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Name, Words]]:
    """Register files that lie on a storage; one that is registered there already is as good.

    Rucio itself would take another content than is registered, and keep the size and the checksum that it had.
    """
    with _connected(client) as rucio:
        for batch in _batches(files):
            names = [{"scope": one["scope"], "name": one["name"]} for one in batch]
            known = {_key(each): each for each in rucio.get_metadata_bulk(names)}
            differ = {_key(one): words for one in batch if (words := _difference(one, known.get(_key(one))))}
            yield from ((name, differ[_key(name)]) for name in names if _key(name) in differ)
            same = [one for one in batch if _key(one) not in differ]
            for one, words in _halved(same, lambda some: rucio.add_replicas(endpoint, some)):
                yield {"scope": one["scope"], "name": one["name"]}, words


def _difference(file: Mapping[str, Any], known: Mapping[str, Any] | None) -> Words:
    for each in ("bytes", "adler32", "md5"):
        if known and file.get(each) is not None and known.get(each) not in (None, file[each]):
            return [FaultKind.FAILED.value, f"{each} {known[each]} is registered, {file[each]} is to be"]
    return None


def replicas(client: Mapping[str, Any], names: Sequence[Name]) -> Iterator[Mapping[str, Any]]:
    """Say where files lie, and in which state."""
    with _connected(client) as rucio:
        for batch in _batches(names):
            for each in rucio.list_replicas([*batch], all_states=True, ignore_availability=True):
                yield {key: each.get(key) for key in ("scope", "name", "states", "rses")}


def add_rules(
    client: Mapping[str, Any], names: Sequence[Name], rule: Mapping[str, Any]
) -> Iterator[tuple[Name, str, Words]]:
    """Ask for copies of datasets or files; the answer is the number of each one's rule, or why there is none."""
    with _connected(client) as rucio:
        for batch in _batches(names):
            yield from _add_rules(rucio, batch, rule)


def _add_rules(rucio: Any, names: Sequence[Name], rule: Mapping[str, Any]) -> Iterator[tuple[Name, str, Words]]:
    try:
        numbers = rucio.add_replication_rule([*names], **rule)
    except _exceptions().RucioException as wrong:
        if len(names) > 1:
            half = len(names) // 2
            yield from _add_rules(rucio, names[:half], rule)
            yield from _add_rules(rucio, names[half:], rule)
            return
        known = _rule_of(rucio, names[0], rule) if isinstance(wrong, _exceptions().DuplicateRule) else ""
        yield names[0], known, None if known else _words(wrong)
    else:
        yield from ((name, number, None) for name, number in zip(names, numbers, strict=True))


def _rule_of(rucio: Any, name: Name, rule: Mapping[str, Any]) -> str:
    """Answer the number of the rule that was there already."""
    same = ("copies", "rse_expression")
    for each in rucio.list_did_rules(**name):
        if each["account"] == rucio.account and all(each[key] == rule[key] for key in same):
            return str(each["id"])
    return ""


def rules(client: Mapping[str, Any], numbers: Sequence[str], since: str) -> Iterator[Mapping[str, Any]]:
    """Say what has become of rules; of those that are no more, nothing is said."""
    with _connected(client) as rucio:
        if len(numbers) <= FEW:
            found = _some_rules(rucio, numbers)
        else:
            wanted, own = set(numbers), {"account": rucio.account, **({"created_after": since} if since else {})}
            found = (each for each in rucio.list_replication_rules(own) if each["id"] in wanted)
        for each in found:
            counts = {key: each[f"locks_{key}_cnt"] for key in ("ok", "replicating", "stuck")}
            yield {"id": each["id"], "state": each["state"], "error": each.get("error") or "", **counts}


def _some_rules(rucio: Any, numbers: Sequence[str]) -> Iterator[Mapping[str, Any]]:
    for number in numbers:
        with contextlib.suppress(_exceptions().RuleNotFound):
            yield rucio.get_replication_rule(number)


def delete_rules(client: Mapping[str, Any], numbers: Sequence[str], *, purge: bool) -> Iterator[tuple[str, Words]]:
    """End rules, for which Rucio has no call for many; one that is no more is as good."""
    with _connected(client) as rucio:
        for number in numbers:
            try:
                rucio.delete_replication_rule(number, purge_replicas=purge)
            except _exceptions().RuleNotFound:
                yield number, None
            except _exceptions().RucioException as wrong:
                yield number, _words(wrong)
            else:
                yield number, None


def _halved(items: Sequence[Any], act: Callable[[list[Any]], object]) -> Iterator[tuple[Any, Words]]:
    """Do something for many at once; where that fails, for each half, until those are found for which it cannot be."""
    if not items:
        return
    try:
        act([*items])
    except _exceptions().RucioException as wrong:
        if len(items) > 1:
            yield from _halved(items[: len(items) // 2], act)
            yield from _halved(items[len(items) // 2 :], act)
        else:
            yield items[0], _words(wrong)
    else:
        yield from ((item, None) for item in items)


def _batches(items: Sequence[Any], weigh: Callable[[Any], int] = lambda _: 1) -> Iterator[Sequence[Any]]:
    batch: list[Any] = []
    weight = 0
    for item in items:
        if batch and weight + weigh(item) > BATCH:
            yield batch
            batch, weight = [], 0
        batch.append(item)
        weight += weigh(item)
    if batch:
        yield batch


def _words(wrong: Exception) -> list[str]:
    """Answer kind and words of what is wrong with one name.

    Raises:
        StorageUnavailable: it is not the name that something is wrong with.
    """
    name, said = type(wrong).__name__, " ".join(str(wrong).split())
    if name in SILENT:
        raise StorageUnavailable(f"{name}: {said}")
    return [KINDS.get(name, FaultKind.FAILED).value, f"{name}: {said}"]


@contextlib.contextmanager
def _connected(client: Mapping[str, Any]) -> Iterator[Any]:
    """Give a client of Rucio; tell what goes wrong with all of it in our words."""
    try:
        wrong_with_rucio: type[Exception] = _exceptions().RucioException
        from rucio.client.baseclient import BaseClient
    except ImportError as missing:
        raise StorageMisconfigured(f"Rucio's clients are not there ({missing}): install compass-pilot[rucio]") from None
    # Rucio keeps tokens by account only: who shows something else for that account would be given the same one.
    tokens = client["folder"]
    BaseClient.TOKEN_PATH_PREFIX = f"{tokens}/"
    try:
        made = _client(client["host"], client["timeout"])
        made.token_path, made.token_file = tokens, f"{tokens}/token"
        yield made
    except wrong_with_rucio as wrong:
        name, said = type(wrong).__name__, " ".join(str(wrong).split())
        refused = StorageMisconfigured if name in REFUSED else StorageUnavailable
        raise refused(f"{name}: {said}") from wrong
    except OSError as wrong:  # and what requests raises
        raise StorageUnavailable(f"{type(wrong).__name__}: {wrong}") from wrong


@functools.cache
def _client(host: str, timeout: float) -> Any:
    from rucio.client import Client

    return Client(rucio_host=host or None, user_agent="compass-server", timeout=timeout)


def _exceptions() -> Any:
    from rucio.common import exception

    return exception


def _key(name: Name) -> tuple[str, str]:
    return name["scope"], name["name"]
