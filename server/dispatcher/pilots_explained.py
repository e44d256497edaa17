"""What people ask of a queue's pilots: which jobs one would be given now, and why no others."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from pilot.contract.codec import INTEGER, NUMBER, TEXT, TRUTH, ContractError
from pilot.contract.job import PANDA_MB
from server.accounts.identity import Identity
from server.accounts.rules import READERS
from server.brokerage import queries as brokerage
from server.dispatcher.v1 import GET, method
from server.lib.arguments import Argument

_TAKES = (
    Argument("queue", TEXT, "The pilot's queue."),
    Argument("label", TEXT, "The prodSourceLabel that it asks with.", "unified"),
    Argument("cores", INTEGER, "Its cores; the queue's when left out.", None),
    Argument("memory", INTEGER, "Its memory in MB; not looked at when left out.", None),
    Argument("disk", INTEGER, "Its disk space in MB; not looked at when left out.", None),
    Argument("remaining_time", NUMBER, "Seconds that it has left; not looked at when left out.", None),
    Argument("working_group", TEXT, "The only working group that it runs jobs of.", ""),
    Argument("country", TEXT, "Its countries, with commas between them: their jobs come first.", ""),
    Argument("other_countries", TRUTH, "Whether it runs jobs of others, too.", True),
)


@method(*READERS, takes=_TAKES, verbs=(GET,))
def explain(
    request: HttpRequest,
    identity: Identity,
    queue: str,
    label: str,
    cores: int | None,
    memory: int | None,
    disk: int | None,
    remaining_time: float | None,
    **whose: Any,
) -> Any:
    """Answer which kinds of queued jobs a pilot of a queue is given, in their order, and why it is given no others."""
    wishes = brokerage.Wishes(label, cores, _bytes(memory), _bytes(disk), remaining_time, **whose)
    try:
        return brokerage.explain_pilot(queue, wishes)
    except LookupError as unknown:
        raise ContractError(f"queue: {unknown}", field_name="queue") from unknown


def _bytes(said: int | None) -> int | None:
    return None if said is None else said * PANDA_MB
