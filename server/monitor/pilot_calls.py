"""What clients ask about pilots: which there are, one of them, its texts, and the nodes where they ended."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER, TEXT, ContractError
from server.accounts.rules import READERS, Identity, Role, allow
from server.lib.arguments import Argument, bind, described
from server.lib.http import envelope, refusal
from server.monitor import pilotlog
from server.monitor import pilots as gathered
from server.pilots import queries as pilots

#: Who may read what pilots' batch jobs write: it tells of everybody's jobs.
LOOKERS = (Role.PRODUCTION, Role.SITE_ADMIN)

_FILTERS = (
    Argument("queue", TEXT, "Of this queue alone.", ""),
    Argument("state", TEXT, f"In this state alone: {', '.join(pilots.STATES)}.", ""),
    Argument("system", TEXT, "Of this batch system alone.", ""),
    Argument("node", TEXT, "On this node alone.", ""),
    Argument("exit", INTEGER, "With this exit code alone.", None),
    Argument("since", TEXT, "Submitted since then: a time by UTC, or an age as 30m, 6h or 2d.", ""),
    Argument("jobless", INTEGER, "1: those alone that were given no job.", 0),
    Argument("before", INTEGER, "Those before the pilot of that number alone.", None),
    Argument("after", INTEGER, "Those after the pilot of that number alone.", None),
    Argument("count", INTEGER, f"How many at most, up to {pilots.MOST}.", gathered.USUAL),
)
_PILOT = Argument("pilot_id", INTEGER, "Number of the pilot.")


@described("GET", takes=_FILTERS)
@allow(*READERS)
@require_safe
def get_pilots(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer pilots by what is asked for, latest first, how many are in which state, and where to go on."""
    try:
        bind(_FILTERS, request.GET.dict())
        question = gathered.read_question(request.GET.dict(), timezone.now())
    except ContractError as wrong:
        return refusal(request, f"Argument error: {wrong}")
    return envelope(gathered.contents(question).as_json())


@described("GET", takes=(_PILOT,))
@allow(*READERS)
@require_safe
def get_pilot(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer all about the pilot ``pilot_id``: its life, the tries of jobs that it had, its texts that are here."""
    try:
        number = bind((_PILOT,), request.GET.dict())["pilot_id"]
    except ContractError as wrong:
        return refusal(request, f"Argument error: {wrong}")
    found = gathered.pilot_page(number) if number > 0 else None
    return envelope(found.as_json()) if found else refusal(request, f"pilot_id: there is no pilot {number}")


_LOG = (
    _PILOT,
    Argument("file", TEXT, f"Which text: {', '.join(pilotlog.NAMES)}.", "stdout"),
    Argument("start", INTEGER, "The first byte; the end of the text, when left out.", None),
    Argument("length", INTEGER, f"How many bytes, up to {pilotlog.MOST}.", pilotlog.USUAL),
)


@described("GET", takes=_LOG)
@allow(*LOOKERS)
@require_safe
def get_pilot_log(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer a part of a text of the batch job of the pilot ``pilot_id``, without secrets; also while it runs."""
    try:
        said = bind(_LOG, request.GET.dict())
    except ContractError as wrong:
        return refusal(request, f"Argument error: {wrong}")
    pilot = pilots.find_pilot(said["pilot_id"]) if said["pilot_id"] > 0 else None
    if pilot is None:
        return refusal(request, f"pilot_id: there is no pilot {said['pilot_id']}")
    if not identity.may_act_on(owner="", queue=pilot.queue):
        words = f"pilot {pilot.pk} is of {pilot.queue}; you may read what pilots of your own queues write"
        return refusal(request, words, status=403)
    try:
        window = pilotlog.read_log(pilot.directory, said["file"], start=said["start"], length=said["length"])
    except pilotlog.NoLog as wrong:
        return refusal(request, f"pilot {pilot.pk}: {wrong}")
    return envelope(window.as_json())


_NODES = (
    Argument("queue", TEXT, "Of this queue alone.", ""),
    Argument("days", INTEGER, f"How many days, from 1 to {gathered.MOST_DAYS}; today is one.", 2),
)


@described("GET", takes=_NODES)
@allow(*READERS)
@require_safe
def get_nodes(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer on which nodes pilots ended, how, and whether a node is suspect; those first where most went wrong."""
    try:
        bind(_NODES, request.GET.dict())
        return envelope(gathered.nodes(request.GET.dict(), timezone.now()).as_json())
    except ContractError as wrong:
        return refusal(request, f"Argument error: {wrong}")
