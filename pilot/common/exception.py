"""The exception that callers of PanDA's pilot catch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from pilot.common.errorcodes import ErrorCodes
from pilot.contract.codes import ErrorCode
from pilot.errors import PilotError


class PilotException(Exception):
    """Something went wrong; ``code`` is the pilot's error code, `get_detail` says what happened in words."""

    def __init__(self, *words: object, code: int = ErrorCode.GENERAL_ERROR, state: str = "") -> None:
        super().__init__(*words)
        self.code, self.state = int(code), state

    @property
    def message(self) -> str:
        """What happened, in words."""
        return " ".join(map(str, self.args))

    def get_error_code(self) -> int:
        """Answer the error code."""
        return self.code

    def get_detail(self) -> str:
        """Answer what the code means, and what happened."""
        return f"{ErrorCodes().get_error_message(self.code)}: {self.message}"

    def get_last_error(self) -> str:
        """Answer what happened; without words of its own, what the code means."""
        return self.message or ErrorCodes().get_error_message(self.code)

    def __str__(self) -> str:
        return f"{type(self).__name__}: error code: {self.code}, message: {self.get_detail()}"


@contextlib.contextmanager
def told_as_pilot_exception() -> Iterator[None]:
    """Turn the pilot's own errors into the one that callers of the face know."""
    try:
        yield
    except PilotError as wrong:
        raise PilotException(wrong.detail, code=int(wrong.code)) from wrong
