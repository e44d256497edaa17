"""What stands in the data service, for the productions and the pages: a fixed number of queries, whatever there is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Max, Min, QuerySet

from server.dataservice.models import (
    Contact,
    Dataset,
    DatasetEvent,
    DatasetFile,
    Transfer,
    TransferEvent,
    TransferRequest,
    WaitingJob,
)
from server.dataservice.states import LIVING, RequestState, TransferState, values
from server.dataservice.why import why_waiting

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


def find_request(number: int) -> TransferRequest | None:
    return TransferRequest.objects.filter(pk=number).first()


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


def files_of(dataset: Dataset, *, most: int | None = None) -> list[DatasetFile]:
    """Answer files of a dataset with their replicas, by name."""
    return list(DatasetFile.objects.filter(dataset=dataset).prefetch_related("replicas").order_by("lfn")[:most])


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
