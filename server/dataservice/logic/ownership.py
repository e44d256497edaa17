"""Whose datasets are: each is the productions' or one user's, and no jobs but theirs write into it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.utils import timezone

from pilot.contract.codec import ContractError, shown
from pilot.contract.job import JobOrder
from server.dataservice.door import batches
from server.dataservice.logic.datasets import LONGEST, make_datasets
from server.dataservice.models import Dataset
from server.dataservice.states import DatasetKind
from server.taskbuffer.values import owner_of


@dataclass(frozen=True)
class _Wish:
    """That jobs of somebody write into a dataset; ``name`` is the parameter that says so."""

    owner: str
    kind: DatasetKind
    name: str


def claim_datasets(
    orders: Sequence[JobOrder], *, by: str, name: str = "jobs[{at}].dataset", now: datetime | None = None
) -> None:
    """Make the datasets that jobs will write their owner's, and refuse jobs that would write into somebody else's.

    Args:
        orders: The jobs.
        by: Who submits them.
        name: What the parameter is called, with the place of a job.
        now: The time.

    Raises:
        ContractError: a dataset is another user's, or the productions', or has too long a name; nothing was made.
    """
    wishes = _wishes(orders, name)
    if not wishes:
        return
    there = _there(wishes)
    for key, wish in wishes.items():
        if key in there and there[key].owner not in {None, wish.owner}:
            raise _refusal(wish, there[key])
    mine = {key: wish.owner for key, wish in wishes.items() if key not in there or there[key].owner is None}
    if mine:
        _make(mine, wishes, by, now or timezone.now())


@transaction.atomic
def _make(owners: dict[tuple[str, str], str], wishes: dict[tuple[str, str], _Wish], by: str, now: datetime) -> None:
    wanted = [(*key, wishes[key].kind) for key in owners]
    for key, dataset in make_datasets(wanted, by=by, now=now, owners=owners).items():
        if dataset.owner != owners[key]:  # somebody was faster
            raise _refusal(wishes[key], dataset)


def _refusal(wish: _Wish, dataset: Dataset) -> ContractError:
    words = f"{wish.name}: {shown(str(dataset))} is {dataset.whose}, and no other jobs write into it; name another one"
    return ContractError(words, field_name=wish.name)


def _there(keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Dataset]:
    names = sorted({name for _, name in keys})
    rows = (row for batch in batches(names) for row in Dataset.objects.filter(name__in=batch))
    return {(row.scope, row.name): row for row in rows}


def _wishes(orders: Sequence[JobOrder], name: str) -> dict[tuple[str, str], _Wish]:
    """Gather what datasets are written into.

    Raises:
        ContractError: jobs of two would write into the same, or a name is longer than what a dataset has.
    """
    found: dict[tuple[str, str], _Wish] = {}
    for key, wish in _written(orders, name):
        _check_length(key, wish)
        first = found.setdefault(key, wish)
        if first.owner != wish.owner:
            words = f"{wish.name}: {shown(key[1])} is what {first.name} is, of somebody else; name another one"
            raise ContractError(words, field_name=wish.name)
    return found


def _check_length(key: tuple[str, str], wish: _Wish) -> None:
    for what, text in zip(("scope", "name"), key, strict=True):
        if len(text) > LONGEST[what]:
            words = f"{wish.name}: its {what}, {shown(text)}, has {len(text)} characters; at most {LONGEST[what]}"
            raise ContractError(words, field_name=wish.name)


def _written(orders: Sequence[JobOrder], name: str) -> Iterator[tuple[tuple[str, str], _Wish]]:
    for at, order in enumerate(orders):
        spec, owner = order.spec, owner_of(order.spec.label, order.spec.user)
        for file in spec.outputs:
            if file.dataset:
                yield (file.scope, file.dataset), _Wish(owner, DatasetKind.OUTPUT, name.format(at=at))
        if spec.log and spec.log.dataset:
            yield (spec.log.scope, spec.log.dataset), _Wish(owner, DatasetKind.LOG, name.format(at=at))
