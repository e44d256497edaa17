"""What managers and users call in ``/api/v1/job``: jobs are submitted, looked at, commanded and ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest

from pilot.contract.codec import INTEGER, TEXT, TRUTH, ContractError, says_something
from pilot.contract.job import JobOrder
from pilot.contract.messages import Command
from pilot.contract.order import order_from_wire
from server.accounts.identity import Identity
from server.accounts.models import Role
from server.accounts.rules import OWNERS, READERS
from server.brokerage import queries as brokerage
from server.credentials.keyring import KeysMissing, keyring
from server.credentials.logic import secrets
from server.dataservice.logic import claim_datasets
from server.dispatcher import owners
from server.dispatcher.jobspec import JOBS
from server.dispatcher.v1 import GET, JOB_ID, JOB_IDS, MOST_JOBS, method
from server.lib.arguments import TIMEOUT, Argument
from server.lib.transactions import whole
from server.taskbuffer import logic as taskbuffer
from server.taskbuffer import queries

_JOBS = Argument("jobs", JOBS, "Jobs, each with PanDA's column names and a list `files`, or a list in PanDA's order.")


@method(Role.PRODUCTION, Role.USER, takes=(_JOBS,))
def submit(request: HttpRequest, identity: Identity, jobs: Sequence[Mapping[str, Any]]) -> Any:
    """Take jobs, all or none; answer (PandaID, jobDefinitionID, jobName) of each."""
    return submit_orders(jobs, identity)


def submit_orders(jobs: Sequence[Mapping[str, Any]], identity: Identity) -> list[list[Any]]:
    """Take jobs; raises as `orders_of`, `owners` and the task buffer do."""
    jobs, given = secrets_apart(jobs)
    orders = owners.as_their_own(identity, orders_of(jobs))
    numbers = _take(orders, given, identity.name)
    return [[number, 0, order.spec.name] for number, order in zip(numbers, orders, strict=True)]


@whole
def _take(orders: Sequence[JobOrder], given: Mapping[int, Mapping[str, str]], by: str) -> list[int]:
    """Take jobs with their datasets and secrets, or nothing: a refused call keeps no name from others."""
    claim_datasets(orders, by=by)
    numbers = taskbuffer.submit(brokerage.prepare(orders), by=by)
    if given:
        secrets.keep_for_jobs({numbers[at]: said for at, said in given.items()})
    return numbers


def secrets_apart(
    jobs: Sequence[Mapping[str, Any]],
) -> tuple[Sequence[Mapping[str, Any]], dict[int, Mapping[str, str]]]:
    """Take the secrets out of submitted jobs; answer the jobs, which say that they want some, and these by place.

    Raises:
        ContractError: they cannot be kept; the words do not repeat them.
    """
    given = {at: job["secrets"] for at, job in enumerate(jobs) if says_something(job.get("secrets"))}
    for at, said in given.items():
        where = f"jobs[{at}].secrets"
        try:
            if not isinstance(said, dict):
                raise secrets.SecretRefused("an object is expected, with a text for each name")
            secrets.check(said)
            keyring()
        except (secrets.SecretRefused, KeysMissing) as wrong:
            raise ContractError(f"{where}: {wrong}", field_name=where) from None
    if not given:
        return jobs, given
    bare = [{name: value for name, value in job.items() if name != "secrets"} for job in jobs]
    return [{**job, "useSecrets": True} if at in given else job for at, job in enumerate(bare)], given


def orders_of(jobs: Sequence[Mapping[str, Any]]) -> list[JobOrder]:
    """Read submitted jobs; what is wrong names the job by its place.

    Raises:
        ContractError: there are none, too many, or one cannot be taken.
    """
    if not 1 <= len(jobs) <= MOST_JOBS:
        raise ContractError(f"jobs: {len(jobs)} jobs; 1 to {MOST_JOBS} in a call", field_name="jobs")
    orders = []
    for at, entry in enumerate(jobs):
        try:
            orders.append(order_from_wire(entry))
        except ContractError as wrong:
            raise ContractError(f"jobs[{at}]: {wrong}", field_name=f"jobs[{at}].{wrong.field_name}") from wrong
    return orders


@method(Role.PILOT, *READERS, takes=(JOB_IDS, TIMEOUT), verbs=(GET,))
def get_status(request: HttpRequest, identity: Identity, job_ids: list[int], timeout: int | None) -> Any:
    """Answer [state, command] of each job; `notfound` for one that is not known."""
    found = queries.states_of(job_ids)
    return [list(found[job_id][:2]) if job_id in found else ["notfound", ""] for job_id in job_ids]


_QUEUE = Argument("queue", TEXT, "The only queue to be told of; all of them when it is left out.", "")


@method(*READERS, takes=(JOB_ID, _QUEUE), verbs=(GET,))
def explain(request: HttpRequest, identity: Identity, job_id: int, queue: str) -> Any:
    """Answer what each rule of brokerage says of a job and its queues, and which shares come before the job's."""
    try:
        found = brokerage.explain(job_id, queue)
    except LookupError as unknown:
        raise ContractError(f"queue: {unknown}", field_name="queue") from unknown
    if found is None:
        raise ContractError(f"job_id: there is no job {job_id}", field_name="job_id")
    return found


_CODE = Argument("code", INTEGER, "PanDA's kill code; a plain kill without one.", None)
_BY_MAIL = Argument("use_email_as_id", TRUTH, "Passed over: who asks is known by the token.", None)
_OPTIONS = Argument("kill_options", TEXT, "PanDA's options; there are none here.", None, most=20)


@method(*OWNERS, takes=(JOB_IDS, _CODE, _BY_MAIL, _OPTIONS))
def kill(
    request: HttpRequest,
    identity: Identity,
    job_ids: list[int],
    code: int | None,
    use_email_as_id: bool | None,
    kill_options: list[str] | None,
) -> Any:
    """End jobs; answer for each whether it ended or will."""
    if kill_options:
        raise ContractError(f"kill_options: {kill_options[0]!r} is not known here; leave it out")
    return end_jobs(job_ids, code, identity)


def end_jobs(job_ids: list[int], code: int | None, identity: Identity) -> list[bool]:
    """End jobs, and say for each whether it ended or will.

    Raises:
        NotAllowed: one of them is somebody else's; none was ended.
    """
    owners.refuse_others(identity, job_ids)
    outcomes = taskbuffer.kill(job_ids, code=code, by=identity.name)
    done = {taskbuffer.KillOutcome.ENDED, taskbuffer.KillOutcome.ORDERED}
    return [outcomes[job_id] in done for job_id in job_ids]


_COMMAND = Argument("command", TEXT, "softkill, debug, debugoff, nocleanup, or tail, ls, ps, du; empty for none.", "")


@method(*OWNERS, takes=(JOB_ID, _COMMAND))
def set_command(request: HttpRequest, identity: Identity, job_id: int, command: str) -> Any:
    """Have the pilot of a job told a command at each report, until there is another."""
    owners.refuse_others(identity, [job_id])
    taskbuffer.command(job_id, command)
    return True


@method(*OWNERS, takes=(JOB_ID, Argument("mode", TRUTH, "True switches it on.")))
def set_debug_mode(request: HttpRequest, identity: Identity, job_id: int, mode: bool) -> Any:
    """Switch the debug mode of a job on or off: short heartbeats with the last lines of its output."""
    owners.refuse_others(identity, [job_id])
    taskbuffer.command(job_id, (Command.DEBUG if mode else Command.DEBUG_OFF).value)
    return True
