"""What a job may ask for in PanDA that this pilot would get wrong if it passed it over: refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pilot.contract.codec import ContractError, says_something, shown

#: Words among a job's parameters by which PanDA's pilots change what they know of queue and storages.
WORDS = {
    "--overwriteQueueData": "no job changes its queue",
    "--overwriteStorageData": "no job changes a storage",
}
FIELDS = {"writeToFile": "only jobs that merge have lists of inputs in files; name the inputs among the arguments"}
#: How a field says that nothing is asked for.
_NOT_WANTED = ("false", "0", "{}")


def refuse(job: Mapping[str, Any]) -> None:
    """Look at a job's dictionary.

    Raises:
        ContractError: it asks for one of these things.
    """
    merges = str(job.get("eventServiceMerge")).lower() == "true"
    for name, why in FIELDS.items():
        raw = None if merges else job.get(name)
        if says_something(raw) and str(raw).lower() not in _NOT_WANTED:
            raise ContractError(f"{name}: {shown(raw)} asks for what this pilot does not do: {why}", field_name=name)
    parameters = str(job.get("jobPars") or "")
    for word, why in WORDS.items():
        if word in parameters:
            text = f"jobPars: {word} asks for what this pilot does not do: {why}"
            raise ContractError(text, field_name="jobPars")
