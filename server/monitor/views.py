"""The overview, with a JSON twin at the same address; and what clients ask about the whole system and its jobs."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER, TEXT
from server.accounts.rules import READERS, Identity, Role, allow, refuse_others
from server.lib.arguments import Argument, described
from server.lib.http import envelope, refusal
from server.lib.pages import wants_json
from server.monitor.access import readable
from server.monitor.joblog import MOST, job_log
from server.monitor.jobs import MOST_JOBS, descriptions, is_job_number, job_ids_of
from server.monitor.overview import overview
from server.monitor.paging import page
from server.taskbuffer import queries as taskbuffer


@readable
@require_safe
def show_overview(request: HttpRequest) -> HttpResponse:
    """Show tasks, jobs, queues, services and the latest moves."""
    found = overview(timezone.now())
    if wants_json(request):
        return envelope(found.as_json())
    return page(request, "overview", {**vars(found), "page": "overview"})


@described("GET")
@allow(*READERS)
@require_safe
def get_status(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer what the overview shows, to clients."""
    return envelope(overview(timezone.now()).as_json())


@described("GET", "POST", takes=(Argument("job_ids", INTEGER, "Numbers of jobs, their PandaIDs.", most=MOST_JOBS),))
@csrf_exempt
@allow(*READERS)
def get_description(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer everything about the jobs ``job_ids``, by PanDA's names; ``null`` for one that is not known."""
    try:
        numbers = job_ids_of(request)
    except ValueError as wrong:
        return refusal(request, f"Argument error: {wrong}")
    found = {entry["PandaID"]: entry for entry in descriptions(numbers)}
    return envelope([found.get(number) for number in numbers])


_JOB_ID = Argument("job_id", INTEGER, "Number of the job, its PandaID.")


@described("GET", takes=(_JOB_ID, Argument("file", TEXT, "A text in the log.", "payload.stdout")))
@allow(*READERS)
@require_safe
def get_log(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer where the log of the job ``job_id`` lies, and the end of the text ``file`` in it."""
    number = request.GET.get("job_id", "")
    if not is_job_number(number):
        return refusal(request, f"job_id: {number!r} is not the number of a job")
    _refuse_prying(identity, int(number))
    found = job_log(int(number), name=request.GET.get("file") or "payload.stdout", tail=MOST)
    if found is None:
        return refusal(request, f"job_id: there is no job {number}")
    return envelope(found.as_json())


@described("GET", takes=(_JOB_ID,))
@allow(*READERS)
@require_safe
def get_shown(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer what the pilot of the running job ``job_id`` has shown since it was last asked to by a command."""
    number = request.GET.get("job_id", "")
    if not is_job_number(number):
        return refusal(request, f"job_id: {number!r} is not the number of a job")
    _refuse_prying(identity, int(number))
    return envelope({"text": taskbuffer.live_shown(int(number))})


def _refuse_prying(identity: Identity, number: int) -> None:
    """Refuse whoever would read what somebody else's payload has written; readers see everything.

    Raises:
        NotAllowed: so it is.
    """
    if identity.role is not Role.READER:
        refuse_others(identity, taskbuffer.owners_of([number]))
