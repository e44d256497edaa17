"""Reads what the server answers. Every way in which an answer can be none has a type, and with it a code."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import field
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Union

from pilot.contract import naming
from pilot.contract.codec import ContractError, Dialect, decode
from pilot.contract.codes import ErrorCode
from pilot.contract.job import JobSpec
from pilot.contract.job_wire import from_panda
from pilot.contract.messages import NO_JOBS_TEXT, StatusCode, UpdateAnswer
from pilot.contract.named import NamedTuple
from pilot.errors import PilotError

if TYPE_CHECKING:
    from pilot.contract.resource_types import ResourceType

#: HTTP status and body.
Raw = tuple[int, bytes]

#: How a web server says that nothing of that name is there: PanDA's older ones of /api/v1, newer ones of the old paths.
NO_SUCH_ADDRESS = (404, 405, 501)
OK, UNAUTHORIZED, FORBIDDEN, NOT_FOUND, TOO_MANY, BROKEN = 200, 401, 403, 404, 429, 500
#: What was sent is wrong, and stays so.
UNWANTED = (400, 409, 413, 415, 422)


class ServerError(PilotError):
    """The server did not answer, or said no. ``passes``: the same may well be taken later."""

    passes: ClassVar[bool] = True


class Unreachable(ServerError):
    """No connection, no answer in time, or an answer that broke off."""

    code = ErrorCode.COMMUNICATION_FAILURE


class ServerBroke(ServerError):
    """The server has a fault of its own, or asks to come back later (5xx, 429)."""

    code = ErrorCode.COMMUNICATION_FAILURE


class NotYet(ServerError):
    """The answer takes its time, as one by files does: ask again for the same."""

    code = ErrorCode.COMMUNICATION_FAILURE


class BadAnswer(ServerError):
    """What came back is not what such a server says; a web proxy's error page, for instance."""

    code = ErrorCode.BAD_ANSWER


class IdentityRefused(ServerError):
    """The token or the certificate is not accepted. It may be renewed while the pilot lives."""

    code = ErrorCode.IDENTITY_REFUSED


class Refused(ServerError):
    """The server understood, and said no; it will say no again."""

    code = ErrorCode.SERVER_REFUSED
    passes = False


class BadQueueData(ServerError):
    """There is no description of the queue or the storages, or it cannot be read."""

    code = ErrorCode.QUEUEDATA
    passes = False


class BrokenJob(NamedTuple):
    """A job whose definition cannot be read; the words name the field, the value and what is expected."""

    id: int
    attempt: int
    words: str


class WithSecrets(UpdateAnswer):
    """An answer to a report with which something is given for the pilot's own use."""

    secrets: Mapping[str, str] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"WithSecrets(command={self.command!r}, attempt={self.attempt!r})"


class Jobs(NamedTuple):
    """The answer to a request for work: jobs, perhaps none.

    ``secrets`` is what the server gives with each for the pilot's own use (PanDA's ``pilotSecrets``), by (id, attempt).
    """

    jobs: tuple[JobSpec, ...] = ()
    broken: tuple[BrokenJob, ...] = ()
    secrets: Mapping[tuple[int, int], Mapping[str, str]] = MappingProxyType({})


def cause(error: BaseException) -> str:
    """Answer the innermost words of an error of the network; the outer ones only wrap it."""
    while (inner := getattr(error, "reason", None) or error.__cause__ or error.__context__) is not None:
        if not isinstance(inner, BaseException):
            break
        error = inner
    return f"{type(error).__name__}: {error}"


def knows_no_such_address(said: Raw) -> bool:
    """Say whether an answer is that of a server that does not speak this dialect."""
    return said[0] in NO_SUCH_ADDRESS


def is_answer(said: Raw, dialect: Dialect) -> bool:
    """Say whether an answer can only be that of a server that speaks this dialect; a page of a web proxy is not."""
    try:
        found = json.loads(said[1]) if said[0] == OK else None
    except (ValueError, RecursionError):
        return False
    return isinstance(found, Mapping) and ("success" if dialect is Dialect.V1 else "StatusCode") in found


def _shown(content: bytes) -> str:
    text = " ".join(content[:200].decode("utf-8", "replace").split())
    return repr(text) + ("..." if len(content) > len(text) else "")


def _content(said: Raw) -> Mapping[str, Any]:
    """Read the JSON object of an answer."""
    status, content = said
    if status in (UNAUTHORIZED, FORBIDDEN):
        raise IdentityRefused(f"HTTP {status}: {_shown(content)}")
    if status >= BROKEN or status == TOO_MANY:
        raise ServerBroke(f"HTTP {status}: {_shown(content)}")
    if status != OK:
        # Any other number may be a web server's, in front, that is just being set up.
        raise (Refused if status in UNWANTED else BadAnswer)(f"HTTP {status}: {_shown(content)}")
    try:
        found = json.loads(content)
    except (ValueError, RecursionError) as wrong:
        raise BadAnswer(f"not JSON: {_shown(content)}") from wrong
    if not isinstance(found, Mapping):
        raise BadAnswer(f"not a JSON object: {_shown(content)}")
    return found


def _envelope(said: Raw) -> tuple[int, str, Mapping[str, Any]]:
    """Open the envelope of /api/v1: status (said in the data, or by ``success``), message, data."""
    found = _content(said)
    success, data = found.get("success"), found.get("data")
    if not isinstance(success, bool) or not (data is None or isinstance(data, (Mapping, str, list))):
        raise BadAnswer(f"no envelope of /api/v1: {_shown(said[1])}")
    inside: Mapping[str, Any] = data if isinstance(data, Mapping) else {}
    status = _status(inside, said) if inside.get("StatusCode") is not None else 0
    if not success and not status:
        status = StatusCode.FAILED.value
    return status, str(found.get("message") or ""), inside


def _status(found: Mapping[str, Any], said: Raw) -> int:
    try:
        return int(found["StatusCode"])
    except (KeyError, TypeError, ValueError, OverflowError) as wrong:
        raise BadAnswer(f"no StatusCode: {_shown(said[1])}") from wrong


#: PanDA's words, in /api/v1, for a fault of its own.
_DATABASE = "database error"
_IDENTITY = (StatusCode.INVALID_TOKEN, StatusCode.INVALID_ROLE, StatusCode.PERMISSION_DENIED, StatusCode.PROXY_ERROR)


def _refusal(status: int, words: str) -> ServerError:
    text = f"status {status}: {words or 'no words'}"
    if status in _IDENTITY:
        return IdentityRefused(text)
    # PanDA says FAILED, without a reason, when its database did not take a report; ours never lacks one.
    broke = status == StatusCode.TIMEOUT or (status == StatusCode.FAILED and (not words or _DATABASE in words))
    return ServerBroke(text) if broke else Refused(text)


def jobs_v1(said: Raw) -> Jobs:
    """Read the answer to acquire_jobs."""
    status, message, data = _envelope(said)
    if NO_JOBS_TEXT in message or status == StatusCode.NO_JOBS:
        return Jobs()
    if status:
        raise _refusal(status, message)
    found = data.get("jobs")
    if not isinstance(found, list) or not all(isinstance(job, Mapping) for job in found):
        raise BadAnswer(f"no list of jobs: {_shown(said[1])}")
    return _jobs(found, said)


def jobs_legacy(said: Raw) -> Jobs:
    """Read the answer to getJob: one flat job, or a list, since the request says how many are wanted."""
    found = _content(said)
    status = _status(found, said)
    if status == StatusCode.NO_JOBS:
        return Jobs()
    if status:
        raise _refusal(status, str(found.get("errorDialog") or ""))
    listed = found.get("jobs", [found])
    if not isinstance(listed, list) or not all(isinstance(job, Mapping) for job in listed):
        raise BadAnswer(f"no list of jobs: {_shown(said[1])}")
    return _jobs(listed, said)


def _jobs(found: list[Mapping[str, Any]], said: Raw) -> Jobs:
    read = [_job(job, said) for job in found]
    return jobs_with_secrets(read, found)


def jobs_with_secrets(read: Sequence[Union[JobSpec, BrokenJob]], said: Sequence[Mapping[str, Any]]) -> Jobs:
    """Put jobs, and what their dictionaries give beside them, together."""
    given = {one.key: pilot_secrets(job) for one, job in zip(read, said) if isinstance(one, JobSpec)}
    return Jobs(
        tuple(job for job in read if isinstance(job, JobSpec)),
        tuple(job for job in read if isinstance(job, BrokenJob)),
        {key: secrets for key, secrets in given.items() if secrets},
    )


def pilot_secrets(said: Mapping[str, Any]) -> Mapping[str, str]:
    """Read what the server gives for the pilot's own use; what is no text is none of it.

    It comes as an object, or, as PanDA's server keeps it, as the text of one. What it gives for the payload
    (``secrets``) is among it, under the name of the file in which the payload finds it.
    """
    found = said.get("pilotSecrets")
    if isinstance(found, str):
        try:
            found = json.loads(found)
        except (ValueError, RecursionError):
            found = None
    given = {str(k): v for k, v in found.items() if isinstance(v, str)} if isinstance(found, Mapping) else {}
    if handed := said.get("secrets"):  # for the payload
        given[naming.SECRETS_FILE] = handed if isinstance(handed, str) else json.dumps(handed)
    return given


def _job(job: Mapping[str, Any], said: Raw) -> Union[JobSpec, BrokenJob]:
    try:
        return from_panda(job)
    except ContractError as wrong:
        try:
            return BrokenJob(int(job["PandaID"]), int(job.get("attemptNr") or 0), str(wrong))
        except (KeyError, TypeError, ValueError, OverflowError):
            raise BadAnswer(f"a job without a number ({wrong}): {_shown(said[1])}") from wrong


def update_v1(said: Raw) -> UpdateAnswer:
    """Read the answer to update_job."""
    status, message, data = _envelope(said)
    if status:
        raise _refusal(status, message)
    return _command(data)


def update_legacy(said: Raw) -> UpdateAnswer:
    """Read the answer to updateJob."""
    found = _content(said)
    status = _status(found, said)
    if status:
        raise _refusal(status, str(found.get("errorDialog") or found.get("ErrorDiag") or ""))
    return _command(found)


def _command(found: Mapping[str, Any]) -> UpdateAnswer:
    try:
        said = decode(UpdateAnswer, {name: found.get(name) for name in ("command", "attemptNr")}, Dialect.LEGACY)
        secrets = pilot_secrets(found)
        return WithSecrets(said.command, said.attempt, secrets) if secrets else said
    except ContractError as wrong:
        raise BadAnswer(str(wrong)) from wrong


def resource_types(said: Raw, dialect: Dialect) -> Mapping[str, ResourceType]:
    """Read the list of resource types, by name.

    Raises:
        ServerError: there is none, or it cannot be read.
    """
    from pilot.contract.resource_types import KEY, read_resource_types  # few jobs need it

    found = _content(said)
    status, words = (
        _envelope(said)[:2] if dialect is Dialect.V1 else (_status(found, said), str(found.get("errorDialog") or ""))
    )
    if status:
        raise _refusal(status, words)
    try:
        return read_resource_types(found.get("data" if dialect is Dialect.V1 else KEY))
    except ContractError as wrong:
        raise BadAnswer(str(wrong)) from wrong


def secret(said: Raw, dialect: Dialect) -> str:
    """Read a new proxy or token. No error's words hold any of it.

    Raises:
        ServerError: the answer holds none.
    """
    if said[0] != OK:
        raise (IdentityRefused if said[0] in (UNAUTHORIZED, FORBIDDEN) else BadAnswer)(f"HTTP {said[0]}")
    try:
        found = json.loads(said[1])
        inside = found.get("data") if dialect is Dialect.V1 else found
        inside = inside if isinstance(inside, Mapping) else {"userProxy": inside}
        named = [inside.get(name) for name in ("userProxy", "user_proxy", "token")]
        status, text = int(inside.get("StatusCode") or 0), next(filter(None, named), None)
    except (ValueError, TypeError, AttributeError, RecursionError):
        raise BadAnswer("no answer to a request for a credential") from None
    if status or not isinstance(text, str) or not text.strip():
        raise Refused(f"status {status}, and no credential")
    return text


def opened(said: Raw, dialect: Dialect) -> Any:
    """Answer what an answer holds: the data in the envelope of /api/v1, or the whole object.

    Raises:
        ServerError: it is none, or the server said no.
    """
    if dialect is Dialect.V1:
        status, words, _ = _envelope(said)
        found: Any = json.loads(said[1]).get("data")
    else:
        found = _content(said)
        status, words = _status(found, said), str(found.get("errorDialog") or "")
    if status:
        raise _refusal(status, words)
    return found


def described(said: Raw, source: str) -> Mapping[str, Any]:
    """Read a description of queues or storages."""
    if said[0] == NOT_FOUND:
        raise BadQueueData(f"{source}: the server knows none")
    return _content(said)


def queue_named(name: str, said: Mapping[str, Any]) -> Mapping[str, Any]:
    """Answer one queue's description: all that was said, or what was said of it where several are, by their names.

    Raises:
        BadQueueData: several are, and it is not among them.
    """
    if isinstance(said.get(name), Mapping):
        return {"nickname": name, **said[name]}
    if "copytools" in said or not all(isinstance(one, Mapping) for one in said.values()):
        return said
    words = f"queue {name} is not among those that are described" if name else "it is not said which queue is meant"
    raise BadQueueData(f"{words}; there are {', '.join(sorted(said)[:20]) or 'none'}")
