"""Step: requests that have not come to their end within their bound are given up; no storage is asked for that."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from server.dataservice.bounds import bound_of
from server.dataservice.limits import HOUR
from server.dataservice.logic.acts import end_given_up, give_up
from server.dataservice.logic.requests import RequestRefused
from server.dataservice.models import TransferRequest
from server.dataservice.states import RequestState
from server.dataservice.steps.tries import seconds
from server.dataservice.where import Places
from server.dataservice.why import age

SERVICE = "dataservice.give_up"


def give_up_overdue(*, now: datetime, keep: Callable[[], None]) -> int:
    """Answer how many files were given up. What somebody who died had begun to give up is finished first."""
    still = TransferRequest.objects.filter(state=RequestState.OPEN)
    ended = 0
    for request in list(still.filter(given_up_at__isnull=False).order_by("pk")):
        keep()
        ended += end_given_up(request, now=now)
    # Asked for by a clock that was wrong: its age begins now.
    still.filter(asked__gt=now + seconds(HOUR)).update(asked=now)
    places = Places()
    for request in list(still.order_by("pk")):
        bound = bound_of(request, places)
        if now - request.asked < bound.age:
            continue
        keep()
        why = f"not at its end after {age(now - request.asked)}; its bound is {age(bound.age)} ({bound.told_by})"
        try:
            ended += give_up(request, by=SERVICE, why=why, now=now)
        except RequestRefused:  # it has come to its end at this very moment
            continue
    return ended
