"""The server's settings for tests of whole productions: what waits for minutes in a real one waits for seconds."""

from __future__ import annotations

from server.settings import *  # noqa: F403

PRODUCTION = {"retry_delay": 1}
DATASERVICE = {
    "delay": 2,
    "look_every": 2,
    "poll_every": 2,
    "absent_for": 5,
    "empty_for": 30,
    "tape_for": 600,
    "patience": 120,
    "tries": 8,
}
