"""Changes the keys that everything is sealed with: a new one first, what there is sealed anew, and old ones dropped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from django.apps import apps
from django.conf import settings
from django.db import models

from server.credentials.keyring import NAME, Keyring, SealBroken, id_of, key_of, keyring, lines_in, new_key
from server.credentials.logic.renew import place, place_of_grant
from server.credentials.logic.secrets import place_of_job, place_of_user
from server.credentials.models import Credential, JobSecrets, UserSecret

#: A row that holds something sealed, the name of its column, and the place that it is sealed for.
_Sealed = tuple[models.Model, str, str]


def add_key() -> Path:
    """Put a new key before the others; what is sealed from now on is sealed with it.

    Raises:
        KeysMissing: there are no keys yet.
    """
    keyring()
    path = _path()
    _write(path, f"{new_key()}\n{path.read_text()}")
    return path


def seal_anew() -> int:
    """Seal with the newest key what was sealed with others; answer how much it was.

    Raises:
        KeysMissing: there are no keys.
        SealBroken: something cannot be opened; all else is done.
    """
    keys, done, broken = keyring(), 0, None
    for row, column, about in _all_sealed():
        old = bytes(getattr(row, column))
        if key_of(old) == keys.newest:
            continue
        try:
            new = keys.seal(keys.open(old, about), about)
        except SealBroken as wrong:  # such as what an endpoint was asked with that has another address by now
            broken = SealBroken(f"{about}: {wrong}; all else is sealed anew")
            continue
        # Only where nobody has replaced it meanwhile.
        done += type(row)._default_manager.filter(pk=row.pk, **{column: old}).update(**{column: new})
    if broken is not None:
        raise broken
    return done


def drop_keys() -> int:
    """Drop the keys that nothing is sealed with, but for the newest; answer how many."""
    keys, used = keyring(), in_use()
    path = _path()
    lines = path.read_text().split()
    kept = [line for line in lines if (name := id_of(lines_in(line)[0])) == keys.newest or used[name]]
    if len(kept) < len(lines):
        _write(path, "\n".join(kept) + "\n")
    return len(lines) - len(kept)


def in_use() -> Counter[bytes]:
    """Count what is sealed, by the id of the key."""
    return Counter(key_of(getattr(row, column)) for row, column, _ in _all_sealed())


def unopened(keys: Keyring) -> int:
    """Count what is sealed with a key that is not there."""
    return sum(number for name, number in in_use().items() if name not in keys.ids)


def _all_sealed() -> Iterator[_Sealed]:
    for credential in Credential.objects.all():
        if credential.sealed is not None:
            yield credential, "sealed", place(credential)
        if credential.sealed_grant is not None:
            yield credential, "sealed_grant", place_of_grant(credential)
    for secret in UserSecret.objects.all():
        yield secret, "sealed", place_of_user(secret.owner, secret.name)
    for mine in JobSecrets.objects.iterator(chunk_size=500):
        yield mine, "sealed", place_of_job(mine.job)
    for app in apps.get_app_configs():
        # Other apps that seal with these keys say so in their configuration.
        yield from getattr(app, "sealed_rows", tuple)()


def _path() -> Path:
    return Path(settings.ENVIRONMENT.folder) / NAME


def _write(path: Path, text: str) -> None:
    """Replace the file as a whole; nobody else could read it at any moment."""
    new = path.with_name(f"{NAME}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
