"""One connection to a broker, from the greeting on: messages, acknowledgements, signs of life."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING, Callable

from pilot.broker.frames import Frame, NotStomp, Reader, write
from pilot.site.tls import encrypted

if TYPE_CHECKING:
    from pilot.broker.place import Place

SUBSCRIPTION = "pilot"
_RECEIPT = "subscribed"
#: So many messages are on their way at most; the others of a queue are for others. RabbitMQ's word, and ActiveMQ's.
FEW = {"prefetch-count": "10", "activemq.prefetchSize": "10"}
#: Of a sign of life that is expected, so many times its interval may pass: networks are slow.
PATIENCE = 2.0
#: Ours come so much earlier than was agreed: some brokers know no patience.
EARLY = 0.75
#: Of what a broker says of an error, so many characters are told.
TOLD = 200
#: What has come is read in so many turns before it is looked at: more may come than anybody can hold.
TURNS = 64
#: Signs of life that are further apart are none, in seconds.
SELDOM = 86400


class Lost(Exception):
    """The connection is no more, or was never made; the words say why."""


class Link:
    """Made by `connect`. ``clock`` answers seconds."""

    def __init__(self, plain: socket.socket, place: Place, clock: Callable[[], float]) -> None:
        self._socket, self._place, self._clock = plain, place, clock
        self._reader = Reader()
        self._early: list[Frame] = []
        #: Seconds between two signs of life of ours, and between two of the broker's; 0: none is wanted.
        self._gives = self._expects = 0.0
        self._said = self._heard = clock()

    def fileno(self) -> int:
        """What is waited for."""
        return self._socket.fileno()

    def greet(self) -> None:
        """Say who we are and what we listen to; wait for both to be taken."""
        place = self._place
        beat = str(int(place.beat * 1000))
        headers = {"accept-version": "1.2", "host": place.virtual_host, "heart-beat": f"{beat},{beat}"}
        if place.login.name:
            headers.update(login=place.login.name, passcode=place.login.password)
        self._send(Frame("CONNECT", headers))
        hello = self._expect("CONNECTED")
        self._agree(hello.headers.get("heart-beat", "0,0"))
        subscription = {"id": SUBSCRIPTION, "destination": place.destination, "ack": "client-individual", **FEW}
        self._send(Frame("SUBSCRIBE", {**subscription, "receipt": _RECEIPT}))
        self._expect("RECEIPT")
        self._socket.settimeout(place.timeout)

    def _agree(self, offered: str) -> None:
        try:
            gives, wants = (min(max(0, int(part)), SELDOM * 1000) / 1000 for part in offered.split(","))
        except ValueError:
            raise Lost(f"no heart-beat: {offered[:20]!r}") from None
        self._gives = max(self._place.beat, wants) * EARLY if wants else 0.0
        self._expects = max(self._place.beat, gives) if gives else 0.0

    def _expect(self, command: str) -> Frame:
        """Wait for a frame; messages that come before it are kept."""
        until = self._clock() + self._place.timeout
        kept: list[Frame] = []
        while True:
            while self._early:
                frame = self._early.pop(0)
                self._refuse_error(frame)
                if frame.command == command:
                    self._early = [*kept, *self._early]
                    return frame
                kept.append(frame)
            left = until - self._clock()
            if left <= 0:
                raise Lost(f"no {command} came within {self._place.timeout:.0f} s")
            self._socket.settimeout(left)
            self._early += self._read()

    def _read(self) -> list[Frame]:
        try:
            content = self._socket.recv(65536)
            if not content:
                raise Lost("the broker has closed the connection")
            self._heard = self._clock()
            return self._reader.feed(content)
        except (NotStomp, OSError) as wrong:
            raise Lost(f"{type(wrong).__name__}: {wrong}") from wrong

    def messages(self) -> list[Frame]:
        """Answer the messages that have come; does not wait.

        Raises:
            Lost: the connection is no more.
        """
        frames, self._early = [*self._early, *self._arrived()], []
        for frame in frames:
            self._refuse_error(frame)
        return [frame for frame in frames if frame.command == "MESSAGE"]

    def _arrived(self) -> list[Frame]:
        frames: list[Frame] = []
        self._socket.settimeout(0)
        try:
            for _ in range(TURNS):
                if not (content := self._socket.recv(65536)):
                    break
                self._heard = self._clock()
                frames += self._reader.feed(content)
            else:
                return frames  # of what is still to be read the kernel tells
        except BlockingIOError:
            return frames
        except NotStomp as wrong:
            raise Lost(f"NotStomp: {wrong}") from wrong
        except OSError as wrong:
            if type(wrong).__name__ in ("SSLWantReadError", "SSLWantWriteError"):
                return frames
            raise Lost(f"{type(wrong).__name__}: {wrong}") from wrong
        if frames:
            return frames  # that it is closed is seen the next time
        raise Lost("the broker has closed the connection")

    def acknowledge(self, message: Frame) -> None:
        """Say that a message was seen to.

        Raises:
            Lost: the connection is no more.
        """
        if (number := message.headers.get("ack")) is not None:
            self._send(Frame("ACK", {"id": number}))

    def next_beat(self) -> float | None:
        """Answer when something is to be said, or to have been heard; ``None``: never."""
        times = [self._said + self._gives] if self._gives else []
        times += [self._heard + self._expects * PATIENCE] if self._expects else []
        return min(times, default=None)

    def beat(self) -> None:
        """Give a sign of life, when one is due.

        Raises:
            Lost: the connection is no more, or the broker has given none for too long.
        """
        now = self._clock()
        if self._expects and now >= self._heard + self._expects * PATIENCE:
            raise Lost(f"the broker gave no sign of life for {now - self._heard:.0f} s")
        if self._gives and now >= self._said + self._gives:
            self._push(b"\n")

    def _send(self, frame: Frame) -> None:
        self._push(write(frame))

    def _push(self, content: bytes) -> None:
        try:
            self._socket.settimeout(self._place.timeout)
            self._socket.sendall(content)
        except OSError as wrong:
            raise Lost(f"{type(wrong).__name__}: {wrong}") from wrong
        self._said = self._clock()

    def _refuse_error(self, frame: Frame) -> None:
        """End the connection at an error, as the protocol wants it."""
        if frame.command == "ERROR":
            words = frame.headers.get("message") or frame.body[: 4 * TOLD].decode("utf-8", "replace")
            if self._place.login.password:  # some repeat what they were told
                words = words.replace(self._place.login.password, "***")
            raise Lost(f"the broker says: {' '.join(words.split())[:TOLD]}")

    def close(self) -> None:
        """Say goodbye, if that can be said at once, and let go."""
        with contextlib.suppress(OSError):
            self._socket.settimeout(0)
            self._socket.sendall(write(Frame("DISCONNECT")))
        with contextlib.suppress(OSError):
            self._socket.close()


def connect(place: Place, clock: Callable[[], float]) -> Link:
    """Connect to a broker and subscribe; takes ``place.timeout`` seconds for each step at most.

    Raises:
        Lost: it is not there, is somebody else, or wants nothing of us.
    """
    try:
        plain = socket.create_connection((place.host, place.port), place.timeout)
    except (OSError, ValueError) as wrong:  # ValueError: a name that no host can have
        raise Lost(f"{type(wrong).__name__}: {wrong}") from wrong
    try:
        if place.encrypted:
            plain = encrypted(plain, place.host, place.certificate, place.authorities)
        link = Link(plain, place, clock)
        link.greet()
    except (Lost, OSError, ValueError) as wrong:
        plain.close()
        raise wrong if isinstance(wrong, Lost) else Lost(f"{type(wrong).__name__}: {wrong}") from wrong
    return link
