"""For payloads: asks the pilot for event ranges and tells it how they ended. Standard library only, one file.

A copy of this file lies beside each payload that works on event ranges; import it, or run it from a script:

    python3 "$COMPASS_EVENTS_CLIENT" next           prints a range as JSON; status 3 when there are no more
    python3 "$COMPASS_EVENTS_CLIENT" done ID FILE   the range's output is in FILE
    python3 "$COMPASS_EVENTS_CLIENT" failed ID WORDS ...

``pilot events`` does the same. See doc/howto/write-an-event-payload.md.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Optional

#: The variable that names the socket.
SOCKET = "COMPASS_EVENTS_SOCKET"
#: What is said on it, a line each, in UTF-8.
HELLO, READY, NO_MORE, TAKEN, REFUSED = "Hello compass 1", "Ready for events", "No more events", "Taken", "Refused"
#: A socket's address has so many bytes at most.
LONGEST_ADDRESS = 107
#: Exit statuses of the program: all ranges are given out; the pilot is gone; the pilot said no.
NO_MORE_STATUS, GONE_STATUS, REFUSED_STATUS = 3, 4, 5


class Gone(Exception):
    """The pilot does not answer, or there is none."""


class NotTaken(Exception):
    """The pilot did not accept what was said of a range; the words say why."""


class Events:
    """A worker's line to the pilot. Each worker, thread or process, has one of its own.

    Args:
        path: Of the socket; what the variable COMPASS_EVENTS_SOCKET says when left out.

    Raises:
        Gone: there is no pilot to talk to.
    """

    def __init__(self, path: Optional[str] = None) -> None:
        address = path or os.environ.get(SOCKET, "")  # noqa: TID251  # a payload's own
        if not address:
            raise Gone(f"{SOCKET} is not set; this is not run by a pilot, or not for a job of event ranges")
        try:
            self._socket = connect(address)
        except OSError as wrong:
            raise Gone(f"{address}: {wrong.strerror or wrong}") from wrong
        self._lines = self._socket.makefile("r", encoding="utf-8", newline="\n")
        try:
            self._say(HELLO)
            self._hear()
        except Gone:
            self.close()
            raise

    def next(self, count: int = 1) -> list[dict[str, Any]]:
        """Wait for up to ``count`` ranges, as the server described them; ``[]`` when there are no more.

        A range is a dictionary with ``eventRangeID``, ``LFN``, ``GUID``, ``scope``, ``startEvent`` and ``lastEvent``.

        Raises:
            Gone: the pilot has ended.
        """
        self._say(READY if count == 1 else f"{READY} {count}")
        heard = self._hear()
        if heard == NO_MORE:
            return []
        found = json.loads(heard)
        return list(found)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Give one range after the other until there are no more."""
        while ranges := self.next():
            yield from ranges

    def done(self, range_id: str, output: str, cpu: float = 0.0, wall: float = 0.0) -> None:
        """Say that a range's output is in a file of the job's directory, whole; times are seconds.

        The file belongs to the pilot from here on: it is stored, and removed.

        Raises:
            NotTaken: it was not this payload's range, or there is no such output; the words say which.
            Gone: the pilot has ended.
        """
        path = os.path.abspath(output)  # noqa: PTH100  # a link is for the pilot to refuse
        self._tell(f"{path},ID:{range_id},CPU:{cpu:.3f},WALL:{wall:.3f}")

    def failed(self, range_id: str, words: str, *, fatal: bool = False) -> None:
        """Say that a range failed; ``fatal``: it would fail anywhere, and is not to be tried again.

        Raises:
            NotTaken, Gone: as `done`.
        """
        kind = "ERR_FATAL" if fatal else "ERR_PAYLOAD"
        self._tell(f"{kind} {range_id}: {' '.join(words.split()) or 'no words'}")

    def close(self) -> None:
        """Hang up. Ranges that were given and not ended stay with the payload."""
        self._lines.close()
        self._socket.close()

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _tell(self, line: str) -> None:
        self._say(line)
        heard = self._hear()
        if heard != TAKEN:
            raise NotTaken(heard.partition(": ")[2] or heard)

    def _say(self, line: str) -> None:
        if "\n" in line:
            raise NotTaken("a message is one line; give the file a name without a line break")
        try:
            self._socket.sendall(os.fsencode(line) + b"\n")
        except OSError as wrong:
            raise Gone(f"the pilot has ended: {wrong.strerror or wrong}") from wrong

    def _hear(self) -> str:
        try:
            line = self._lines.readline()
        except OSError as wrong:
            raise Gone(f"the pilot has ended: {wrong.strerror or wrong}") from wrong
        if not line.endswith("\n"):
            raise Gone("the pilot has ended")
        return line[:-1]


def connect(address: str) -> socket.socket:
    """Connect with a socket in the file system, however long its path is.

    Raises:
        OSError: nobody listens there.
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if len(os.fsencode(address)) <= LONGEST_ADDRESS:
            made.connect(address)
            return made
        folder = os.open(os.path.dirname(address), os.O_RDONLY | os.O_DIRECTORY)  # noqa: PTH120
        try:
            made.connect(f"/proc/self/fd/{folder}/{os.path.basename(address)}")  # noqa: PTH119
        finally:
            os.close(folder)
    except OSError:
        made.close()
        raise
    return made


def make_parser() -> argparse.ArgumentParser:
    """Declare what may be said on a command line."""
    parser = argparse.ArgumentParser(prog="events", description="Talk with the pilot about event ranges.")
    words = parser.add_subparsers(dest="word", required=True)
    ask = words.add_parser("next", help="Wait for ranges and print them as JSON; status 3: there are no more.")
    ask.add_argument("count", nargs="?", type=int, default=1, help="So many at most, as a list; one when left out.")
    ask.add_argument("--field", help="Print only this field, such as eventRangeID.")
    done = words.add_parser("done", help="A range's output is in a file.")
    done.add_argument("id")
    done.add_argument("output")
    done.add_argument("--cpu", type=float, default=0.0, help="Seconds of CPU time.")
    done.add_argument("--wall", type=float, default=0.0, help="Seconds.")
    failed = words.add_parser("failed", help="A range failed.")
    failed.add_argument("id")
    failed.add_argument("words", nargs="*")
    failed.add_argument("--fatal", action="store_true", help="It is not to be tried again.")
    return parser


def show(found: Sequence[dict[str, Any]], count: int, field: Optional[str]) -> None:
    """Print ranges: one as an object, several as a list, or a field of each on a line of its own."""
    if field is not None:
        _write("\n".join(str(one.get(field, "")) for one in found))
    else:
        _write(json.dumps(found[0] if count == 1 else found))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Say one thing to the pilot; answer the exit status."""
    told = make_parser().parse_args(argv)
    try:
        with Events() as line:
            if told.word == "next":
                found = line.next(max(1, told.count))
                if not found:
                    return NO_MORE_STATUS
                show(found, told.count, told.field)
            elif told.word == "done":
                line.done(told.id, told.output, told.cpu, told.wall)
            else:
                line.failed(told.id, " ".join(told.words), fatal=told.fatal)
    except Gone as gone:
        sys.stderr.write(f"events: {gone}\n")
        return GONE_STATUS
    except NotTaken as refused:
        sys.stderr.write(f"events: not taken: {refused}\n")
        return REFUSED_STATUS
    return 0


def source() -> bytes:
    """Answer this file, to be laid beside a payload; also out of a bundle."""
    import pkgutil

    found = pkgutil.get_data(__package__ or "pilot.api", "event_client.py")
    return found if found is not None else Path(__file__).read_bytes()


if __name__ == "__main__":
    sys.exit(main())
