"""What can go wrong for the person at the terminal: one line, and a remedy."""

from __future__ import annotations


class ClientError(Exception):
    """Something cannot be done. ``words`` say what and why, ``remedy`` what to do about it."""

    def __init__(self, words: str, remedy: str = "", *, status: int = 1) -> None:
        super().__init__(words)
        self.words, self.remedy, self.status = words, remedy, status

    def __str__(self) -> str:
        return f"{self.words}; {self.remedy}" if self.remedy else self.words


class Unanswered(ClientError):
    """The server is not there, or does not answer: what was asked may be asked again."""
