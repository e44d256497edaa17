"""A home of the server with keys for sealing."""

from __future__ import annotations

import os
from dataclasses import replace

import pytest

from server.credentials import keyring
from server.manage.home import write_credential_key


@pytest.fixture
def home(tmp_path, settings):
    settings.ENVIRONMENT = replace(settings.ENVIRONMENT, home=str(tmp_path))
    write_credential_key(tmp_path)
    return tmp_path


@pytest.fixture
def keys(home):
    return keyring.keyring()


@pytest.fixture
def private_file(tmp_path):
    """Write a file of its owner's alone."""

    def write(text, name="credential", mode=0o600):
        path = tmp_path / name
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(text)
        path.chmod(mode)
        return path

    return write
