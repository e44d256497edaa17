"""Whose jobs are whose: a user submits in its own name, and acts on its own jobs alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from django.conf import settings

from pilot.contract.codec import ContractError
from pilot.contract.job import JobOrder
from server.accounts import rules
from server.accounts.rules import Identity, Role
from server.production import queries as production
from server.production.files import refuse_area
from server.production.models import Task
from server.production.states import TaskType
from server.production.user_definition import UserDefinition
from server.taskbuffer import queries
from server.taskbuffer.values import USERS_LABELS


def refuse_others(identity: Identity, job_ids: Iterable[int]) -> None:
    """Refuse who may not end all of these jobs, or look into them; one that is not known is nobody's.

    Raises:
        NotAllowed: one of them is somebody else's.
    """
    if identity.role not in {Role.ADMIN, Role.PRODUCTION}:
        rules.refuse_others(identity, queries.owners_of(job_ids))


def refuse_queue(identity: Identity, queue: str, name: str) -> None:
    """Refuse who speaks for other queues than this one.

    Raises:
        NotAllowed: so it is.
    """
    if not identity.may_serve(queue):
        allowed = ", ".join(sorted(identity.queues))
        raise rules.NotAllowed(f"{name}: this token is for {allowed}, not for {queue or 'no queue'}; nothing was done")


def as_their_own(identity: Identity, orders: Sequence[JobOrder]) -> Sequence[JobOrder]:
    """Put a user's name and label on what it submits; a production may submit in anybody's name.

    Raises:
        ContractError: a user submits in another name, or what only a production may, such as to choose a share.
    """
    if identity.role is not Role.USER:
        return orders
    tasks = production.owners_of_user_tasks(order.spec.task_id for order in orders if order.spec.task_id is not None)
    return [_own(identity.person, order, f"jobs[{at}].", tasks) for at, order in enumerate(orders)]


def _own(person: str, order: JobOrder, where: str, tasks: Mapping[int, str]) -> JobOrder:
    spec = order.spec
    refuse_name(person, spec.user, f"{where}prodUserName")
    label = label_of(spec.label, f"{where}prodSourceLabel")
    refuse_priority(spec.priority, f"{where}currentPriority")
    if spec.task_id is not None and tasks.get(spec.task_id) != person:
        name = f"{where}jediTaskID"
        words = f"{name}: {spec.task_id} is no task of yours; leave it out, or submit a task and name its number"
        raise ContractError(words, field_name=name)
    for file in (*spec.outputs, *((spec.log,) if spec.log else ())):
        refuse_area(file.dataset, f"{where}dataset")
    if order.share:  # by which it would go before others, and past its own limits
        name = f"{where}gshare"
        words = f"{name}: a user's jobs have the share of their kind, not {order.share!r}; leave it out"
        raise ContractError(words, field_name=name)
    return order._replace(spec=replace(spec, user=person, label=label))


def refuse_name(person: str, said: str, name: str) -> None:
    """Refuse a user who submits in somebody else's name.

    Raises:
        ContractError: so it is.
    """
    if said not in {"", person}:
        raise ContractError(f"{name}: {said!r} is not {person!r}, in whose name you submit", field_name=name)


def label_of(said: str, name: str) -> str:
    """Answer what a user's jobs are called.

    Raises:
        ContractError: this is not for users.
    """
    label = USERS_LABELS[0] if said in {"", "managed"} else said
    if label not in USERS_LABELS:
        raise ContractError(f"{name}: {label!r} is not one of a user's: {', '.join(USERS_LABELS)}", field_name=name)
    return label


def refuse_priority(said: int, name: str) -> None:
    """Refuse a user who would go before the productions.

    Raises:
        ContractError: so it is.
    """
    highest: int = settings.ENVIRONMENT.user_priority
    if said > highest:
        words = f"{name}: {said} is above {highest}, the highest of a user; give {highest} or less"
        raise ContractError(words, field_name=name)


def refuse_task_of_others(identity: Identity, task: Task) -> None:
    """Refuse a user who would act on a task that is not its own; those of a production are a production's.

    Raises:
        NotAllowed: so it is.
    """
    if identity.role is Role.USER and (task.type != TaskType.USER_ANALYSIS or task.owner != identity.person):
        words = f"task_id: {task.pk} is {task.owner}'s; you may act on your own tasks alone; nothing was done"
        raise rules.NotAllowed(words, status=200)


def task_as_its_own(identity: Identity, definition: UserDefinition) -> tuple[str, str, int]:
    """Answer the owner, label and priority of a task that is submitted; a production may submit in anybody's name.

    Raises:
        ContractError: a user submits in another name, or what only a production may.
    """
    priority = definition.priority or 0
    if identity.role is not Role.USER:
        owner = definition.user or identity.person or identity.name
        return owner, definition.label or USERS_LABELS[0], priority
    refuse_name(identity.person, definition.user, "userName")
    refuse_priority(priority, "taskPriority")
    return identity.person, label_of(definition.label, "prodSourceLabel"), priority
