"""What others may ask of the data service, one module per subject."""

from __future__ import annotations

from server.dataservice.logic.acts import act_on, give_up, let_go, release, try_again
from server.dataservice.logic.datasets import (
    DatasetRefused,
    NewFile,
    add_files,
    close,
    freeze,
    register_dataset,
    reopen,
)
from server.dataservice.logic.ownership import claim_datasets
from server.dataservice.logic.requests import (
    RequestRefused,
    request_archive,
    request_delete,
    request_prestage,
    request_replicate,
)

__all__ = [
    "DatasetRefused",
    "NewFile",
    "RequestRefused",
    "act_on",
    "add_files",
    "claim_datasets",
    "close",
    "freeze",
    "give_up",
    "let_go",
    "register_dataset",
    "release",
    "reopen",
    "request_archive",
    "request_delete",
    "request_prestage",
    "request_replicate",
    "try_again",
]
