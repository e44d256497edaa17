"""Fetches and stores one file by Rucio's own clients; in a process apart, by a Python that has rucio-clients."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from pilot.copytool.base import CopyFailed, FailureKind

#: Checksums that Rucio knows, the best first.
ALGORITHMS = ("adler32", "md5")
#: How its clients say that a file has come.
WELL = ("DONE", "ALREADY_DONE", "FOUND_IN_PCACHE")
#: What exceptions of Rucio mean, by their names; others are judged by their words.
KINDS: Mapping[str, Optional[FailureKind]] = {
    **dict.fromkeys(("CannotAuthenticate", "NoAuthInformation", "MissingClientParameter"), FailureKind.AUTHENTICATION),
    **dict.fromkeys(("ErrorLoadingCredentials", "IdentityError", "IdentityNotFound"), FailureKind.AUTHENTICATION),
    **dict.fromkeys(("AccessDenied", "ScopeAccessDenied", "AccountNotFound"), FailureKind.PERMISSION),
    **dict.fromkeys(("DataIdentifierNotFound", "ReplicaNotFound", "ScopeNotFound"), FailureKind.NO_SUCH_FILE),
    **dict.fromkeys(("DataIdentifierAlreadyExists", "FileReplicaAlreadyExists", "Duplicate"), FailureKind.EXISTS),
    **dict.fromkeys(("RSEOverQuota", "FullStorage", "InsufficientAccountLimit"), FailureKind.NO_SPACE),
    **dict.fromkeys(("ServerConnectionException", "RSEWriteBlocked"), FailureKind.UNREACHABLE),
    **dict.fromkeys(("DatabaseException", "ResourceTemporaryUnavailable"), FailureKind.UNREACHABLE),
    # A storage that is not there is not a file that is not there.
    **dict.fromkeys(("RSENotFound", "InvalidRSEExpression", "RSEProtocolNotSupported"), None),
    **dict.fromkeys(("ConfigNotFound", "ConfigLoadingError", "InputValidationError"), None),
}
#: What Rucio's clients say themselves when something went wrong, and this is what.
SAYINGS: Mapping[str, Optional[FailureKind]] = {
    "File already exists": FailureKind.EXISTS,
    "No available sources": FailureKind.NO_SUCH_FILE,
    "Filesize mismatch": FailureKind.SIZE,
    "Checksum validation failed": FailureKind.CHECKSUM,
    "empty set": None,  # a storage that Rucio does not know
}


def fetch(
    file: Mapping[str, str], url: str, folder: str, checksum: str, host: str, timeout: float
) -> Mapping[str, str]:
    """Bring a file into a folder; by its address, or from wherever Rucio has it.

    Args:
        file: Its ``scope`` and ``name``, and the ``endpoint`` (RSE) that has it, "" for any.
        url: Its address there; "" for whatever Rucio knows.
        folder: Where to; it is made.
        checksum: What it should have (``adler32:...``); what Rucio has registered when this is "".
        host: Rucio's address; "" for what rucio.cfg says.
        timeout: Seconds for one try of Rucio's.

    Returns:
        ``path`` where it lies, ``checksum`` that it has, and ``url`` and ``endpoint`` that it came from.
    """
    name, endpoint = f"{file['scope']}:{file['name']}", file["endpoint"]
    algorithm, _, value = checksum.partition(":")
    item: dict[str, Any] = {"did": name, "base_dir": folder, "no_subdir": True, "transfer_timeout": _whole(timeout)}
    item.update({"rse": endpoint} if endpoint else {})
    traces: list[dict[str, Any]] = []
    with _said(host, file) as (client, heard):
        from rucio.client.downloadclient import DownloadClient

        downloads = DownloadClient(client, logger=heard, tracing=False)
        # Without an exception: "no files downloaded" does not say why, and the traces do.
        how: dict[str, Any] = {"traces_copy_out": traces, "deactivate_file_download_exceptions": True}
        if endpoint and url:
            sums = {algorithm: value.lower()} if algorithm in ALGORITHMS else {}
            (done,) = downloads.download_pfns([{**item, **sums, "pfn": url}], 1, **how)
        else:
            (done,) = downloads.download_dids([item], 1, **how)
    if done["clientState"] not in WELL:
        raise _failure(file, traces, heard.lines)
    place = traces[-1].get("remoteSite") or endpoint
    addresses = [source["pfn"] for source in done["sources"] if source["rse"] == place]
    known = next((f"{each}:{done[each]}" for each in ALGORITHMS if done.get(each)), "")
    (path,) = done["dest_file_paths"]
    return {"path": path, "checksum": known, "url": addresses[0] if addresses else url, "endpoint": place}


def store(
    file: Mapping[str, str],
    path: str,
    url: str,
    dataset: Sequence[str],
    guid: str,
    register: bool,
    host: str,
    timeout: float,
) -> Mapping[str, str]:
    """Store a file on a storage under its final address.

    Args:
        file: Its ``scope`` and ``name``, and the ``endpoint`` (RSE) that it goes to.
        path: Where it lies.
        url: Its address there, used where Rucio does not compute it.
        dataset: Scope and name of the dataset that it is attached to when it is registered; empty for none.
        guid: Its number; "" for one that Rucio makes.
        register: Whether Rucio is told of it.
        host: Rucio's address; "" for what rucio.cfg says.
        timeout: Seconds for one try of Rucio's.

    Returns:
        ``checksum``: what was computed of the file that was read; or ``unregistered``: it lies there, and why Rucio
        did not take that up.
    """
    scope, name, endpoint = file["scope"], file["name"], file["endpoint"]
    item: dict[str, Any] = {"path": path, "rse": endpoint, "did_scope": scope, "did_name": name, "pfn": url}
    item.update(transfer_timeout=_whole(timeout), no_register=True, **({"guid": guid} if guid else {}))
    traces: list[dict[str, Any]] = []
    with _said(host, file) as (client, heard), tempfile.TemporaryDirectory() as folder:
        from rucio.client.uploadclient import UploadClient
        from rucio.common.exception import NoFilesUploaded, RucioException

        if register:
            _check_place(client, file, url)
        uploads, summary = UploadClient(client, logger=heard, tracing=False), Path(folder, "summary")
        try:
            uploads.upload([item], summary_file_path=summary, traces_copy_out=traces)
        except NoFilesUploaded as wrong:
            raise _failure(file, traces, heard.lines) from wrong
        told = json.loads(summary.read_text())[f"{scope}:{name}"]
        if register:
            try:
                _register(client, file, told, url, dataset)
            except RucioException as wrong:
                return {"unregistered": f"{type(wrong).__name__}: {_plain(str(wrong))}"}
    return {"checksum": f"adler32:{told['adler32']}"}


def _check_place(client: Any, file: Mapping[str, str], url: str) -> None:
    """Refuse an address at which Rucio would not look for the file."""
    if not client.get_rse(file["endpoint"])["deterministic"]:
        return
    scheme, name = url.partition("://")[0], f"{file['scope']}:{file['name']}"
    (expected,) = client.lfns2pfns(file["endpoint"], [name], operation="write", scheme=scheme).values()
    if _path(expected) != _path(url):
        words = f"Rucio looks for it at {expected}, and the queue's storage has it at {url}: correct one of them"
        raise CopyFailed(None, f"{_shown(file)}: {words}")


def _register(client: Any, file: Mapping[str, str], told: Mapping[str, Any], url: str, dataset: Sequence[str]) -> None:
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


class _Heard(logging.Logger):
    """Keeps what Rucio's clients warn of; what they tell besides is left out."""

    def __init__(self) -> None:
        super().__init__("rucio", logging.WARNING)
        self.lines: list[str] = []

    def handle(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage())

    def __call__(self, level: int, message: str, *arguments: object) -> None:
        """Do what the client for uploads takes a logger to be for, when it is not to trace."""
        self.log(level, message, *arguments)


@contextlib.contextmanager
def _said(host: str, file: Mapping[str, str]) -> Iterator[tuple[Any, _Heard]]:
    """Give a client, and what it says; tell Rucio's exceptions in our words."""
    try:
        from rucio.client.baseclient import BaseClient
        from rucio.common.exception import RucioException
    except ImportError as wrong:
        words = f"this Python has no rucio-clients ({wrong}): install compass-pilot[rucio], or name one in rucio.python"
        raise CopyFailed(None, words) from wrong
    # Rucio keeps tokens by account only: who shows something else for that account would be given the same one.
    with tempfile.TemporaryDirectory(prefix="rucio-") as tokens:
        BaseClient.TOKEN_PATH_PREFIX = f"{tokens}/"
        try:
            client = _client(host)
            client.token_path, client.token_file = tokens, f"{tokens}/token"
            yield client, _Heard()
        except RucioException as wrong:
            name = type(wrong).__name__
            if name not in KINDS:
                raise  # whoever has asked looks at the words
            raise CopyFailed(KINDS[name], f"{_shown(file)}: {_plain(str(wrong))}") from wrong


@functools.cache
def _client(host: str) -> Any:
    """Answer a client, whose start takes half a second."""
    from rucio.client import Client

    address = {"rucio_host": host, "auth_host": host} if host else {}
    return Client(user_agent="compass-pilot", **address)


def _failure(file: Mapping[str, str], traces: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> Exception:
    """Answer why nothing was moved: the reason in the trace, else what was warned of."""
    reasons = [str(trace["stateReason"]) for trace in traces if trace.get("stateReason")]
    words = _plain(reasons[-1]) if reasons and reasons[-1] != "UNKNOWN" else "; ".join(lines[-3:])
    for saying, kind in SAYINGS.items():
        if saying in words:
            return CopyFailed(kind, f"{_shown(file)}: {words}")
    return RuntimeError(f"{_shown(file)}: {words or 'Rucio does not say why'}")


def _shown(file: Mapping[str, str]) -> str:
    return f"{file['scope']}:{file['name']} at {file['endpoint'] or 'any storage'}"


def _plain(words: str) -> str:
    """Leave out what Rucio puts before what somebody else has said."""
    return words.rpartition("Details: ")[2].strip() or words


def _path(url: str) -> str:
    return url.partition("://")[2].partition("/")[2].lstrip("/")


def _whole(seconds: float) -> int:
    return max(1, int(seconds))
