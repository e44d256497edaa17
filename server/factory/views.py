"""The factory over HTTP, in PanDA's envelope: looked at, tried with other settings, switched, confirmed."""

from __future__ import annotations

from typing import Any

from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER, TEXT, TRUTH
from server.accounts.rules import READERS, Identity, NotAllowed, Role, allow
from server.factory import logic, queries
from server.lib.arguments import Argument, described
from server.lib.calls import Fields, body, query, taken

_QUEUE = Argument("queue", TEXT, "Its name in schedconfig.")
#: Settings of one call.
MOST_SETTINGS = 50


@described("GET")
@allow(*READERS)
@require_safe
@taken((), query)
def get_overview(fields: Fields, identity: Identity) -> Any:
    """Answer the factory's systems and queues: pilots, last decisions with their reasons, and what had no work."""
    return queries.overview().as_json()


@described("GET", takes=(_QUEUE,))
@allow(*READERS)
@require_safe
@taken((_QUEUE,), query)
def explain(fields: Fields, identity: Identity) -> Any:
    """Answer why a queue gets as many pilots as it gets: each rule of the last decision, and what was known."""
    return queries.explain(fields["queue"])


_REPLAY = (
    _QUEUE,
    Argument("settings", TEXT, "Such as max_waiting=50, scale.factor=2 or rules=[...].", (), most=MOST_SETTINGS),
    Argument("cycle", INTEGER, "Whose facts are taken; the last one's when left out.", None),
)


@described("GET", takes=_REPLAY)
@allow(*READERS)
@require_safe
@taken(_REPLAY, query)
def replay(fields: Fields, identity: Identity) -> Any:
    """Answer what the rules would have said of a cycle's facts by other settings; nothing is changed."""
    return queries.replayed(fields["queue"], fields["settings"], fields["cycle"])


_SWITCH = (_QUEUE, Argument("on", TRUTH, "Whether the queue gets pilots."))


@described("POST", takes=_SWITCH)
@csrf_exempt
@allow(Role.PRODUCTION, Role.SITE_ADMIN)
@taken(_SWITCH, body)
def switch(fields: Fields, identity: Identity) -> Any:
    """Let the factory submit pilots for a queue, or not any longer; those it has are followed either way."""
    _refuse_others(identity, fields["queue"])
    row = logic.switch_queue(fields["queue"], on=fields["on"], by=identity.name)
    return {"queue": row.queue, "enabled": row.enabled}


@described("POST", takes=(_QUEUE,))
@csrf_exempt
@allow(Role.PRODUCTION, Role.SITE_ADMIN)
@taken((_QUEUE,), body)
def confirm(fields: Fields, identity: Identity) -> Any:
    """Confirm the change of a queue's pilots that is too large to be made unasked: once, within an hour."""
    _refuse_others(identity, fields["queue"])
    one = logic.confirm_change(fields["queue"], by=identity.name, now=timezone.now())
    return {"queue": fields["queue"], "change": one.change, "confirmed_by": one.confirmed_by}


def _refuse_others(identity: Identity, queue: str) -> None:
    if identity.role is Role.SITE_ADMIN and queue not in identity.queues:
        mine = ", ".join(sorted(identity.queues)) or "none"
        raise NotAllowed(f"you may steer the pilots of your queues alone ({mine}), not those of {queue}")
