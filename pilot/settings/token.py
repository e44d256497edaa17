"""The pilot's token: read where the admin says it is, and kept out of everything else."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pilot.errors import ConfigError

if TYPE_CHECKING:
    from pilot.settings.sections import Server

#: Holds a pilot's token itself; never shown, and never a setting.
TOKEN_VARIABLE = "COMPASS_PILOT_TOKEN"  # noqa: S105


class Token:
    """The pilot's token, read anew each time, because it is renewed on the disk while the pilot lives."""

    def __init__(self, server: Server) -> None:
        self._file = server.token_file
        self._seen: set[str] = set()

    def read(self) -> str:
        """Answer the token: from its file, else from the environment; ``""`` when there is none.

        Raises:
            ConfigError: the file cannot be read, or holds what is no token. The message never holds the token.
        """
        try:
            found = Path(self._file).read_text(encoding="ascii") if self._file else os.environ.get(TOKEN_VARIABLE, "")
        except UnicodeDecodeError as wrong:
            raise ConfigError(f"server.token_file: {self._file} holds no token: it is not plain text") from wrong
        except OSError as wrong:
            raise ConfigError(f"server.token_file: {self._file} cannot be read: {wrong.strerror}") from wrong
        if token := found.strip():
            if not (token.isascii() and token.isprintable()) or " " in token:
                where = f"server.token_file: {self._file}" if self._file else f"${TOKEN_VARIABLE}"
                raise ConfigError(f"{where} holds no token: it has blanks, line ends or letters that no token has")
            self._seen.add(token)
        return token

    def seen(self) -> tuple[str, ...]:
        """Answer every token so far; no log may hold one."""
        return tuple(self._seen)
