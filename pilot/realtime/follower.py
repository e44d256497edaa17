"""Follows the files of every job whose lines are sent: what is looked at, and when."""

from __future__ import annotations

from pathlib import Path
from typing import IO, TYPE_CHECKING, Callable, NamedTuple, Optional

from pilot.realtime.noticing import CREATED, MODIFIED, MOVED_TO, Noticing
from pilot.realtime.sending import Sending
from pilot.realtime.services import make_service
from pilot.realtime.stream import Stream
from pilot.realtime.tail import Tail, may_be_shared

if TYPE_CHECKING:
    from pilot.realtime.choice import Wish
    from pilot.realtime.records import Origin
    from pilot.realtime.services.base import Access
    from pilot.settings.realtime import Realtime

Key = tuple[int, int]
#: So many batches of each job are sent before somebody else may say something.
ROUNDS = 20


class Means(NamedTuple):
    """``mask`` overwrites secrets; ``open_file`` opens what a payload may have put there; ``clock`` answers seconds.

    ``shared`` says of an open file whether it may be written without this machine's kernel knowing of it.
    """

    settings: Realtime
    mask: Callable[[str], str]
    open_file: Callable[[Path], IO[bytes]]
    clock: Callable[[], float]
    shared: Callable[[int], bool] = may_be_shared


class Follower:
    """Used by one thread."""

    def __init__(self, means: Means, noticing: Optional[Noticing] = None) -> None:
        self._means, self._settings = means, means.settings
        self.noticing = noticing or Noticing()
        self.noticed = True  # something may be there
        self._streams: dict[Key, Stream] = {}
        self._sendings: dict[tuple[str, Access], Sending] = {}
        self._watches: dict[Key, dict[Optional[Tail], int]] = {}
        self._looked_at = float("-inf")

    @property
    def busy(self) -> bool:
        """Whether anything is followed."""
        return bool(self._streams)

    def follows(self, key: Key) -> bool:
        """Whether this job is."""
        return key in self._streams

    def begin(self, origin: Origin, root: Path, wish: Wish, access: Access) -> None:
        """Follow a job's files, which need not be there yet.

        Raises:
            ConfigError: what the service needs is not there.
        """
        key, name = (origin.job, origin.attempt), str(wish.address)
        if (name, access) not in self._sendings:
            service = make_service(wish.address, access)
            self._sendings[name, access] = Sending(service, name, self._settings, self._means.clock)
        tails = [Tail(root, file, self._settings.behind, self._means.open_file) for file in wish.files]
        self._streams[key] = Stream(origin, tails, self._sendings[name, access], self._means.mask)
        folder = self.noticing.watch(root, CREATED | MOVED_TO)
        self._watches[key] = {} if folder is None else {None: folder}
        self.noticed = True

    def end(self, key: Key) -> None:
        """Note that nobody writes a job's files any more; what is left of them is sent soon or not at all."""
        if (stream := self._streams.get(key)) is not None and stream.until is None:
            stream.until = self._means.clock() + self._settings.at_end
            self.noticed = True

    def next_look(self) -> Optional[float]:
        """Answer when to look next; ``None``: when something is noticed."""
        if not self._streams:
            return None
        streams = self._streams.values()
        times = [stream.until for stream in streams if stream.until is not None]
        times += [self._next_try(stream) for stream in streams if self.noticed or stream.waits]
        if self._has_unwatched():
            times.append(self._looked_at + self._settings.look)
        return min(times, default=None)

    def _next_try(self, stream: Stream) -> float:
        """Answer when to send what there may be of a job: soon, after its end at once, not while its service rests."""
        soon = self._looked_at + self._settings.wait if stream.until is None or stream.waits else float("-inf")
        return max(soon, stream.sending.retry_at)

    def _has_unwatched(self) -> bool:
        """Say whether some file has to be looked at from time to time, because the kernel does not tell of it."""
        return any(
            tail not in self._watches[key]
            and (tail.opened is not None or None not in self._watches[key] or "/" in tail.name)
            for key, stream in self._streams.items()
            for tail in stream.tails
        )

    def look(self) -> None:
        """Send what there is. Watches come first: what is written between the two is noticed."""
        self.noticed = False
        if self.noticing.works:
            self.noticing.drain()
        self._looked_at = self._means.clock()
        enough, waiting = self._looked_at + self._settings.timeout, list(self._streams.items())
        for _ in range(ROUNDS):  # in turn, so that no job waits for another's many lines
            late = self._means.clock() > enough  # services are slow, and somebody else may have something to say
            waiting = [(key, stream) for key, stream in waiting if late or self._send(key, stream)]
        self.noticed = self.noticed or bool(waiting)
        self._let_go()

    def _send(self, key: Key, stream: Stream) -> bool:
        self._watch(key, stream)
        now = self._means.clock()
        if now < stream.sending.retry_at:
            return False
        timeout = self._settings.timeout
        if stream.until is not None:
            timeout = min(timeout, max(stream.until - now, 0.05))
        more = stream.send(timeout)
        self._watch(key, stream)
        return more and (stream.until is None or self._means.clock() < stream.until)

    def _watch(self, key: Key, stream: Stream) -> None:
        """Watch each file as soon as it is open, and the folder only until then."""
        watches = self._watches[key]
        for tail in stream.tails:
            if tail not in watches and tail.opened is not None:
                alone = not self._means.shared(int(tail.opened.name))
                found = self.noticing.watch(tail.opened, MODIFIED) if alone else None
                if found is not None:
                    watches[tail] = found
                    self.noticed = True  # something may have been written since it was read
        if None in watches and all(tail.opened is not None for tail in stream.tails):
            self.noticing.leave(watches.pop(None))

    def _let_go(self) -> None:
        now = self._means.clock()
        for key, stream in list(self._streams.items()):
            done = not any(tail.left() for tail in stream.tails)
            if stream.until is not None and (done or now >= stream.until):
                self._forget(key, stream)

    def _forget(self, key: Key, stream: Stream) -> None:
        for watch in self._watches.pop(key).values():
            self.noticing.leave(watch)
        stream.close()
        del self._streams[key]

    def followed(self) -> tuple[Key, ...]:
        """Name the jobs that are followed."""
        return tuple(self._streams)

    def drop(self, key: Key) -> None:
        """Follow a job no more, at once."""
        if key in self._streams:
            self._forget(key, self._streams[key])

    def finish(self) -> None:
        """Send what is left of everything, as far as the services are well and there is time; let all go."""
        for key in self._streams:
            self.end(key)
        while self._streams and self.noticed:
            self.look()
        for key, stream in list(self._streams.items()):
            self._forget(key, stream)
        for sending in self._sendings.values():
            sending.close()
        self.noticing.close()
