"""Jobs in PanDA's legacy dialect: what Harvester reports in bulk, and what older clients submit, ask and kill.

Those clients read pickles. Here only JSON is read, whoever sends it: to read a pickle is to run what its sender wrote.
An answer of plain lists is written as a pickle to who does not say that it reads JSON.
"""

from __future__ import annotations

import pickle
from typing import Any
from urllib.parse import urlencode

import orjson
from django.http import HttpRequest, HttpResponse

from pilot.contract.codec import INTEGER, TEXT, TRUTH, ContractError, Dialect, Kind, encode, read
from pilot.contract.messages import Command, StatusCode, UpdateAnswer
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import OWNERS, READERS, NotAllowed
from server.dispatcher import described, logic, owners
from server.dispatcher.jobs import end_jobs, submit_orders
from server.dispatcher.jobspec import JOBS
from server.dispatcher.legacy import asked
from server.dispatcher.v1 import MOST_JOBS
from server.lib.arguments import OBJECTS, TIMEOUT, Argument
from server.lib.http import asks_for_json, json_response
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer import queries


def _read_ids(raw: Any) -> list[int]:
    if isinstance(raw, str) and not raw.lstrip().startswith("["):
        if raw.startswith(("(l", "]", "\x80")):
            text = "ids: a pickle; only JSON is read here: [1, 2]. Newer clients of PanDA's send it"
            raise ContractError(text, field_name="ids")
        return [read(raw, INTEGER, "ids")]
    listed = orjson.loads(raw) if isinstance(raw, str) else raw  # its error is a ValueError
    numbers = [read(value, INTEGER, "ids") for value in (listed if isinstance(listed, list) else [listed])]
    return at_most(numbers, "ids")


def at_most(listed: list[Any], name: str) -> list[Any]:
    """Answer what is listed.

    Raises:
        ContractError: it is more than one call may ask for.
    """
    if len(listed) > MOST_JOBS:
        raise ContractError(f"{name}: {len(listed)} jobs; at most {MOST_JOBS} in a call", field_name=name)
    return listed


_IDS = Argument("ids", Kind("a JSON list of whole numbers", _read_ids, lambda value, _: value), "Numbers of jobs.")


def plain(request: HttpRequest, answer: Any) -> HttpResponse:
    """Answer lists, numbers and text: in JSON to who reads it, else as a pickle, as PanDA's older clients expect."""
    if asks_for_json(request):
        return json_response(answer)
    return HttpResponse(pickle.dumps(answer, protocol=0), content_type="text/plain")


@asked(Role.PILOT, *READERS, takes=(Argument("ids", TEXT, "Numbers, with blanks."), TIMEOUT))
def get_status(request: HttpRequest, identity: Identity, ids: str, timeout: int | None) -> HttpResponse:
    """Answer state and attempt of each job, with blanks between them, as a form, whoever asks; `notfound` and 0."""
    numbers = [read(word, INTEGER, "ids") for word in at_most(ids.split(), "ids")]
    found = queries.states_of(numbers)
    form = {
        "StatusCode": StatusCode.OK.value,
        "status": " ".join(found[number][0] if number in found else "notfound" for number in numbers),
        "attemptNr": " ".join(str(found[number][2] if number in found else 0) for number in numbers),
    }
    return HttpResponse(urlencode(form), content_type="application/x-www-form-urlencoded")


_HARVESTER = Argument("harvester_id", TEXT, "Name of the Harvester.", None)


@asked(Role.PILOT, takes=(Argument("jobList", OBJECTS, "Reports, as `updateJob` takes them."), _HARVESTER))
def update_jobs_in_bulk(request: HttpRequest, identity: Identity, **said: Any) -> HttpResponse:
    """Take reports on several jobs, as older Harvesters send them; the answer to each is JSON within JSON."""
    reports = at_most(said["jobList"], "jobList")
    answers = logic.report_all(reports, Dialect.LEGACY, by=identity.name, queues=identity.queues)
    told = [{"type": "json", "content": _answered(answer)} for answer in answers]
    return json_response([True, [orjson.dumps(one).decode() for one in told]])


def _answered(answer: UpdateAnswer | NotAllowed | ContractError) -> dict[str, Any]:
    if isinstance(answer, UpdateAnswer):
        return {"StatusCode": StatusCode.OK.value, **encode(answer, Dialect.LEGACY)}
    code = StatusCode.FAILED if isinstance(answer, ContractError) else StatusCode.PERMISSION_DENIED
    return {"StatusCode": code.value, "errorDialog": str(answer)}


_PANDA_ID = Argument("pandaID", INTEGER, "Number of the job.")


@asked(Role.PILOT, *OWNERS, takes=(_PANDA_ID, Argument("modeOn", TRUTH, "True switches it on.")))
def set_debug_mode(request: HttpRequest, identity: Identity, **said: Any) -> HttpResponse:
    """Switch the debug mode of a job on or off; a pilot does so where its queue says that it may."""
    owners.refuse_others(identity, [said["pandaID"]])
    taskbuffer.command(said["pandaID"], (Command.DEBUG if said["modeOn"] else Command.DEBUG_OFF).value)
    return HttpResponse("Succeeded", content_type="text/plain")


@asked(Role.PRODUCTION, Role.USER, takes=(Argument("jobs", JOBS, "Jobs in JSON."),))
def submit_jobs(request: HttpRequest, identity: Identity, jobs: list[Any]) -> HttpResponse:
    """Take jobs, all or none; answer (PandaID, jobDefinitionID, jobName) of each."""
    return plain(request, submit_orders(jobs, identity))


_NO_PICKLE = Argument("no_pickle", TRUTH, "Whether the caller reads JSON.", False)


@asked(*READERS, takes=(_IDS, _NO_PICKLE))
def get_job_status(request: HttpRequest, identity: Identity, ids: list[int], no_pickle: bool) -> HttpResponse:
    """Describe jobs in PanDA's columns, in their order; `null` for one that is not known. In JSON alone."""
    if not no_pickle and not asks_for_json(request):
        text = "no_pickle: jobs are described in JSON alone; send no_pickle=True, as newer clients of PanDA's do"
        raise ContractError(text, field_name="no_pickle")
    found = described.described(ids)
    jobs = [described.in_order(found[number]) if number in found else None for number in ids]
    return HttpResponse(
        orjson.dumps(jobs, default=described.as_json, option=orjson.OPT_PASSTHROUGH_DATETIME),
        content_type="application/json",
    )


_CODE = Argument("code", INTEGER, "PanDA's kill code; a plain kill without one.", None)


@asked(*OWNERS, takes=(_IDS, _CODE))
def kill_jobs(request: HttpRequest, identity: Identity, ids: list[int], code: int | None) -> HttpResponse:
    """End jobs; answer for each whether it ended or will."""
    return plain(request, end_jobs(ids, code, identity))
