"""Whose jobs are whose: a user submits in its own name, and acts on its own jobs alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pilot.contract.codec import ContractError
from pilot.contract.job import JobOrder
from server.accounts import rules
from server.accounts.rules import Identity, Role
from server.taskbuffer import queries

#: What a user's jobs may be called; the first one when they are called nothing, or what a production's are.
LABELS = ("user", "panda", "test")


def refuse_others(identity: Identity, job_ids: Iterable[int]) -> None:
    """Refuse who may not end all of these jobs, or look into them; one that is not known is nobody's.

    Raises:
        NotAllowed: one of them is somebody else's.
    """
    if identity.role not in {Role.ADMIN, Role.PRODUCTION}:
        rules.refuse_others(identity, queries.owners_of(job_ids))


def as_their_own(identity: Identity, orders: Sequence[JobOrder]) -> Sequence[JobOrder]:
    """Put a user's name and label on what it submits; a production may submit in anybody's name.

    Raises:
        ContractError: a user submits in another name, or what only a production may, such as to choose a share.
    """
    if identity.role is not Role.USER:
        return orders
    return [_own(identity.person, order, at) for at, order in enumerate(orders)]


def _own(person: str, order: JobOrder, at: int) -> JobOrder:
    spec = order.spec
    if spec.user not in {"", person}:
        name = f"jobs[{at}].prodUserName"
        raise ContractError(f"{name}: {spec.user!r} is not {person!r}, in whose name you submit", field_name=name)
    label = LABELS[0] if spec.label == "managed" else spec.label
    if label not in LABELS:
        name = f"jobs[{at}].prodSourceLabel"
        raise ContractError(f"{name}: {label!r} is not one of a user's: {', '.join(LABELS)}", field_name=name)
    if order.share:  # by which it would go before others, and past its own limits
        name = f"jobs[{at}].gshare"
        words = f"{name}: a user's jobs have the share of their kind, not {order.share!r}; leave it out"
        raise ContractError(words, field_name=name)
    return order._replace(spec=replace(spec, user=person, label=label))
