"""Where the grid's programs and libraries find credentials: variables that hold paths, and never a secret itself."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pilot.errors import JobFailed
from pilot.settings import environment

if TYPE_CHECKING:
    from pilot.settings import Settings

PROXY, AUTHORITIES, TOKEN = "X509_USER_PROXY", "X509_CERT_DIR", "BEARER_TOKEN_FILE"


def credentials(settings: Settings) -> Mapping[str, str]:
    """Answer the paths that there are, by variable: those of the pilot's environment, else those of its settings."""
    server, here = settings.server, environment()
    found = {PROXY: server.certificate}
    if Path(server.authorities).is_dir():
        found[AUTHORITIES] = server.authorities
    found.update((name, here[name]) for name in (PROXY, AUTHORITIES, TOKEN) if here.get(name))
    return {name: path for name, path in found.items() if path}


def objection(paths: Mapping[str, str]) -> str:
    """Say what is wrong with the proxy, of which servers that refuse it tell nothing; "" when nothing is."""
    from pilot.site.proxy import certificate_end

    path = paths.get(PROXY)
    if not path:
        return ""
    try:
        ago = time.time() - certificate_end(Path(path))
    except JobFailed as wrong:
        return f"the proxy cannot be used: {wrong.detail}"
    return f"the proxy {path} has expired {ago:.0f} s ago" if ago > 0 else ""
