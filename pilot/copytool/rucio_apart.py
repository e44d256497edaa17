"""Fetches and stores one file by Rucio's own clients; in a process apart, by a Python that has rucio-clients."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Optional

from pilot.copytool.base import CopyFailed, FailureKind
from pilot.copytool.rucio_catalogue import check_place, register_file, shown

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
    file: Mapping[str, str], url: str, folder: str, checksum: str, client: Mapping[str, str], timeout: float
) -> Mapping[str, str]:
    """Bring a file into a folder; by its address, or from wherever Rucio has it.

    Args:
        file: Its ``scope`` and ``name``, and the ``endpoint`` (RSE) that has it, "" for any.
        url: Its address there; "" for whatever Rucio knows.
        folder: Where to; it is made.
        checksum: What it should have (``adler32:...``); what Rucio has registered when this is "".
        client: Rucio's address as ``host``, "" for what rucio.cfg says; and ``folder``, to be made for this call.
        timeout: Seconds for one try of Rucio's.

    Returns:
        ``path`` where it lies, ``checksum`` that it has, and ``url`` and ``endpoint`` that it came from.
    """
    name, endpoint = f"{file['scope']}:{file['name']}", file["endpoint"]
    algorithm, _, value = checksum.partition(":")
    item: dict[str, Any] = {"did": name, "base_dir": folder, "no_subdir": True, "transfer_timeout": _whole(timeout)}
    item.update({"rse": endpoint} if endpoint else {})
    traces: list[dict[str, Any]] = []
    with _said(client, file) as (rucio, heard):
        from rucio.client.downloadclient import DownloadClient

        downloads = DownloadClient(rucio, logger=heard, tracing=False)
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
    client: Mapping[str, str],
    timeout: float,
) -> Mapping[str, str]:
    """Store a file on a storage under its final address.

    Args:
        file: Its ``scope`` and ``name``, and the ``endpoint`` (RSE) that it goes to.
        path: Where it lies.
        url: Its address there.
        dataset: Scope and name of the dataset that it is attached to when it is registered; empty for none.
        guid: Its number; "" for one that Rucio makes.
        register: Whether Rucio is told of it.
        client: Rucio's address as ``host``, "" for what rucio.cfg says; and ``folder``, to be made for this call.
        timeout: Seconds for one try of Rucio's.

    Returns:
        ``checksum``: what was computed of the file that was read; or ``unregistered``: it lies there, and why Rucio
        did not take that up.
    """
    scope, name, endpoint = file["scope"], file["name"], file["endpoint"]
    item: dict[str, Any] = {"path": path, "rse": endpoint, "did_scope": scope, "did_name": name, "pfn": url}
    item.update(transfer_timeout=_whole(timeout), no_register=True, **({"guid": guid} if guid else {}))
    traces: list[dict[str, Any]] = []
    with _said(client, file) as (rucio, heard):
        from rucio.client.uploadclient import UploadClient
        from rucio.common.exception import NoFilesUploaded, RucioException

        if register:
            check_place(rucio, file, url)
        uploads, summary = UploadClient(rucio, logger=heard, tracing=False), Path(client["folder"], "summary")
        try:
            uploads.upload([item], summary_file_path=summary, traces_copy_out=traces)
        except NoFilesUploaded as wrong:
            raise _failure(file, traces, heard.lines) from wrong
        told = json.loads(summary.read_text())[f"{scope}:{name}"]
        if register:
            try:
                register_file(rucio, file, told, url, dataset)
            except RucioException as wrong:
                return {"unregistered": f"{type(wrong).__name__}: {_plain(str(wrong))}"}
    return {"checksum": f"adler32:{told['adler32']}"}


class _Tokens:
    """Where those of the call that goes on are kept; whoever has asked takes the folder away."""

    folder = ""


def left_alone() -> None:
    """Take tokens away, as nobody else will."""
    shutil.rmtree(_Tokens.folder, ignore_errors=True)


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
def _said(client: Mapping[str, str], file: Mapping[str, str]) -> Iterator[tuple[Any, _Heard]]:
    """Give a client, and what it says; tell Rucio's exceptions in our words."""
    try:
        from rucio.client.baseclient import BaseClient
        from rucio.common.exception import RucioException
    except ImportError as wrong:
        words = f"this Python has no rucio-clients ({wrong}): install compass-pilot[rucio], or name one in rucio.python"
        raise CopyFailed(None, words) from wrong
    # Rucio keeps tokens by account only: who shows something else for that account would be given the same one.
    tokens = _Tokens.folder = client["folder"]
    Path(tokens).mkdir(0o700)
    BaseClient.TOKEN_PATH_PREFIX = f"{tokens}/"
    try:
        rucio = _client(client["host"])
        rucio.token_path, rucio.token_file = tokens, f"{tokens}/token"
        yield rucio, _Heard()
    except RucioException as wrong:
        name = type(wrong).__name__
        if name not in KINDS:
            raise  # whoever has asked looks at the words
        raise CopyFailed(KINDS[name], f"{shown(file)}: {_plain(str(wrong))}") from wrong


@functools.cache
def _client(host: str) -> Any:
    """Answer a client, whose start takes half a second."""
    from rucio.client import Client
    from rucio.common.config import config_set

    if host:  # not only for this client: it makes others
        config_set("client", "rucio_host", host)
    return Client(user_agent="compass-pilot")


def _failure(file: Mapping[str, str], traces: Sequence[Mapping[str, Any]], lines: Sequence[str]) -> Exception:
    """Answer why nothing was moved: the reason in the trace, else what was warned of."""
    reasons = [str(trace["stateReason"]) for trace in traces if trace.get("stateReason")]
    words = _plain(reasons[-1]) if reasons and reasons[-1] != "UNKNOWN" else "; ".join(lines[-3:])
    for saying, kind in SAYINGS.items():
        if saying in words:
            return CopyFailed(kind, f"{shown(file)}: {words}")
    return RuntimeError(f"{shown(file)}: {words or 'Rucio does not say why'}")


def _plain(words: str) -> str:
    """Leave out what Rucio puts before what somebody else has said."""
    return words.rpartition("Details: ")[2].strip() or words


def _whole(seconds: float) -> int:
    return max(1, int(seconds))
