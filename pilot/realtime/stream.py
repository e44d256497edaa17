"""One job's lines on their way to a log service."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Callable, Optional

from pilot.realtime.records import Lines, Origin, records_of
from pilot.realtime.services.base import NotSent, Unwanted

if TYPE_CHECKING:
    from pilot.realtime.records import Record
    from pilot.realtime.sending import Sending
    from pilot.realtime.tail import Piece, Tail

log = logging.getLogger(__name__)


class Stream:
    """``mask`` overwrites secrets in a text; ``until``: the time by which a job that has ended is let go."""

    def __init__(self, origin: Origin, tails: Sequence[Tail], sending: Sending, mask: Callable[[str], str]) -> None:
        self.origin, self.tails, self.sending, self._mask = origin, tails, sending, mask
        self.until: Optional[float] = None
        self._pending: dict[Tail, tuple[Piece, list[Record]]] = {}

    @property
    def waits(self) -> bool:
        """Whether something was read that is not taken yet."""
        return bool(self._pending)

    def send(self, timeout: float) -> bool:
        """Send what there is of each file, some lines of it; False when there is no more, or it is not taken now."""
        more = False
        for tail in self.tails:
            found = self._pending.get(tail) or self._next(tail)
            if found is None:
                continue
            self._pending[tail] = found  # sent again as it is, should it not be taken: services know it by that
            piece, records = found
            try:
                self.sending.send(records, timeout)
            except Unwanted:
                tail.refused(piece)
            except NotSent:
                return False
            else:
                tail.sent(piece)
            del self._pending[tail]
            more = True
        return more

    def _next(self, tail: Tail) -> Optional[tuple[Piece, list[Record]]]:
        piece = tail.read(ended=self.until is not None)
        if piece is None:
            return None
        lines = piece.lines
        # All at once: each secret is looked for in some hundred kilobytes, not in each of a thousand lines.
        texts = self._mask("\n".join(lines.texts)).split("\n")
        return piece, records_of(self.origin, Lines(lines.file, lines.first, texts, lines.dropped), time.time())

    def close(self) -> None:
        """Let the files go, and say what was never sent."""
        left, lost = sum(tail.left() for tail in self.tails), sum(tail.lost for tail in self.tails)
        if left or lost:
            words = "job %d.%d: %d lines were left out of the log service, and %d bytes at the end"
            log.warning(words, self.origin.job, self.origin.attempt, lost, left)
        for tail in self.tails:
            tail.close()
