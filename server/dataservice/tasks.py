"""The data service's periodic services. One that has done something wakes the ones that live on it."""

from __future__ import annotations

from server.dataservice.opened import RIMS
from server.dataservice.steps import activate, cancel, close, follow, look, overdue, pins, poll, remove, submit
from server.services.registry import Figures, Turn, periodic
from server.services.wake import wake


def _done(what: str, count: int, *then: str) -> Figures:
    for name in then if count else ():
        wake(name)
    return {what: count}


@periodic("dataservice.follow", every=2, limit=300)
def follow_jobs(turn: Turn) -> Figures:
    """Register what jobs have written, and write down what waiting jobs wait for."""
    return _done("changed", follow.follow(now=turn.now, keep=turn.keep), "dataservice.activate")


@periodic("dataservice.sweep", every=120, limit=300)
def sweep_jobs(turn: Turn) -> Figures:
    """Look again at jobs of ten minutes ago and at all waiting ones, in case something was passed by."""
    return _done("changed", follow.sweep(now=turn.now, keep=turn.keep), "dataservice.activate")


@periodic("dataservice.activate", every=10, limit=300)
def activate_jobs(turn: Turn) -> Figures:
    """Queue jobs whose inputs are ready, and end those whose inputs cannot come."""
    activated, failed = activate.activate(now=turn.now, keep=turn.keep)
    return {**_done("activated", activated, "factory.cycle"), "failed": failed}


@periodic("dataservice.submit", every=20, limit=600)
def submit_requests(turn: Turn) -> Figures:
    """Say to storages and movers what is requested of them."""
    return _done("submitted", submit.submit(RIMS, now=turn.now, keep=turn.keep), "dataservice.look")


@periodic("dataservice.poll", every=15, limit=600)
def poll_requests(turn: Turn) -> Figures:
    """Ask storages and movers how far their requests are."""
    return _done("moved", poll.poll(RIMS, now=turn.now, keep=turn.keep), "dataservice.look")


@periodic("dataservice.look", every=30, limit=1800)
def look_at_files(turn: Turn) -> Figures:
    """Look at files that are said to be on disk or tape, and compare size and checksum."""
    return _done("moved", look.look(RIMS, now=turn.now, keep=turn.keep), "dataservice.activate")


@periodic("dataservice.pins", every=60, limit=600)
def keep_pins(turn: Turn) -> Figures:
    """Prolong pins before their end, give back what nobody wants, ask anew for what was lost."""
    return _done("moved", pins.keep_pins(RIMS, now=turn.now, keep=turn.keep), "dataservice.submit")


@periodic("dataservice.remove", every=30, limit=1800)
def remove_replicas(turn: Turn) -> Figures:
    """Remove the replicas that somebody asked to be removed."""
    return {"removed": remove.remove(RIMS, now=turn.now, keep=turn.keep)}


@periodic("dataservice.give_up", every=300, limit=600)
def give_up_requests(turn: Turn) -> Figures:
    """Give up requests that have not come to their end within their bound, and finish giving up."""
    count = overdue.give_up_overdue(now=turn.now, keep=turn.keep)
    return _done("given_up", count, "dataservice.cancel", "dataservice.activate")


@periodic("dataservice.cancel", every=300, limit=600)
def cancel_calls(turn: Turn) -> Figures:
    """Tell storages and movers, once, that what they were asked for was given up."""
    return {"cancelled": cancel.cancel(RIMS, now=turn.now, keep=turn.keep)}


@periodic("dataservice.close", every=300)
def close_datasets(turn: Turn) -> Figures:
    """Close datasets that nobody writes into any more, and freeze old ones."""
    closed, frozen = close.close(now=turn.now)
    return {"closed": closed, "frozen": frozen}
