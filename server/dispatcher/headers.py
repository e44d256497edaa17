"""What we add to PanDA's two dialects rides in headers, or is answered only to a peer that has announced our contract.

That is: the name of a request for work, the cores that are free for it, live progress, whom a command is for, and
which command a report answers.
"""

from __future__ import annotations

import re
import uuid
from dataclasses import replace
from urllib.parse import unquote

from django.http import HttpRequest

from pilot.contract.codec import ContractError
from pilot.contract.messages import JobUpdate, UpdateAnswer, WorkRequest
from pilot.contract.routes import CONTRACT_HEADER, CORES, PROGRESS, REQUEST_ID, SHOWN
from server.taskbuffer.values import Progress
from server.taskbuffer.verdict import attempt_of

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:-]{8,64}")
_CORES = re.compile(r"[1-9]\d{0,4}")
_PROGRESS = re.compile(r"(\d{1,18})/(\d{1,18}|\?)")


def request_id(request: HttpRequest) -> tuple[str, bool]:
    """Answer the name of a request for work, and whether the pilot gave it; else one is made up.

    Raises:
        ContractError: the name is too short to be the only one, or too strange.
    """
    named = request.headers.get(REQUEST_ID)
    if named is None:
        return uuid.uuid4().hex, False
    if not _REQUEST_ID.fullmatch(named):
        text = f"{REQUEST_ID}: {named[:80]!r} is not 8 to 64 letters, digits, dots, colons or dashes"
        raise ContractError(text, field_name=REQUEST_ID)
    return named, True


def with_cores(request: HttpRequest, work: WorkRequest) -> WorkRequest:
    """Answer a request for work with the cores that its pilot has free, if it says so.

    Raises:
        ContractError: the header is no number of cores.
    """
    said = request.headers.get(CORES)
    if said is None:
        return work
    if not _CORES.fullmatch(said.strip()):
        raise ContractError(f"{CORES}: {said[:80]!r} is not a number of cores from 1 to 99999", field_name=CORES)
    return replace(work, cores=int(said))


def is_stock(request: HttpRequest) -> bool:
    """Whether a pilot does not speak our contract: it is one of PanDA's makers, of any version."""
    return CONTRACT_HEADER not in request.headers


def addressed(request: HttpRequest, update: JobUpdate, answer: UpdateAnswer) -> UpdateAnswer:
    """Name in an answer the attempt that its command is for, to a pilot that knows our additions."""
    return replace(answer, attempt=attempt_of(update)) if CONTRACT_HEADER in request.headers else answer


def progress(request: HttpRequest) -> Progress | None:
    """Answer the events done and ordered of a running job, if its pilot says so.

    Raises:
        ContractError: the header is not ``done/total``.
    """
    said = request.headers.get(PROGRESS)
    if said is None:
        return None
    found = _PROGRESS.fullmatch(said.strip())
    if not found:
        text = f"{PROGRESS}: {said[:80]!r} is not done/total, such as 250/1000 or 250/?"
        raise ContractError(text, field_name=PROGRESS)
    total = None if found[2] == "?" else int(found[2])
    return Progress(int(found[1]), total)


def shown(request: HttpRequest) -> str | None:
    """Answer the command that a report answers, "" for none; ``None`` from a pilot that never says so."""
    return unquote(request.headers.get(SHOWN, "")) if CONTRACT_HEADER in request.headers else None
