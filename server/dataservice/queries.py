"""What stands in the data service, for the productions and the pages: a fixed number of queries, whatever there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Count, Max, Min, QuerySet

from server.dataservice.bounds import Bound, bound_of, given_up_when
from server.dataservice.models import (
    Contact,
    Dataset,
    DatasetEvent,
    DatasetFile,
    RequestEvent,
    Transfer,
    TransferEvent,
    TransferRequest,
    WaitingJob,
)
from server.dataservice.states import LIVING, Act, RequestState, TransferKind, TransferState, values
from server.dataservice.where import Places
from server.dataservice.why import explain_request, why_waiting

__all__ = ["why_waiting"]


@dataclass(frozen=True)
class RequestLine:
    """A request as a page shows it. ``oldest`` is when the file that has stood still longest came into its state."""

    request: TransferRequest
    states: dict[str, int]
    tries: int
    oldest: datetime | None
    words: str
    silent_since: datetime | None

    @property
    def state(self) -> str:
        """How far it is: the state of most files that are still to be done, else its own."""
        living = {state: n for state, n in self.states.items() if state in values(LIVING)}
        if self.request.state != RequestState.OPEN or not living:
            return str(self.request.state)
        return max(living, key=lambda state: living[state])

    @property
    def done(self) -> int:
        ended = (TransferState.VERIFIED, TransferState.PINNED, TransferState.EXPIRED)
        return sum(self.states.get(state.value, 0) for state in ended)

    @property
    def failed(self) -> int:
        return self.states.get(TransferState.FAILED.value, 0)

    @property
    def acts(self) -> list[Act]:
        """What a person may do about it now."""
        is_open = self.request.state == RequestState.OPEN
        can = {
            Act.TRY_AGAIN: self.failed > 0,
            Act.RELEASE: is_open and self.request.kind == TransferKind.PRESTAGE,
            Act.GIVE_UP: is_open,
        }
        return [act for act, possible in can.items() if possible]

    def as_json(self) -> dict[str, Any]:
        request = self.request
        names = ("kind", "endpoint", "files", "by", "given_up_by", "given_up_why")
        times = ("created", "asked", "closed", "given_up_at")
        return {
            "id": request.pk,
            **{name: getattr(request, name) for name in names},
            **{name: plain(getattr(request, name)) for name in times},
            "state": self.state,
            "states": self.states,
            "tries": self.tries,
            "oldest": plain(self.oldest),
            "words": self.words,
            "silent_since": plain(self.silent_since),
            "acts": [act.value for act in self.acts],
        }


def plain(moment: datetime | None) -> str | None:
    """Write a time as JSON has it."""
    return None if moment is None else moment.isoformat()


@dataclass(frozen=True)
class RequestPage:
    """A request with its files, what happened to them last, when it is given up and what people did about it."""

    line: RequestLine
    transfers: list[Transfer]
    moves: list[TransferEvent]
    acts: list[RequestEvent]
    bound: Bound
    gives_up_at: datetime | None
    explained: list[str]
    most: int

    @property
    def request(self) -> TransferRequest:
        return self.line.request

    def as_json(self) -> dict[str, Any]:
        names = ("state", "tries", "allowed", "endpoint", "source", "answer", "words", "pins")
        times = ("since", "due", "pinned_until", "wanted_until", "answer_since")
        return {
            **self.line.as_json(),
            "explained": self.explained,
            "bound": {
                "seconds": self.bound.age.total_seconds(),
                "told_by": self.bound.told_by,
                "gives_up_at": plain(self.gives_up_at),
            },
            "done": [
                {"act": one.act, "files": one.files, "at": plain(one.at), "by": one.by, "why": one.why}
                for one in self.acts
            ],
            "transfers": [
                {
                    "lfn": one.file.lfn,
                    **{name: getattr(one, name) for name in names},
                    **{name: plain(getattr(one, name)) for name in times},
                }
                for one in self.transfers
            ],
            "moves": [
                {"lfn": one.transfer.file.lfn, "before": one.before, "after": one.after, "at": plain(one.at)}
                | {"by": one.by, "tries": one.tries, "words": one.words}
                for one in self.moves
            ],
        }


def request_page(number: int, *, now: datetime, most: int = 200) -> RequestPage | None:
    """Answer everything about a request: a fixed number of queries."""
    request = find_request(number)
    if request is None:
        return None
    (line,) = request_lines([request])
    bound = bound_of(request, Places())
    return RequestPage(
        line,
        transfers_of(request, most=most),
        moves_of_request(request, most=most),
        list(RequestEvent.objects.filter(request=request).order_by("-pk")),
        bound,
        given_up_when(request, bound) if request.state == RequestState.OPEN else None,
        explain_request(line, bound, now),
        most,
    )


def find_request(number: int) -> TransferRequest | None:
    return TransferRequest.objects.filter(pk=number).first()


def requests_in(states: Sequence[RequestState], *, most: int) -> list[RequestLine]:
    """Answer the latest requests in some states, newest first."""
    rows = TransferRequest.objects.filter(state__in=values(states)).order_by("-pk")
    return request_lines(list(rows[:most]))


def latest_requests(most: int = 50) -> list[RequestLine]:
    """Answer the open requests, oldest first, then the latest of those that have ended."""
    still = list(TransferRequest.objects.filter(state=RequestState.OPEN).order_by("pk")[:most])
    over = TransferRequest.objects.exclude(state=RequestState.OPEN).order_by("-pk")[: most - len(still)]
    return request_lines([*still, *over])


def request_lines(requests: Sequence[TransferRequest]) -> list[RequestLine]:
    """Answer how requests stand, in three queries for all of them."""
    keys = [request.pk for request in requests]
    counts: dict[int, Counter[str]] = {key: Counter() for key in keys}
    tries: Counter[int] = Counter()
    oldest: dict[int, datetime] = {}
    rows = Transfer.objects.filter(request__in=keys).order_by().values_list("request", "state")
    for key, state, n, most, since in rows.annotate(n=Count("*"), most=Max("tries"), since=Min("since")):
        counts[key][state] += n
        tries[key] = max(tries[key], most)
        if state in values(LIVING):
            oldest[key] = min(since, oldest.get(key, since))
    words, silent = _words(keys), silent_storages()
    return [
        RequestLine(
            request,
            dict(counts[request.pk]),
            tries[request.pk],
            oldest.get(request.pk),
            words.get(request.pk, ""),
            silent.get(request.endpoint),
        )
        for request in requests
    ]


def _words(keys: Sequence[int]) -> dict[int, str]:
    """Answer what went wrong with most files of each request that are not done."""
    unwell = Transfer.objects.filter(request__in=keys).exclude(words="")
    unwell = unwell.exclude(state__in=(TransferState.VERIFIED, TransferState.EXPIRED, TransferState.PINNED))
    rows = unwell.order_by().values_list("request", "words").annotate(n=Count("*"))
    found: dict[int, tuple[int, str]] = {}
    for key, words, n in rows:
        found[key] = max(found.get(key, (0, "")), (n, words))
    return {key: words for key, (_, words) in found.items()}


def silent_storages() -> dict[str, datetime]:
    """Answer the storages that do not answer, and since when."""
    rows = Contact.objects.filter(silent_since__isnull=False).values_list("endpoint", "silent_since")
    return {endpoint: since for endpoint, since in rows if since is not None}


def contacts() -> list[Contact]:
    return list(Contact.objects.all())


def transfers_of(request: TransferRequest, *, most: int) -> list[Transfer]:
    """Answer files of a request: what failed or has stood still longest comes first."""
    rows = Transfer.objects.filter(request=request).select_related("file__dataset").order_by("since", "pk")
    failed = list(rows.filter(state=TransferState.FAILED)[:most])
    return [*failed, *rows.exclude(state=TransferState.FAILED)[: most - len(failed)]]


def moves_of_request(request: TransferRequest, *, most: int) -> list[TransferEvent]:
    """Answer the latest moves of a request's files."""
    rows = TransferEvent.objects.filter(transfer__request=request).select_related("transfer__file")
    return list(rows.order_by("-pk")[:most])


def latest_datasets(most: int = 50) -> list[Dataset]:
    return list(Dataset.objects.order_by("-changed", "-pk")[:most])


def find_dataset(number: int) -> Dataset | None:
    return Dataset.objects.filter(pk=number).first()


def dataset_named(name: str, scope: str = "") -> Dataset | None:
    return Dataset.objects.filter(name=name, scope=scope).first()


def newest_dataset(name: str) -> Dataset | None:
    """Answer the dataset of a name, whatever its scope: the newest, if there are several."""
    return Dataset.objects.filter(name=name).order_by("-pk").first()


def files_of(dataset: Dataset, *, most: int | None = None, skipped: int = 0, without: str = "") -> list[DatasetFile]:
    """Answer files of a dataset with their replicas, by name.

    Args:
        dataset: The dataset.
        most: At most so many; all if left out.
        skipped: So many of the first are passed over.
        without: Files that have this in their names are none of them.
    """
    rows = DatasetFile.objects.filter(dataset=dataset).prefetch_related("replicas").order_by("lfn")
    rows = rows.exclude(lfn__contains=without) if without else rows
    return list(rows[skipped : None if most is None else skipped + most])


def files_named(dataset: Dataset, lfns: Iterable[str]) -> list[DatasetFile]:
    """Answer the files of these names that are in a dataset with their replicas, by name."""
    found: list[DatasetFile] = []
    names = sorted(set(lfns))
    for start in range(0, len(names), 500):
        rows = DatasetFile.objects.filter(dataset=dataset, lfn__in=names[start : start + 500])
        found += rows.prefetch_related("replicas").order_by("lfn")
    return found


def moves_of_dataset(dataset: Dataset) -> list[DatasetEvent]:
    return list(DatasetEvent.objects.filter(dataset=dataset).order_by("pk"))


def waiting_jobs() -> int:
    """Count the jobs that wait for files."""
    return WaitingJob.objects.count()


def file_numbers(dataset: Dataset, lfns: Iterable[str]) -> dict[str, int]:
    """Answer the numbers of files by their names, as requests take them; what is not known is left out."""
    found: dict[str, int] = {}
    names = sorted(set(lfns))
    for start in range(0, len(names), 500):
        rows: QuerySet[DatasetFile] = DatasetFile.objects.filter(dataset=dataset, lfn__in=names[start : start + 500])
        found.update(dict(rows.values_list("lfn", "pk")))
    return found
