"""Files that users send along with their jobs, in both dialects: taken, and found again by their content."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from pilot.contract import routes
from pilot.contract.codec import INTEGER, TEXT
from server.accounts.identity import Identity, IdentityRefused, identify_caller
from server.accounts.models import Role
from server.dispatcher import legacy, v1
from server.dispatcher.bodies import Receive, largest_form, uploaded_file
from server.lib.arguments import Argument
from server.lib.http import BodyRefused
from server.uploads import logic, queries
from server.uploads.parts import UploadRefused

#: Who may send files.
SENDERS = (Role.PRODUCTION, Role.USER)

#: Characters that the table of uploads has for an owner.
LONGEST_OWNER = 80


def owner_of(identity: Identity) -> str:
    """Answer in whose name files are kept and found; the subject of a certificate may be too long for one."""
    whose = identity.person or identity.name
    return whose if len(whose) <= LONGEST_OWNER else hashlib.sha256(whose.encode()).hexdigest()


#: Addresses that take files.
ADDRESSES = (f"{routes.V1_BASE}/file_server/upload_cache_file", f"{routes.LEGACY_BASE}/putFile")


def largest_body(environ: Mapping[str, Any]) -> int:
    """Answer the bytes that a request's body may have beyond what others may: of files, from who may send them.

    Asked before a large body is read, so that a stranger's is not.
    """
    if environ["REQUEST_METHOD"] != "POST" or environ["PATH_INFO"] not in ADDRESSES:
        return 0
    close_old_connections()
    try:
        identity = identify_caller(environ)
    except IdentityRefused:
        return 0
    return largest_form() if identity.role in {*SENDERS, Role.ADMIN} else 0


def _keep(receive: Receive, identity: Identity) -> dict[str, Any]:
    owner = owner_of(identity)
    with receive(lambda name: logic.begin(name, owner=owner)) as part:
        found = logic.keep(part, owner=owner, now=timezone.now())
    return {"name": found.name, "size": found.size, "sha256": found.sha256}


@v1.takes_file(*SENDERS)
def upload_cache_file(request: HttpRequest, identity: Identity, file: Receive) -> Any:
    """Keep a file for some days; it is fetched from `/cache/` and its name, which holds a random UUID."""
    try:
        return _keep(file, identity)
    except UploadRefused as refused:
        raise v1.NothingToGive(f"ERROR : {refused}") from refused


_SIZE = Argument("file_size", INTEGER, "Bytes of the file.")
_CHECKSUM = Argument("checksum", TEXT, "The CRC-32 at the end of a gzip file, as a number, or a SHA-256.")


@v1.method(*SENDERS, takes=(_SIZE, _CHECKSUM))
def validate_cache_file(request: HttpRequest, identity: Identity, file_size: int, checksum: str) -> Any:
    """Say where a file of the caller's with this size and checksum is kept already: `FOUND:host:name`, in `message`."""
    found = queries.same(owner_of(identity), file_size, checksum)
    if found is None:
        raise v1.NothingToGive("NOT FOUND")
    return v1.Said(f"FOUND:{urlsplit(f'//{request.get_host()}').hostname}:{found.name}")


@legacy.bare(*SENDERS)
def put_file(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Keep a file, as older clients send it; answer `True`, or `ERROR` and the reason."""
    try:
        _keep(uploaded_file(request), identity)
    except UploadRefused as refused:
        return HttpResponse(f"ERROR : {refused}", content_type="text/plain")
    except BodyRefused as refused:
        return HttpResponse(f"ERROR : {refused}", content_type="text/plain", status=refused.status)
    return HttpResponse("True", content_type="text/plain")
