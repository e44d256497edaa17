"""Asks a server for event ranges and reports them, in either dialect: the part of a `Communicator` that does so."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Callable

from pilot.api import replies
from pilot.contract import routes
from pilot.contract.codec import ContractError, Dialect

if TYPE_CHECKING:
    from pilot.contract.events import EventAnswer, EventJob, EventRange, EventReport

_ASK = {Dialect.V1: routes.EVENT_RANGES_V1, Dialect.LEGACY: routes.EVENT_RANGES}
_TELL = {Dialect.V1: routes.EVENT_UPDATES_V1, Dialect.LEGACY: routes.EVENT_UPDATES}


class EventCalls:
    """What a `Communicator` says about event ranges. Thread-safe, as that is."""

    if TYPE_CHECKING:

        @property
        def announced(self) -> bool: ...  # noqa: D102  # of Communicator, as the next

        def _speak(self, send: Callable[[Dialect], replies.Raw]) -> tuple[Dialect, replies.Raw]: ...

        def _post(
            self, dialect: Dialect, path: str, text: str, headers: Mapping[str, str], *, again: bool = True
        ) -> replies.Raw: ...

    def get_event_ranges(self, job: EventJob, count: int, request_id: str) -> tuple[EventRange, ...]:
        """Ask for up to so many event ranges of a job; none means that there are none left.

        ``request_id`` names this request: a server of our kind gives the same ranges again when it is asked again under
        it. To any other the request is sent once: a second one would get further ranges.

        Raises:
            replies.ServerError: there was no answer, or one that is none. `replies.NotYet`: it will come later.
        """

        def send(dialect: Dialect) -> replies.Raw:
            again = dialect is Dialect.V1 and self.announced
            text = json.dumps(job.request(count, dialect))
            return self._post(dialect, _ASK[dialect], text, {routes.REQUEST_ID: request_id}, again=again)

        from pilot.contract.events import read_ranges

        dialect, said = self._speak(send)
        found = replies.opened(said, dialect)
        try:
            return read_ranges(found.get("eventRanges") if dialect is Dialect.LEGACY else found)
        except ContractError as wrong:
            raise replies.BadAnswer(str(wrong)) from wrong

    def update_events(self, report: EventReport) -> EventAnswer:
        """Report event ranges. The same report may be repeated: a range has one end, the first that is told.

        Raises:
            replies.ServerError: it was not taken.
        """

        def send(dialect: Dialect) -> replies.Raw:
            return self._post(dialect, _TELL[dialect], json.dumps(report.request(dialect)), {})

        if not report.ends:
            from pilot.contract.events import EventAnswer

            return EventAnswer(())  # nothing was said, and PanDA's server would break over it
        dialect, said = self._speak(send)
        try:
            return _answer(replies.opened(said, dialect), report)
        except (replies.ServerBroke, replies.BadAnswer):
            if dialect is Dialect.LEGACY or self.announced:
                raise
        # PanDA's newer address takes a report, and then breaks over its own answer; the older one does not.
        return _answer(replies.opened(send(Dialect.LEGACY), Dialect.LEGACY), report)


def _answer(found: Any, report: EventReport) -> EventAnswer:
    from pilot.contract.events import read_answer

    found = found if isinstance(found, Mapping) else {}
    try:
        answer = read_answer(found.get("Returns"), found.get("Commands", found.get("Command")), report)
    except ContractError as wrong:
        raise replies.BadAnswer(str(wrong)) from wrong
    if answer is None:
        raise replies.ServerBroke("the server gave up a report on event ranges")
    return answer
