"""The server's settings with one difference: SQLite's synchronous is NORMAL, so that no commit waits for the disk.

A power failure may then take back what the server has answered; for comparison only.
"""

from typing import cast

from server.settings import *  # noqa: F403  (Django reads every name of this module)
from server.settings import DATABASES

_OPTIONS = cast("dict[str, str]", DATABASES["default"]["OPTIONS"])
_OPTIONS["init_command"] = _OPTIONS["init_command"].replace("synchronous=FULL", "synchronous=NORMAL")
