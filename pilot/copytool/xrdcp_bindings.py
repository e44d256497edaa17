"""What the copy tool ``xrdcp`` does by XRootD's own Python module: a call for each thing to do, in a process apart."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from typing import Any, Optional

from pilot.copytool.apart import Apart, shared
from pilot.copytool.base import Cancel, CopyFailed, Deadline, FailureKind, FileFacts, Setup
from pilot.copytool.program import Ran
from pilot.copytool.xrdcp_words import LONGEST, Place, failure, no_file, sum_of
from pilot.settings.xrdcp import Xrdcp as Section

MODULE = "pilot.copytool.xrdcp_apart"
#: Seconds for a Python to say whether it has the module.
_LOOK = 60.0


class Bindings:
    """Does by the module what `pilot.copytool.xrdcp_programs` does by programs."""

    def __init__(self, settings: Section, environment: Mapping[str, str], setup: Setup) -> None:
        self._settings, self._environment, self._setup = settings, environment, setup

    def there(self) -> bool:
        """Say whether there is such a module; a Python is asked once."""
        return _has_module(self._way())

    def copy(self, source: str, target: str, algorithm: str, deadline: Deadline, cancel: Cancel) -> FileFacts:
        given = {"source": source, "target": target, "algorithm": algorithm}
        copied = self._call("copy", given, target if source.startswith("/") else source, deadline, cancel)
        return FileFacts(copied["size"], sum_of(algorithm, copied["sum"]))

    def stat(self, place: Place, deadline: Deadline) -> FileFacts:
        found = self._ask("stat", place, deadline)
        if found["folder"]:
            raise no_file(place.url)
        return FileFacts(found["size"])

    def checksum(self, place: Place, algorithm: str, deadline: Deadline) -> str:
        path = f"{place.path}?cks.type={algorithm}"
        given = {"server": place.server, "what": "checksum", "path": path}
        return str(self._call("query", given, place.url, deadline, silence=LONGEST))

    def space(self, place: Place, deadline: Deadline) -> str:
        return str(self._ask("query", place, deadline, what="space"))

    def rename(self, place: Place, path: str, deadline: Deadline) -> None:
        self._ask("rename", place, deadline, target=path)

    def remove(self, place: Place, deadline: Deadline) -> None:
        self._ask("remove", place, deadline)

    def _ask(self, function: str, place: Place, deadline: Deadline, **more: Any) -> Any:
        return self._call(function, {"server": place.server, "path": place.path, **more}, place.url, deadline)

    def _call(
        self,
        function: str,
        arguments: Mapping[str, Any],
        url: str,
        deadline: Deadline,
        cancel: Optional[Cancel] = None,
        silence: Optional[float] = None,
    ) -> Any:
        try:
            answer = self._way(silence).call(function, arguments, deadline, cancel)
        except CopyFailed as failed:
            raise CopyFailed(failed.kind, f"{url.partition('?')[0]}: {failed.words}") from failed
        if "said" in answer:
            raise failure(Ran(answer["status"], "", answer["said"]), url)
        return answer["value"]

    def _way(self, silence: Optional[float] = None) -> Apart:
        settings = self._settings
        seconds = {
            "XRD_TIMEOUTRESOLUTION": 1.0,
            "XRD_CONNECTIONWINDOW": settings.connect,
            "XRD_STREAMTIMEOUT": silence or settings.silence,
            "XRD_REQUESTTIMEOUT": LONGEST,  # a file may have to come from tape; the process is killed in time
            "XRD_CPINITTIMEOUT": LONGEST,
        }
        variables = {name: str(math.ceil(value)) for name, value in seconds.items()}
        variables["XRD_CONNECTIONRETRY"] = "1"  # the engine tries again, maybe elsewhere
        if settings.streams > 1:
            variables["XRD_SUBSTREAMSPERCHANNEL"] = str(settings.streams)
        return shared(MODULE, settings.python, tuple({**self._environment, **variables}.items()), self._setup)


@functools.cache
def _has_module(way: Apart) -> bool:
    try:
        way.call("version", {}, Deadline(_LOOK))
    except CopyFailed as failed:
        return failed.kind is FailureKind.TIMEOUT  # the disk that it lies on hangs: not a sign that it is not there
    return True
