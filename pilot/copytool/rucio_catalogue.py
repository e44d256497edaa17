"""Registers a file with Rucio's catalogue; in the process apart where Rucio's clients are."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from typing import Any

from pilot.copytool.base import CopyFailed


def check_place(client: Any, file: Mapping[str, str], url: str) -> None:
    """Refuse an address at which Rucio would not look for the file."""
    if not client.get_rse(file["endpoint"])["deterministic"]:
        return
    scheme, name = url.partition("://")[0], f"{file['scope']}:{file['name']}"
    (expected,) = client.lfns2pfns(file["endpoint"], [name], operation="write", scheme=scheme).values()
    if _path(expected) != _path(url):
        words = f"Rucio looks for it at {expected}, and the queue's storage has it at {url}: correct one of them"
        raise CopyFailed(None, f"{shown(file)}: {words}")


def register_file(
    client: Any, file: Mapping[str, str], told: Mapping[str, Any], url: str, dataset: Sequence[str]
) -> None:
    """Tell Rucio of a file that lies there: with its dataset all at once or not at all, otherwise with a rule."""
    from rucio.common.exception import DataIdentifierAlreadyExists, DataIdentifierNotFound, DuplicateRule

    endpoint = file["endpoint"]
    own = {"scope": file["scope"], "name": file["name"]}
    said = {**own, "bytes": told["bytes"], "adler32": told["adler32"], "meta": {"guid": told["guid"]}}
    if not client.get_rse(endpoint)["deterministic"]:
        said["pfn"] = url
    rule = {"copies": 1, "rse_expression": endpoint}
    if not dataset:
        _check_content(client, own, told)
        client.add_replicas(endpoint, [said])
        with contextlib.suppress(DuplicateRule):
            client.add_replication_rule([own], **rule)
        return
    scope, name = dataset
    try:
        client.add_files_to_dataset(scope, name, [said], rse=endpoint)
    except DataIdentifierNotFound:
        with contextlib.suppress(DataIdentifierAlreadyExists):  # another job's pilot has made it
            client.add_dataset(scope, name, rules=[{**rule, "account": client.account, "grouping": "DATASET"}])
        client.add_files_to_dataset(scope, name, [said], rse=endpoint)


def _check_content(client: Any, own: Mapping[str, str], told: Mapping[str, Any]) -> None:
    """Refuse another content than is registered; of single files, Rucio does not look at that itself."""
    from rucio.common.exception import DataIdentifierNotFound, FileConsistencyMismatch

    with contextlib.suppress(DataIdentifierNotFound):
        known = client.get_metadata(**own)
        for each in ("bytes", "adler32"):
            if known[each] != told[each]:
                raise FileConsistencyMismatch(f"{each} {known[each]} is registered, {told[each]} was stored")


def shown(file: Mapping[str, str]) -> str:
    return f"{file['scope']}:{file['name']} at {file['endpoint'] or 'any storage'}"


def _path(url: str) -> str:
    return url.partition("://")[2].partition("/")[2].lstrip("/")
