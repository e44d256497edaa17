"""What can go wrong, as types. Each type carries the one number the server will see."""

from __future__ import annotations

from typing import ClassVar

from pilot.contract.codes import ErrorCode


class PilotError(Exception):
    """Base of every failure a job, or the pilot as a whole, can end with.

    ``detail`` says what happened in words for people, ``facts`` holds what belongs to it; nobody parses either.
    """

    code: ClassVar[ErrorCode] = ErrorCode.GENERAL_ERROR

    def __init__(self, detail: str, **facts: object) -> None:
        super().__init__(detail)
        self.detail = detail
        self.facts = facts

    def __str__(self) -> str:
        facts = " ".join(f"{name}={value!r}" for name, value in self.facts.items())
        return f"{self.code.name} ({int(self.code)}): {self.detail}" + (f" [{facts}]" if facts else "")


class ConfigError(PilotError):
    """A configuration file, an option or an environment variable says something that cannot be meant."""

    code = ErrorCode.BAD_CONFIGURATION


class PluginFailed(PilotError):
    """A plugin raised something in one of its hooks, or answered what is no answer; the detail names both."""

    code = ErrorCode.PLUGIN_FAILED


class JobFailed(PilotError):
    """A job cannot go on, for a cause that is known by its code only (a copy, a check, a diagnosis)."""

    def __init__(self, code: ErrorCode, detail: str, **facts: object) -> None:
        super().__init__(detail, **facts)
        self.code = code  # type: ignore[misc]
