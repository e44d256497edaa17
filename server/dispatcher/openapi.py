"""The description of ``/api/v1`` in OpenAPI 3.1, made from what each method is declared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import URLPattern, URLResolver, get_resolver

from pilot.contract.codec import Kind
from pilot.contract.messages import FILES, STATE
from pilot.contract.routes import V1_BASE
from pilot.contract.version import CONTRACT
from server.accounts.rules import everyone, rule_of
from server.dispatcher import examples
from server.dispatcher.bodies import FILE
from server.lib.arguments import LIST, Argument, Description
from server.lib.http import json_response

Schema = dict[str, Any]

#: What a value of each kind may be; whatever else a peer sends in its place is read, too, if it can be.
SCHEMAS: Mapping[str, Schema] = {
    "a whole number": {"type": "integer", "minimum": -(2**63 - 1), "maximum": 2**63 - 1},
    "a number": {"type": "number"},
    "text": {"type": "string"},
    "true or false": {"type": "boolean"},
    "a time": {"type": "string"},
    "a JSON object": {"type": "object"},
    FILES.expected: {"type": "object", "additionalProperties": {"type": "object"}},
    "a list of objects, or its JSON": {"type": "array", "items": {"type": "object"}},
    LIST.expected: {"type": "array", "items": {}},
    FILE.expected: {"type": "string", "format": "binary"},
    STATE.expected: {"type": "string", "enum": STATE.expected.removeprefix("one of ").split(", ")},
}

_ENVELOPE: Schema = {
    "type": "object",
    "required": ["success", "message", "data"],
    "properties": {
        "success": {"type": "boolean", "description": "Whether the call was carried out."},
        "message": {"type": "string", "description": "Why not; empty otherwise."},
        "data": {"description": "The answer; null when there is none."},
    },
}
_REFUSALS = {
    "400": "The body is not what its headers say.",
    "403": "The caller is not known, or may not do this.",
    "404": "There is no such method.",
    "413": "The body is too large.",
    "429": "The caller calls too often; `Retry-After` says for how long to wait.",
    "500": "The server broke on this request.",
}


def addresses(resolver: URLResolver, prefix: str = "/") -> Iterator[tuple[str, Any]]:
    """Answer each address of ``/api/v1`` with its view, once: the first of two alike is the one that is called."""
    seen = set()
    for pattern in resolver.url_patterns:
        if isinstance(pattern, URLResolver):
            found: Iterable[tuple[str, Any]] = addresses(pattern, prefix + str(pattern.pattern))
        elif isinstance(pattern, URLPattern):
            found = [(prefix + str(pattern.pattern), pattern.callback)]
        for address, view in found:
            if address.startswith(f"{V1_BASE}/") and address not in seen:
                seen.add(address)
                yield address, view


def document(views: Iterable[tuple[str, Any]]) -> Schema:
    """Write the description of these views; those that are not declared as methods are left out."""
    described = [(address, view) for address, view in sorted(views) if hasattr(view, "description")]
    modules = sorted({_module(address) for address, _ in described})
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "COMPASS Pilot",
            "version": str(CONTRACT),
            "description": "PanDA's newer interface. An application's error is HTTP 200 with `success` false.",
        },
        "tags": [{"name": module} for module in modules],
        "paths": {address: _path(address, view) for address, view in described},
        "components": {
            "schemas": {"Envelope": _ENVELOPE},
            "responses": {name: _response(words, refused=examples.ending(name)) for name, words in _REFUSALS.items()},
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _module(address: str) -> str:
    return address.removeprefix(f"{V1_BASE}/").partition("/")[0]


def _path(address: str, view: Any) -> Schema:
    description: Description = view.description
    return {verb.lower(): _operation(address, view, verb, description) for verb in description.verbs}


def _operation(address: str, view: Any, verb: str, description: Description) -> Schema:
    rule = rule_of(view)
    roles = sorted(role.value for role in rule.roles) if rule else []
    module, method = _module(address), address.rpartition("/")[2]
    operation: Schema = {
        "operationId": f"{module}_{method}" if len(description.verbs) == 1 else f"{verb.lower()}_{module}_{method}",
        "tags": [module],
        "summary": " ".join(description.text.split("\n\n")[0].split()),
        "description": f"For tokens of the roles {', '.join(roles)}." if roles else "For everybody.",
        "security": [{"token": []}] if roles else [],
        "responses": {
            "200": _response(
                "The answer, or in `message` why there is none.",
                done=examples.good_answer(),
                refused=examples.refusal_of(description.arguments),
            ),
            **{status: {"$ref": f"#/components/responses/{status}"} for status in _REFUSALS},
        },
    }
    if verb == "GET":
        operation["parameters"] = [_parameter(argument) for argument in description.arguments]
    elif description.arguments:
        operation["requestBody"] = {"required": True, "content": _content(description)}
    return operation


def _response(words: str, **said: Schema) -> Schema:
    """Describe an answer, with an example of each kind that it may be of."""
    shown = {name: {"value": value} for name, value in said.items()}
    content = {"schema": {"$ref": "#/components/schemas/Envelope"}, "examples": shown}
    return {"description": words, "content": {"application/json": content}}


def _parameter(argument: Argument) -> Schema:
    shown = argument.required or argument.name in examples.BY_NAME
    return {
        **({"example": examples.value_of(argument)} if shown else {}),
        "name": argument.name,
        "in": "query",
        "required": argument.required,
        "description": argument.help,
        "schema": schema_of(argument),
    }


def _content(description: Description) -> Schema:
    schema: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            argument.name: {**schema_of(argument), "description": argument.help} for argument in description.arguments
        },
    }
    if required := [argument.name for argument in description.arguments if argument.required]:
        schema["required"] = required
    if description.takes_file:
        return {"multipart/form-data": {"schema": schema}}
    return {"application/json": {"schema": schema, "example": examples.call_of(description.arguments)}}


def schema_of(argument: Argument) -> Schema:
    """Answer what a value of an argument may be."""
    one = _schema_of_kind(argument.kind)
    schema = {"type": "array", "items": one, "minItems": 1, "maxItems": argument.most} if argument.most else one
    plain = not argument.required and isinstance(argument.default, str | int | float | bool)
    return {**schema, "default": argument.default} if plain else dict(schema)


def _schema_of_kind(kind: Kind) -> Schema:
    return SCHEMAS[kind.expected]


@lru_cache(maxsize=1)
def _written() -> Schema:
    return document(addresses(get_resolver()))


@everyone(because="describes the interface, which is public")
def openapi(request: HttpRequest) -> HttpResponse:
    """Answer the description of this interface."""
    return json_response(_written())
