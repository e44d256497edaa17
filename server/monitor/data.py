"""What the pages on data show, gathered from the data service's queries, and the same as JSON."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from server.dataservice import queries as dataservice
from server.dataservice.queries import plain

if TYPE_CHECKING:
    from server.dataservice.models import Contact, Dataset, DatasetFile
    from server.dataservice.queries import RequestLine

#: Files and moves shown on one page.
MOST = 200


@dataclass(frozen=True)
class Contents:
    """All that the page on data shows."""

    requests: list[RequestLine]
    contacts: list[Contact]
    datasets: list[Dataset]
    waiting: int

    def as_json(self) -> dict[str, Any]:
        return {
            "requests": [line.as_json() for line in self.requests],
            "storages": [
                {
                    "name": one.endpoint,
                    "answered": plain(one.answered),
                    "silent_since": plain(one.silent_since),
                    "words": one.words,
                }
                for one in self.contacts
            ],
            "datasets": [dataset_json(one) for one in self.datasets],
            "waiting_jobs": self.waiting,
        }


def contents() -> Contents:
    """Gather the page: a fixed number of queries."""
    return Contents(
        requests=dataservice.latest_requests(),
        contacts=dataservice.contacts(),
        datasets=dataservice.latest_datasets(),
        waiting=dataservice.waiting_jobs(),
    )


def dataset_json(dataset: Dataset) -> dict[str, Any]:
    names = ("scope", "name", "owner", "kind", "state", "files", "expected", "available", "size", "events")
    return {"id": dataset.pk, **{name: getattr(dataset, name) for name in names}, "changed": plain(dataset.changed)}


@dataclass(frozen=True)
class DatasetPage:
    """A dataset with its files; ``most`` of them are shown."""

    dataset: Dataset
    files: list[DatasetFile]
    moves: list[Any]
    most: int = MOST

    def as_json(self) -> dict[str, Any]:
        return {
            **dataset_json(self.dataset),
            "contents": [
                {
                    **{
                        name: getattr(file, name)
                        for name in ("lfn", "state", "size", "checksum", "guid", "events", "job")
                    },
                    "replicas": [
                        {"endpoint": one.endpoint, "state": one.state, "path": one.path, "url": one.url}
                        for one in file.replicas.all()
                    ],
                }
                for file in self.files
            ],
            "moves": [
                {"before": one.before, "after": one.after, "at": plain(one.at), "by": one.by, "words": one.words}
                for one in self.moves
            ],
        }


def dataset_page(number: int, *, all_files: bool) -> DatasetPage | None:
    """Gather a dataset's page; its JSON twin has all files."""
    dataset = dataservice.find_dataset(number)
    if dataset is None:
        return None
    files = dataservice.files_of(dataset, most=None if all_files else MOST)
    return DatasetPage(dataset, files, dataservice.moves_of_dataset(dataset))
