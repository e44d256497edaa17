"""Clean-up over HTTP: a look at what would be removed, an order to do it now, and the wish that a task is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import orjson
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from pilot.contract.codec import TEXT, TRUTH, ContractError
from server.accounts.rules import Identity, Role, allow
from server.lib.arguments import Argument, bind, described
from server.lib.http import envelope, refusal
from server.production.cleanup import logic
from server.production.logic import TaskRefused

_NAME = Argument("name", TEXT, "Name of the task.")
_WHY = Argument("why", TEXT, "The reason, which is kept with your name.", "")
_CLEAN = (_NAME, Argument("preview", TRUTH, "Whether nothing is removed.", False), _WHY)
_KEEP = (_NAME, Argument("keep", TRUTH, "Whether it is kept.", True), _WHY)


@described("POST", takes=_CLEAN)
@csrf_exempt
@allow(Role.PRODUCTION)
def clean_task(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Remove from disks what of the task ``name`` lies on tape in another form; by ``preview``, say what that is."""
    return _answer(request, _CLEAN, lambda said: _clean(said, identity.name))


@described("POST", takes=_KEEP)
@csrf_exempt
@allow(Role.PRODUCTION)
def keep_task(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Have nothing of the task ``name`` removed any more, or, without ``keep``, let it be cleaned up again."""
    return _answer(
        request,
        _KEEP,
        lambda said: logic.keep_task(said["name"], keep=said["keep"], by=identity.name, why=said["why"]),
    )


def _clean(said: Mapping[str, Any], by: str) -> dict[str, Any]:
    return logic.preview(said["name"]) if said["preview"] else logic.clean_now(said["name"], by=by, why=said["why"])


def _answer(
    request: HttpRequest, takes: Sequence[Argument], call: Callable[[Mapping[str, Any]], dict[str, Any]]
) -> HttpResponse:
    if request.method != "POST":
        return refusal(request, f"method {request.method} is not taken here; use POST")
    try:
        body = orjson.loads(request.body)
        if not isinstance(body, dict):
            return refusal(request, "the body is not a JSON object")
        return envelope(call(bind(takes, body)))
    except orjson.JSONDecodeError as bad:
        return refusal(request, f"the body is not JSON ({bad}); send an object")
    except (ContractError, TaskRefused) as bad:
        return refusal(request, str(bad))
