"""What a request's body says, whatever dress it comes in: a form, JSON, gzip with and without saying so.

A name that comes several times in a form is a list. Nothing is read beyond the limit, neither as sent nor as unpacked.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any
from urllib.parse import parse_qsl

import orjson
from django.conf import settings
from django.http import HttpRequest, UnreadablePostError
from django.http.multipartparser import MultiPartParserError

from pilot.contract.codec import Kind
from server.lib.http import BodyRefused
from server.uploads.parts import Part
from server.uploads.streams import OneFile

_GZIP = b"\x1f\x8b"
_MOST_FIELDS = 500
_MOST_LEVELS = 100

#: A multipart form has so many bytes beside its file, at most.
_ROUND_A_FILE = 2**16

#: A file in a multipart form; it is not read as values are.
FILE = Kind("a file", lambda value: value, lambda value, _: value)


def fields_of(request: HttpRequest) -> Mapping[str, Any]:
    """Answer the fields of a request, from its body or, of a GET, from its query; raises as `read_fields` does."""
    return query_fields(request) if request.method == "GET" else read_fields(request)


def query_fields(request: HttpRequest) -> Mapping[str, Any]:
    """Read a query string; a key that comes several times is a list."""
    return {key: values if len(values) > 1 else values[0] for key, values in request.GET.lists()}


def read_fields(request: HttpRequest) -> Mapping[str, Any]:
    """Answer the fields of a POST.

    Raises:
        BodyRefused: the body is too large, or not what its headers say.
    """
    limit: int = settings.ENVIRONMENT.body_limit
    content_type = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    _refuse_large(request, limit)
    if content_type == "multipart/form-data":
        return _multipart(request)
    body = unpack(_read(request, limit), limit)
    if content_type == "application/json" or body[:1] == b"{":
        return _json(body)
    return _form(body)


#: Receives the file of a request: given what begins one of some name, answers it when all of it has come.
Receive = Callable[[Callable[[str], Part]], Part]


def uploaded_file(request: HttpRequest) -> Receive:
    """Answer what receives the file ``file`` of a multipart form, piece by piece; that is done when it is called.

    Raises:
        BodyRefused: the body is too large; when it is called also: it cannot be read, or has no file.
    """
    _refuse_large(request, largest_form())

    def receive(begin: Callable[[str], Part]) -> Part:
        handler = OneFile(begin)
        request.upload_handlers = [handler]
        with ExitStack() as undone:
            undone.callback(handler.leave)
            try:
                _ = request.FILES  # by which it is read
            except (MultiPartParserError, UnreadablePostError) as wrong:
                raise BodyRefused(f"the multipart body cannot be read: {wrong}") from wrong
            if handler.part is None:
                words = "file: missing; send it in a multipart form (Content-Type: multipart/form-data)"
                raise BodyRefused(words, status=200)
            undone.pop_all()
            return handler.part

    return receive


def largest_form() -> int:
    """Answer the bytes that a form with a file may have."""
    limit: int = settings.ENVIRONMENT.upload_limit
    return limit + _ROUND_A_FILE


def _refuse_large(request: HttpRequest, limit: int) -> None:
    length = request.headers.get("Content-Length", "0") or "0"
    if not length.isdigit():
        raise BodyRefused(f"Content-Length: {length!r} is not a number of bytes")
    if int(length) > limit:
        raise BodyRefused(f"the body has {length} bytes; at most {limit} are taken", status=413)


def _read(request: HttpRequest, limit: int) -> bytes:
    try:
        body = request.read(limit + 1)
    except (UnreadablePostError, OSError) as broken:
        raise BodyRefused("the body ended before its length; send it again") from broken
    if len(body) > limit:
        raise BodyRefused(f"the body has more than {limit} bytes; no more are taken", status=413)
    return body


def unpack(body: bytes, limit: int) -> bytes:
    """Unpack gzip, told by its first two bytes, up to ``limit`` bytes.

    Raises:
        BodyRefused: it unpacks to more, or is no gzip after all.
    """
    if not body.startswith(_GZIP):
        return body
    stream = zlib.decompressobj(wbits=31)
    try:
        unpacked = stream.decompress(body, limit + 1)
    except zlib.error as wrong:
        raise BodyRefused(f"the body begins as gzip and is none: {wrong}") from wrong
    if len(unpacked) > limit:
        raise BodyRefused(f"the body unpacks to more than {limit} bytes; no more are taken", status=413)
    if not stream.eof:
        raise BodyRefused("the gzip body is cut short; send it again")
    return unpacked


def _json(body: bytes) -> Mapping[str, Any]:
    try:
        fields = orjson.loads(body or b"{}")
    except orjson.JSONDecodeError as wrong:
        raise BodyRefused(f"the body is not JSON: {wrong}") from wrong
    if not isinstance(fields, dict):
        raise BodyRefused("the body is JSON, but not an object with a field per argument")
    if _deeper_than(fields, _MOST_LEVELS):
        raise BodyRefused(f"the body is nested deeper than {_MOST_LEVELS} levels")
    return fields


def _deeper_than(value: Any, levels: int) -> bool:
    """Look level by level, so that a deep body costs no stack."""
    level = [value]
    for _ in range(levels):
        inner = [child for item in level for child in _children(item) if isinstance(child, dict | list)]
        if not inner:
            return False
        level = inner
    return True


def _children(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value


def _form(body: bytes) -> Mapping[str, Any]:
    try:
        pairs = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS)
    except UnicodeDecodeError as wrong:
        raise BodyRefused("the form is not UTF-8 text") from wrong
    except ValueError as wrong:
        raise BodyRefused(f"the form has more than {_MOST_FIELDS} fields") from wrong
    fields: dict[str, Any] = dict(pairs)
    if len(fields) == len(pairs):
        return fields
    listed: dict[str, list[str]] = {}
    for name, value in pairs:
        listed.setdefault(name, []).append(value)
    return {name: values if len(values) > 1 else values[0] for name, values in listed.items()}


def _multipart(request: HttpRequest) -> Mapping[str, Any]:
    try:
        return {key: str(value) for key, value in request.POST.items()}
    except (MultiPartParserError, UnreadablePostError) as wrong:
        raise BodyRefused(f"the multipart body cannot be read: {wrong}") from wrong
