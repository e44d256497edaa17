"""What somebody wants to be made again, read and checked. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

from pilot.contract.codec import shown
from server.lib.texts import storable
from server.production.causes import Cause, read_cause
from server.production.states import MergeKind

#: Characters of a reason.
LONGEST = 400
#: Merges that are chosen one by one.
MOST_GROUPS = 500


class What(Enum):
    """What is made again, in the scope that is named beside it."""

    FAILED = "failed"
    MANUAL_CHECK = "manual_check"
    STAGING = "staging"
    CHUNKS = "chunks"
    MERGING = "merging"
    CROSSCHECK = "crosscheck"
    ARCHIVE = "archive"


#: The sentence for each.
WORDS = {
    What.FAILED: "chunks and merges that have failed",
    What.MANUAL_CHECK: "chunks and merges that wait for a person",
    What.STAGING: "chunks whose input comes from tape, has come, or did not: it is asked for again",
    What.CHUNKS: "all chunks, whatever became of them",
    What.MERGING: "merges, of all kinds or of one",
    What.CROSSCHECK: "cross-checks",
    What.ARCHIVE: "files that have not come to tape: they are asked for there again",
}


class BadWish(ValueError):
    """Nothing can be sent again so; the message names the word that is wrong, and the remedy."""


@dataclass(frozen=True)
class Wish:
    """What of a task is made again: all of it, one run, or one chunk of one run.

    ``kind`` is the kind of merges, "" for all. ``with_merges``: where a chunk's files were merged already, the merges
    of its run are made again, too; without it such chunks are refused. ``cause``: of what failed or waits for a person
    only what that made fail. ``groups``: of merges only those with these keys.
    """

    what: What
    run: int | None = None
    chunk: int | None = None
    kind: str = ""
    with_merges: bool = False
    cause: Cause | None = None
    groups: tuple[int, ...] = ()

    @property
    def takes_up(self) -> bool:
        """Whether a task that was ended early is to be complete after all: all that it left out is made."""
        return self.what is What.FAILED and self.run is None and self.cause is None and not self.groups

    def as_json(self) -> dict[str, Any]:
        scope = {"run": self.run, "chunk": self.chunk, "kind": self.kind, "with_merges": self.with_merges}
        chosen = {"cause": str(self.cause) if self.cause else "", "groups": ",".join(map(str, self.groups))}
        return {"what": self.what.value, **scope, **chosen}

    def __str__(self) -> str:
        kind = f" ({MergeKind(self.kind).label})" if self.kind else ""
        where = f" of run {self.run}" if self.run is not None else ""
        where = f" of run {self.run} chunk {self.chunk}" if self.chunk is not None else where
        why = f" by {self.cause}" if self.cause else ""
        merges = " with its merges" if self.with_merges else ""
        chosen = f": {len(self.groups)} chosen" if any(self.groups) else ""
        return f"{self.what.value.replace('_', ' ')}{kind}{where}{why}{merges}{chosen}"


def read_wish(said: Mapping[str, Any]) -> Wish:
    """Read a wish as a form or JSON has it, by the names of its fields.

    Raises:
        BadWish: one of them cannot be.
    """
    try:
        what = What(said.get("what"))
    except ValueError:
        known = ", ".join(one.value for one in What)
        raise BadWish(f"what: {shown(said.get('what'))} cannot be sent again; there are {known}") from None
    run, chunk = _number(said, "run"), _number(said, "chunk")
    if chunk is not None and run is None:
        raise BadWish("run: missing; a chunk is named by its run and its number")
    if chunk is not None and what in (What.MERGING, What.CROSSCHECK):
        raise BadWish(f"chunk: {what.value} is of whole runs; leave the chunk out")
    kind = said.get("kind") or ""
    if kind and kind not in MergeKind.values:
        raise BadWish(f"kind: {shown(kind)} is no kind of merges; there are {', '.join(MergeKind.values)}")
    if kind and what is not What.MERGING:
        raise BadWish("kind: only merging is of a kind; leave it out")
    with_merges = said.get("with_merges") in (True, "true", "on", "1", 1)
    groups = _groups(said.get("groups") or "", what)
    return Wish(what, run, chunk, kind, with_merges, _cause(said.get("cause") or "", what), groups)


def _groups(text: Any, what: What) -> tuple[int, ...]:
    """Read the keys of merge groups, with commas between them."""
    if not text:
        return ()
    if what is not What.MERGING:
        raise BadWish(f"groups: only merges are chosen one by one, not {what.value}; leave it out")
    keys = str(text).split(",")
    if len(keys) > MOST_GROUPS or not all(key.isascii() and key.isdigit() and len(key) < 19 for key in keys):
        raise BadWish(f"groups: give the numbers of up to {MOST_GROUPS} merges, with commas between them")
    # A form sends 0 along, so that none chosen is not all of them.
    return tuple(sorted({int(key) for key in keys} - {0} or {0}))


def _cause(text: Any, what: What) -> Cause | None:
    if not text:
        return None
    if what not in (What.FAILED, What.MANUAL_CHECK):
        raise BadWish(f"cause: only failed and manual_check have one, not {what.value}; leave it out")
    try:
        return read_cause(str(text))
    except ValueError as wrong:
        raise BadWish(f"cause: {wrong}") from wrong


def _number(said: Mapping[str, Any], name: str) -> int | None:
    value = said.get(name)
    if value in (None, ""):
        return None
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit() and len(value.strip()) < 10:
        return int(value)
    if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**31:
        return value
    raise BadWish(f"{name}: {shown(value)} is not a number")


def read_reason(text: Any) -> str:
    """Read why something is done.

    Raises:
        BadWish: no reason is given, or a very long one.
    """
    if not isinstance(text, str) or not text.strip() or len(text) > LONGEST:
        raise BadWish(f"why: give a reason of 1 to {LONGEST} characters; it is kept with your name")
    return storable(text.strip())
