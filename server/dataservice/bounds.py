"""When a request that does not come to its end is given up, and who says so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.dataservice.limits import limits, told_by
from server.dataservice.models import TransferRequest
from server.dataservice.where import Places
from server.storage.base import StorageMisconfigured
from server.storage.place import KEY, read_give_up_after


@dataclass(frozen=True)
class Bound:
    """How old a request may become, and where that number comes from."""

    age: timedelta
    told_by: str


def bound_of(request: TransferRequest, places: Places) -> Bound:
    """Answer a request's bound: its storage's own, or else the data service's for its kind.

    The files of a prestage are wanted for a time after they have come; that is added. What a storage says and cannot be
    read counts as nothing, and the answer says so.
    """
    said, source = limits(request.kind).give_up_after, told_by("give_up_after", request.kind)
    age: float = said
    try:
        own = (
            read_give_up_after(request.endpoint, places.data(request.endpoint)) if request.endpoint in places else None
        )
    except StorageMisconfigured as wrong:
        source = f"{source}, since {wrong}"
    else:
        if own is not None:
            age, source = own, f"{KEY}.give_up_after of {request.endpoint}"
    if request.lifetime:
        source = f"{source}, and the time for which its files are wanted"
    return Bound(timedelta(seconds=min(age + request.lifetime, timedelta.max.total_seconds() / 1000)), source)


def given_up_when(request: TransferRequest, bound: Bound) -> datetime | None:
    """Answer the time at which an open request is given up; nothing when that is further away than calendars go."""
    try:
        return request.asked + bound.age
    except OverflowError:
        return None
