"""What no container shows because a job asks for it: the pilot's own folder, and every file that proves who it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pilot.settings import Settings

#: The settings, by section, that name such files.
FILES = {
    "server": ("token_file", "certificate"),
    "credentials": ("token_key_file",),
    "broker": ("credentials_file", "certificate"),
    "realtime": ("credentials_file", "certificate"),
    "gfal": ("token_file",),
    "s3": ("credentials_file",),
    "scp": ("identity_file",),
}
#: The variables that name some.
VARIABLES = ("X509_USER_PROXY", "BEARER_TOKEN_FILE")


def hidden_from_jobs(settings: Settings, own: Path, environment: Mapping[str, str]) -> Sequence[str]:
    """Answer the paths.

    Args:
        settings: The pilot's.
        own: Its folder.
        environment: Its environment.
    """
    named = [
        getattr(getattr(settings, section), key)
        for section, keys in FILES.items()
        if settings.mentions(section)
        for key in keys
    ]
    return [path for path in (str(own), *named, *(environment.get(name, "") for name in VARIABLES)) if path]
