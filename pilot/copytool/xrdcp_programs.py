"""What the copy tool ``xrdcp`` does by the programs ``xrdcp`` and ``xrdfs``: a process for each thing to do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Optional

from pilot.copytool.base import Cancel, Deadline, FileFacts, Setup
from pilot.copytool.program import Ran, run
from pilot.copytool.xrdcp_words import LONGEST, Place, copied, failure, found
from pilot.settings.xrdcp import Xrdcp as Section

#: Seconds by which the programs' own time-outs are later than a deadline.
_MARGIN = 5.0


class Programs:
    """Has a file's checksum computed while it is copied."""

    def __init__(self, settings: Section, environment: Mapping[str, str], setup: Setup) -> None:
        self._settings, self._environment, self._setup = settings, environment, setup

    def copy(self, source: str, target: str, algorithm: str, deadline: Deadline, cancel: Cancel) -> FileFacts:
        """Copy a file from or to a server, and answer the facts of the end that is on this machine."""
        streams, options, stores = self._settings.streams, self._settings.options, source.startswith("/")
        several = ["--streams", str(streams)] if streams > 1 else []
        sum_ = f"{algorithm}:source" if stores else f"{algorithm}:print"
        words = ["--nopbar", "--force", "--posc", "--cksum", sum_, *several, *options]
        ran = self._run(["xrdcp", *words, source, target], deadline, cancel)
        if ran.status:
            raise failure(ran, target if stores else source)
        return copied(ran.output + ran.errors, algorithm)

    def stat(self, place: Place, deadline: Deadline) -> FileFacts:
        """Answer the size of a file; what is not there is a failure."""
        return found(self._ask(place, ["stat", place.path], deadline), place.url)

    def checksum(self, place: Place, algorithm: str, deadline: Deadline) -> str:
        """Answer what a server says of a file's checksum."""
        words = ["query", "checksum", f"{place.path}?cks.type={algorithm}"]
        return self._ask(place, words, deadline, silence=LONGEST)

    def space(self, place: Place, deadline: Deadline) -> str:
        """Answer what a server says of the space that there is for a file."""
        return self._ask(place, ["query", "space", place.path], deadline)

    def rename(self, place: Place, path: str, deadline: Deadline) -> None:
        """Give a file another name; what has that already is replaced."""
        self._ask(place, ["mv", place.path, path], deadline)

    def remove(self, place: Place, deadline: Deadline) -> None:
        """Remove a file; one that is not there is a failure."""
        self._ask(place, ["rm", place.path], deadline)

    def _ask(self, place: Place, words: Sequence[str], deadline: Deadline, silence: Optional[float] = None) -> str:
        ran = self._run(["xrdfs", place.server, *words], deadline, silence=silence)
        if ran.status:
            raise failure(ran, place.url)
        return ran.output

    def _run(
        self,
        arguments: Sequence[str],
        deadline: Deadline,
        cancel: Optional[Cancel] = None,
        silence: Optional[float] = None,
    ) -> Ran:
        settings = self._settings
        # Beyond the deadline: what is given up by then is killed, and told as late, rather than by what came of that.
        left = min(deadline.left() + _MARGIN, LONGEST)
        seconds = {
            "XRD_TIMEOUTRESOLUTION": 1.0,
            "XRD_CONNECTIONWINDOW": min(settings.connect, left),
            "XRD_STREAMTIMEOUT": min(silence or settings.silence, left),
            "XRD_REQUESTTIMEOUT": left,  # a file may have to come from tape
            "XRD_CPINITTIMEOUT": left,
        }
        environment = {**self._environment, **{name: str(math.ceil(value)) for name, value in seconds.items()}}
        environment["XRD_CONNECTIONRETRY"] = "1"  # the engine tries again, maybe elsewhere
        return run(arguments, deadline, cancel, environment=environment, setup=self._setup)
