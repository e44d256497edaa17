"""What may become of an event range, as a table. Pure: no threads, no files, no clock."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any, Optional

from pilot.contract.codes import ErrorCode
from pilot.contract.events import EventRange, plain


class State(str, Enum):
    """Where a range stands inside the pilot."""

    READY = "ready"
    GIVEN = "given"
    DONE = "done"  # its output lies in the job's directory
    PACKED = "packed"  # in an archive
    STORED = "stored"  # on a storage
    REPORTED = "reported"
    FAILED = "failed"
    TOLD = "told"  # that it failed
    REFUSED = "refused"  # the server wants nothing more of it
    LEFT = "left"  # to the server, which gives it to somebody else when the job has ended


class Move(str, Enum):
    """What may happen to a range."""

    GIVE = "give"
    TAKE_BACK = "take back"  # whoever was to get it is gone
    DONE = "done"
    PACK = "pack"
    STORE = "store"
    REPORT = "report"
    FAIL = "fail"
    TELL = "tell"
    REFUSE = "refuse"
    LEAVE = "leave"


_S, _M = State, Move

TABLE: Mapping[tuple[State, Move], State] = {
    (_S.READY, _M.GIVE): _S.GIVEN,
    (_S.GIVEN, _M.TAKE_BACK): _S.READY,
    (_S.GIVEN, _M.DONE): _S.DONE,
    (_S.DONE, _M.PACK): _S.PACKED,
    (_S.PACKED, _M.STORE): _S.STORED,
    (_S.STORED, _M.REPORT): _S.REPORTED,
    (_S.STORED, _M.REFUSE): _S.REFUSED,
    (_S.GIVEN, _M.FAIL): _S.FAILED,
    # An output that is not there any more when it is to be packed.
    (_S.DONE, _M.FAIL): _S.FAILED,
    (_S.FAILED, _M.TELL): _S.TOLD,
    (_S.FAILED, _M.REFUSE): _S.REFUSED,
    # What is stored is reported whatever comes; everything before that may be left, when the job has to end.
    **{(state, _M.LEAVE): _S.LEFT for state in (_S.READY, _S.GIVEN, _S.DONE, _S.PACKED)},
}
#: Nothing more happens to a range that is in one of these.
ENDED = frozenset({State.REPORTED, State.TOLD, State.REFUSED, State.LEFT})


@dataclass(frozen=True)
class Failure:
    """Why a range failed; ``fatal``: it would fail anywhere."""

    code: ErrorCode
    words: str
    fatal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", plain(self.words))


@dataclass(frozen=True)
class Held:
    """A range that the pilot has. Never changed in place: see `advance`. Times are seconds."""

    range: EventRange
    state: State = State.READY
    output: str = ""
    cpu_time: float = 0.0
    wall_time: float = 0.0
    archive: str = ""
    failure: Optional[Failure] = None

    @property
    def id(self) -> str:
        """The range's name."""
        return self.range.id


class IllegalMove(Exception):
    """Something happened to a range that cannot. A fault of the pilot, never of a payload."""

    def __init__(self, held: Held, move: Move) -> None:
        super().__init__(f"range {held.id}: {move.value!r} while it is {held.state.value}")


def advance(held: Held, move: Move, **facts: Any) -> Held:
    """Answer what a range becomes; ``facts`` are fields that change with it.

    Raises:
        IllegalMove: the table has no row for it.
    """
    try:
        state = TABLE[held.state, move]
    except KeyError:
        raise IllegalMove(held, move) from None
    return replace(held, state=state, **facts)
