"""A file of issuers that names a provider of the tests, at which people log in."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from tests.services.provider import Provider

ROLES = [
    {"group": "compass/admins", "role": "admin"},
    {"group": "compass/production", "role": "production"},
    {"group": "compass/cern", "role": "site_admin", "queues": ["Q1", "Q2"]},
    {"group": "compass", "role": "reader"},
]


def issuers_file(folder: Path, provider: Provider, login: Mapping[str, Any] | None = None, **said: Any) -> Path:
    """Write the file and the client's secret beside it; ``login`` and ``said`` change what they name."""
    secret = folder / "secret"
    secret.write_text(provider.secret)
    secret.chmod(0o600)
    own = {"name": "iam", "client": provider.client, "secret_file": str(secret), "title": "COMPASS IAM"}
    entry = {"issuer": provider.address, "audience": "compass", "algorithms": ["ES256"], "roles": ROLES}
    entry |= {"login": own | dict(login or {}), "authorities": str(provider.authority.file), **said}
    path = folder / "issuers.yaml"
    path.write_text(yaml.safe_dump([entry]))
    return path
