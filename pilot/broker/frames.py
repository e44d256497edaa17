"""The frames of STOMP 1.2, written and read. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

#: A frame that is larger is refused, in bytes.
LARGEST = 1 << 20
_ESCAPES = (("\\", "\\\\"), ("\r", "\\r"), ("\n", "\\n"), (":", "\\c"))
_MEANINGS = {"\\": "\\", "r": "\r", "n": "\n", "c": ":"}
#: Written, and read, without escapes, for the sake of older versions.
_PLAIN = ("CONNECT", "CONNECTED")


class NotStomp(Exception):
    """What came is no frame."""


class Frame(NamedTuple):
    """One frame. Of a header that is said twice the first counts."""

    command: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


def write(frame: Frame) -> bytes:
    """Write a frame as it is sent."""
    lines = [frame.command]
    for name, value in frame.headers.items():
        lines.append(f"{_escaped(frame, name)}:{_escaped(frame, value)}")
    if frame.body:
        lines.append(f"content-length:{len(frame.body)}")
    return "\n".join([*lines, "", ""]).encode() + frame.body + b"\0"


def _escaped(frame: Frame, text: str) -> str:
    if frame.command in _PLAIN:
        if set(text) & {"\n", "\0"}:
            raise ValueError("a login or a name with a line's end in it")
        return text
    for letter, escape in _ESCAPES:
        text = text.replace(letter, escape)
    return text


class Reader:
    """Takes bytes as they come, gives whole frames. Signs of life (line ends between frames) are passed over."""

    def __init__(self) -> None:
        self._left = b""

    def feed(self, content: bytes) -> list[Frame]:
        """Take bytes; answer the frames that are whole now.

        Raises:
            NotStomp: this is no STOMP, or a frame that is too large.
        """
        self._left += content
        frames, at = [], 0
        while (found := self._take(at)) is not None:
            frame, at = found
            frames.append(frame)
        self._left = self._left[at:].lstrip(b"\r\n")
        if len(self._left) > LARGEST:
            raise NotStomp(f"a frame of more than {LARGEST} bytes")
        return frames

    def _take(self, at: int) -> tuple[Frame, int] | None:
        """Answer the frame that begins here, and where it is over; ``None``: it is not whole yet."""
        left = self._left
        while left[at : at + 1] in (b"\r", b"\n"):
            at += 1
        plain = left.find(b"\n\n", at)
        other = left.find(b"\r\n\r\n", at, plain + 3 if plain >= 0 else len(left))
        end, begin = (other, other + 4) if other >= 0 else (plain, plain + 2)
        if end < 0:
            if left.find(b"\0", at) >= 0:
                raise NotStomp("a frame without the blank line that ends its headers")
            return None
        command, headers = _head(left[at:end])
        length = headers.get("content-length")
        over = left.find(b"\0", begin) if length is None else begin + _number(length)
        if over - begin > LARGEST:
            raise NotStomp(f"a frame of {over - begin} bytes")
        if over < 0 or len(left) <= over:
            return None
        if left[over] != 0:
            raise NotStomp("a frame that does not end where it says")
        return Frame(command, headers, left[begin:over]), over + 1


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 12):
        raise NotStomp(f"content-length {text[:20]!r}")
    return int(text)


def _head(head: bytes) -> tuple[str, dict[str, str]]:
    try:
        command, *lines = head.decode("utf-8").split("\n")
    except UnicodeDecodeError as wrong:
        raise NotStomp("headers that are no text") from wrong
    command = command.rstrip("\r")
    if not (command.isascii() and command.isalpha() and command.isupper()):
        raise NotStomp(f"no command: {command[:40]!r}")
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.rstrip("\r").partition(":")
        if not colon:
            raise NotStomp(f"no header: {line[:40]!r}")
        if command not in _PLAIN:
            name, value = _meant(name), _meant(value)
        headers.setdefault(name, value)
    return command, headers


def _meant(text: str) -> str:
    first, *rest = text.split("\\")
    parts, at = [first], 0
    while at < len(rest):
        if not rest[at] and at + 1 < len(rest):  # an escaped backslash: what follows it is plain
            parts.append("\\" + rest[at + 1])
            at += 2
        elif rest[at][:1] in ("r", "n", "c"):
            parts.append(_MEANINGS[rest[at][0]] + rest[at][1:])
            at += 1
        else:
            raise NotStomp("an escape that does not exist")
    return "".join(parts)
