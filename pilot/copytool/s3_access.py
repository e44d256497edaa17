"""How an object storage is reached by boto3, and what its errors mean. Runs in the process apart of the tool ``s3``.

Keys are read here, from their file, and go nowhere else.
"""

from __future__ import annotations

import configparser
import contextlib
import functools
import stat as modes
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pilot.copytool.base import CopyFailed, FailureKind

#: What errors of S3, of its library and of HTTP mean; the first name that stands here counts.
_KINDS: Mapping[FailureKind, str] = {
    FailureKind.NO_SUCH_FILE: "404 NoSuchKey NoSuchBucket NotFound NoSuchUpload",
    FailureKind.PERMISSION: "403 AccessDenied AllAccessDisabled MethodNotAllowed Forbidden",
    FailureKind.AUTHENTICATION: "401 InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken InvalidToken AuthFailure"
    " TokenRefreshRequired RequestTimeTooSkewed RequestExpired AuthorizationHeaderMalformed NotSignedUp"
    " NoCredentialsError PartialCredentialsError CredentialRetrievalError",
    FailureKind.NO_SPACE: "507 QuotaExceeded XMinioStorageFull InsufficientStorage EntityTooLarge",
    FailureKind.CHECKSUM: "BadDigest InvalidDigest XAmzContentSHA256Mismatch XAmzContentChecksumMismatch",
    FailureKind.EXISTS: "412 PreconditionFailed ConditionalRequestConflict",
    FailureKind.TIMEOUT: "RequestTimeout ReadTimeoutError ConnectTimeoutError",
    FailureKind.UNREACHABLE: "429 500 502 503 504 SlowDown ServiceUnavailable InternalError OperationAborted"
    " EndpointConnectionError ConnectionClosedError ProxyConnectionError SSLError HTTPClientError IncompleteReadError"
    " ResponseStreamingError ConnectionError",
}


class Library(NamedTuple):
    """What is used of it."""

    boto3: Any
    config: Any
    errors: tuple[type[Exception], ...]


@functools.cache
def library() -> Library:
    """Import it.

    Raises:
        CopyFailed: it is not there.
    """
    try:
        import boto3
        from boto3.exceptions import Boto3Error
        from botocore.config import Config
        from botocore.exceptions import BotoCoreError, ClientError
    except ImportError as wrong:
        words = f"{sys.executable} has no boto3 ({wrong}); install compass-pilot[s3], or set s3.python to one that has"
        raise CopyFailed(None, words) from wrong
    return Library(boto3, Config, (BotoCoreError, ClientError, Boto3Error))


@contextlib.contextmanager
def failures(bucket: str, key: str) -> Iterator[None]:
    """Turn what the library raises into a copy's failure that names the object."""
    try:
        yield
    except library().errors as wrong:
        answer = getattr(wrong, "response", {})
        status = str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", ""))
        names = [answer.get("Error", {}).get("Code", ""), *(each.__name__ for each in type(wrong).__mro__), status]
        kind = next((kind for name in names for kind, known in _KINDS.items() if name in known.split()), None)
        raise CopyFailed(kind, f"{bucket}/{key}: {wrong}") from wrong


@contextlib.contextmanager
def _reading(path: str) -> Iterator[None]:
    """Tell what the system says of the file of keys: that it is not there says nothing of any object."""
    try:
        yield
    except OSError as wrong:
        words = f"{path} (s3.credentials_file) could not be read: {wrong.strerror}"
        raise CopyFailed(FailureKind.AUTHENTICATION, words) from wrong


def client_for(access: Mapping[str, Any]) -> Any:
    """Answer the client of a storage; it is shared by all calls, as long as its keys stay the same."""
    path = access["credentials"]
    with _reading(path):
        changed = Path(path).stat().st_mtime_ns if path else 0
    return _connect(tuple(sorted(access.items())), changed)


@functools.lru_cache(maxsize=8)
def _connect(given: tuple[tuple[str, Any], ...], changed: int) -> Any:
    """Make a client; keys that were renewed on the disk make another one."""
    access, lib = dict(given), library()
    options = {
        "connect_timeout": 30,
        "read_timeout": 60,
        "retries": {"mode": "standard", "max_attempts": 3},
        "s3": {"addressing_style": access["addressing"]},
        "max_pool_connections": access["streams"] + 1,
    }
    try:
        # What newer ones add to every request is refused by storages that are not Amazon's.
        only = {"request_checksum_calculation": "when_required", "response_checksum_validation": "when_required"}
        config = lib.config(**options, **only)
    except TypeError:
        config = lib.config(**options)
    return lib.boto3.session.Session().client(
        "s3",
        endpoint_url=access["endpoint"] or None,
        region_name=access["region"],
        verify=(access["authorities"] or True) if access["verify"] else False,
        config=config,
        **keys_in(access["credentials"], (access["host"], access["bucket"], "default")),
    )


def keys_in(path: str, sections: tuple[str, ...]) -> dict[str, str]:
    """Read the keys of the first section that there is; none without a file, which leaves them to boto3's own ways.

    Raises:
        CopyFailed: others may read the file, or it holds none of the sections, or no keys.
    """
    if not path:
        return {}
    with _reading(path):
        text, mode = Path(path).read_text(encoding="utf-8"), Path(path).stat().st_mode
    if mode & (modes.S_IROTH | modes.S_IWOTH):
        words = f"{path} (s3.credentials_file) can be read by others; chmod 600 it"
        raise CopyFailed(FailureKind.AUTHENTICATION, words)
    parser = configparser.RawConfigParser()
    with contextlib.suppress(configparser.Error):  # its words would hold a line of the file
        parser.read_string(text)
    names = ("aws_access_key_id", "aws_secret_access_key", "aws_session_token")
    for section in sections:
        if section and parser.has_section(section):
            found = {name: parser.get(section, name).strip() for name in names if parser.has_option(section, name)}
            if all(found.get(name) for name in names[:2]):
                return found
    words = f"{path} (s3.credentials_file) has no keys in [{'], ['.join(filter(None, sections))}]"
    raise CopyFailed(FailureKind.AUTHENTICATION, words)
