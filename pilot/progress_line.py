"""How far files are, on one line of a terminal that is drawn again and again; and what became of each, in words."""

from __future__ import annotations

import os
from typing import IO, Optional

from pilot.api.staged import FileResult, Progress, Results, State

BAR = 20
#: Columns of a terminal that does not know how wide it is.
WIDTH = 80
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


class ProgressLine:
    """The line; without a terminal there is none."""

    def __init__(self, stream: IO[str], width: Optional[int] = None) -> None:
        self.is_seen = stream.isatty()
        self._stream, self._width, self._drawn = stream, width, ""

    def show(self, progress: Progress) -> None:
        """Draw how far it is, if that is something new."""
        text = drawn(progress, self._columns() - 1) if self.is_seen else ""
        if self.is_seen and text != self._drawn:
            self._write(f"\r\x1b[K{text}")
            self._drawn = text

    def clear(self) -> None:
        """Take the line away, so that something else can be printed."""
        if self._drawn:
            self._write("\r\x1b[K")
            self._drawn = ""

    def _columns(self) -> int:
        try:
            return self._width or os.get_terminal_size(self._stream.fileno()).columns or WIDTH
        except OSError:
            return WIDTH

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError:
            self.is_seen = False  # the terminal is gone, what is to be done is not


def drawn(progress: Progress, width: int) -> str:
    """Answer the line for a terminal that is so wide: a bar by bytes, or by files where sizes are not known."""
    ended = progress.files_done + progress.files_failed
    share = ended / progress.files_total
    if progress.bytes_total:
        share = max(
            share if ended == progress.files_total else 0.0, min(1.0, progress.bytes_done / progress.bytes_total)
        )
    filled = round(share * BAR)
    failed = f", {progress.files_failed} failed" if progress.files_failed else ""
    of = f"/{size_of(progress.bytes_total)}" if progress.bytes_total else ""
    moved = progress.bytes_done if progress.seconds > 0 else 0
    rate = f" {size_of(moved / progress.seconds)}/s" if moved else ""
    names = " ".join(progress.current)
    files = f"{progress.files_done}/{progress.files_total} files{failed}"
    size, time = f"{size_of(progress.bytes_done)}{of}{rate}", f"{progress.seconds:.0f} s"
    text = f"[{'#' * filled}{'.' * (BAR - filled)}] {files} {size} {time} {printable(names)}"
    return text.rstrip()[: max(0, width)]


def line_of(result: FileResult) -> str:
    """Answer a line on what became of a file."""
    name = printable(f"{result.file.scope}:{result.file.lfn}" if result.file.scope else result.file.lfn)
    if result.well:
        by = f" by {result.tool}" if result.tool else ""
        return f"{name}: {size_of(result.size)} in {result.seconds:.2f} s{by}, {printable(result.target)}"
    if result.state is State.CANCELLED:
        return f"{name}: given up"
    tries = f" after {result.attempts} tries" if result.attempts > 1 else ""
    words = printable(result.words.removeprefix(f"{result.file.lfn}: "))
    return f"{name}: FAILED{tries}, error {result.code}: {words}"


def summary(results: Results, seconds: float) -> str:
    """Answer the last line, on all of them."""
    well = [result for result in results if result.well]
    words = f"{len(well)} of {len(results)} files, {size_of(sum(result.size for result in well))} in {seconds:.1f} s"
    given_up = sum(result.state is State.CANCELLED for result in results)
    failed = len(results) - len(well) - given_up
    told = [f"{failed} failed"] * bool(failed) + [f"{given_up} given up"] * bool(given_up)
    return ", ".join([words, *told])


def size_of(size: float) -> str:
    """Write a number of bytes, in powers of 1000."""
    for unit in _UNITS[:-1]:
        if abs(size) < 999.5:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} {_UNITS[-1]}"


def printable(text: str) -> str:
    """Write a name without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)
