"""What ``compass-server check`` says of browsers: the address of the pages, and who may log in."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution

from server.accounts.subjects import listed_in

PAGES, SUBJECTS = "COMPASS_SERVER_PUBLIC_URL", "COMPASS_SERVER_LOGIN_SUBJECTS"


def check_browsers(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Look at what is said of browsers: the address of the pages, and who may log in by a certificate."""
    said = settings.ENVIRONMENT
    found: list[CheckMessage] = []
    try:
        re.compile(said.login_subjects)
    except re.error as wrong:
        words = f"{SUBJECTS}: {said.login_subjects!r}: {wrong}"
        found.append(Error(words, hint="Mend the expression.", id="compass.E060"))
    try:
        listed_in(said.login_subjects_file)
    except (OSError, ValueError) as wrong:
        found.append(Error(f"{SUBJECTS}_FILE: {wrong}", hint="Write one subject a line.", id="compass.E061"))
    host = urlsplit(said.public_url).hostname
    if host and host not in {one.strip("[]").lower() for one in said.allowed_hosts}:
        words = f"{PAGES}: the server does not answer to {host}"
        found.append(Error(words, hint="Name it in COMPASS_SERVER_HOSTS.", id="compass.E062"))
    return found


def check_deployed(app_configs: Any = None, **_: Any) -> list[CheckMessage]:
    """Name what a server that others reach lacks; asked by ``check --deploy``."""
    said = settings.ENVIRONMENT
    secure, front = said.public_url.startswith("https://"), said.front_secret_file or said.socket
    lacks = (
        (not secure, f"{PAGES}: cookies may travel in clear", "Say https://host there."),
        (not front, "COMPASS_SERVER_FRONT_SECRET_FILE: no front proves itself", "See Let certificates in."),
        (
            not said.administrators,
            "COMPASS_SERVER_ADMINISTRATORS: nobody reads whom to ask",
            "Say names and addresses.",
        ),
        (said.open_pages, "COMPASS_SERVER_OPEN_PAGES: this machine's users need no login", "Leave it out."),
    )
    return [
        Caution(words, hint=hint, id=f"compass.W{number:03}")
        for number, (is_so, words, hint) in enumerate(lacks, 60)
        if is_so
    ]
