"""What the error numbers of a job are called, and what to do about each."""

from __future__ import annotations

from enum import IntEnum

from pilot.contract.codes import ErrorCode
from pilot.contract.payload_codes import MEANINGS, PayloadCode
from pilot.contract.server_codes import DataServiceCode, DispatcherCode, SupervisorCode, TaskBufferCode, words_of

#: Whose numbers stand in which field; they overlap without meaning the same.
NUMBERS: dict[str, type[IntEnum]] = {
    "pilotErrorCode": ErrorCode,
    "exeErrorCode": PayloadCode,
    "jobDispatcherErrorCode": DispatcherCode,
    "taskBufferErrorCode": TaskBufferCode,
    "ddmErrorCode": DataServiceCode,
    "supErrorCode": SupervisorCode,
}


def told(field: str, value: object) -> str:
    """Write a field's value; an error number with its name and the remedy, as far as somebody has given it one.

    A negative number of a pilot is the same with the wish that another may try.
    """
    numbers = NUMBERS.get(field)
    if numbers is None or not isinstance(value, int) or abs(value) not in {code.value for code in numbers}:
        return str(value)
    code = numbers(abs(value))
    if isinstance(code, ErrorCode):
        words = code.advice
    else:
        words = MEANINGS[code].advice if isinstance(code, PayloadCode) else words_of(code)
    return f"{value} {code.name}: {words}"
