"""The keys in files of the server: what there is of each kind, and the steps by which each is changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import connection

from server.credentials.keyring import KeysMissing, SealBroken, keyring
from server.credentials.logic import keys as credential_keys
from server.lib import ed25519
from server.manage import secret_key

#: The kinds: what credentials are sealed with, what signs jobs, what signs passes and sessions.
CREDENTIALS, SIGNING, SECRET = "credentials", "signing", "secret"
STEPS = ("add", "use", "drop")

_RESTART = "start the server and its services again"


class KeysRefused(ValueError):
    """This step cannot be done; the text says why, and what can."""


@dataclass(frozen=True)
class Kind:
    """The keys of one kind: what there is, without what it is, and in words what each step did."""

    what: str
    shown: Callable[[], Mapping[str, Any]]
    steps: Mapping[str, Callable[[], str]] = field(default_factory=dict)


def change(kind: str, step: str, *, only_here: bool) -> str:
    """Do a step for one kind of keys; say what was done and what comes next.

    Args:
        kind: A name of `KINDS`.
        step: A name of `STEPS`.
        only_here: Whether no other machine of this database has files of its own.

    Raises:
        KeysRefused: there is no such step, it cannot be done now, or other machines may have these keys.
    """
    if kind not in KINDS:
        raise KeysRefused(f"kind: {kind!r} is none; there are {', '.join(KINDS)}")
    done = KINDS[kind].steps.get(step)
    if done is None:
        raise KeysRefused(f"step: {step!r} is none for {kind}; there are {', '.join(KINDS[kind].steps)}")
    if connection.vendor != "sqlite" and not only_here:
        text = "only_here: the files of the machine that answers are changed, and others may share its database"
        raise KeysRefused(f"{text}; say so when there is no other, or change them by hand on each of them")
    try:
        return done()
    except (KeysMissing, SealBroken, ed25519.SigningFailed, secret_key.KeyRefused) as refused:
        raise KeysRefused(str(refused)) from refused
    except OSError as wrong:
        raise KeysRefused(f"{wrong.filename}: {wrong.strerror}") from wrong


def shown() -> dict[str, Any]:
    """Answer what there is of each kind; where the files cannot be read, why."""
    found = {}
    for name, kind in KINDS.items():
        try:
            found[name] = {"what": kind.what, "steps": list(kind.steps), **kind.shown()}
        except (KeysMissing, ed25519.SigningFailed, OSError) as wrong:
            found[name] = {"what": kind.what, "steps": list(kind.steps), "wrong": str(wrong)}
    return found


def _sealing() -> dict[str, Any]:
    found, used = keyring(), credential_keys.in_use()
    keys = [{"key": one.hex(), "sealed": used[one], "used": one == found.newest} for one in found.ids]
    return {"keys": keys, "unopened": credential_keys.unopened(found)}


def _add_sealing() -> str:
    path = credential_keys.add_key()
    return f"{path} has a new key; sealed anew with it: {credential_keys.seal_anew()}; drop the old one next"


def _drop_sealing() -> str:
    return f"dropped, since nothing is sealed with them any more: {credential_keys.drop_keys()}"


def signing_file() -> Path:
    """Answer where the private key lies that signs jobs, or would lie."""
    return settings.SIGNING_KEY or Path(settings.HOME) / "signing_key.pem"


def _signing() -> dict[str, Any]:
    keys = []
    for ending, words in (("", "signs"), (".next", "follows"), (".old", "was used before")):
        public = Path(f"{signing_file()}{ending}.pub")
        if public.is_file():
            keys.append({"key": public.read_text().strip(), "does": words, "used": not ending})
    return {"keys": keys, "in_use": settings.SIGNING_KEY is not None}


def _add_signing() -> str:
    first = signing_file()
    if not first.exists():
        ed25519.make_keys(first, Path(f"{first}.pub"))
        text = f"{first} was made; give its public key to the pilots (verify.keys)"
        return f"{text}, name it by COMPASS_SERVER_SIGNING_KEY, and {_RESTART}: then jobs are signed"
    following = Path(f"{signing_file()}.next")
    ed25519.make_keys(following, Path(f"{following}.pub"))
    return f"{following} was made, and signs nothing yet; give its public key to the pilots (verify.keys), then use it"


def _use_signing() -> str:
    ed25519.turn_keys(signing_file())
    return "new jobs are signed with it; take the old public key from verify.keys when its last job is done"


def _drop_signing() -> str:
    old = [path for end in (".old", ".old.pub") if (path := Path(f"{signing_file()}{end}")).exists()]
    if not old:
        raise KeysRefused(f"{signing_file()}.old is not there: there is no old key to be dropped")
    for path in old:
        path.unlink()
    return "the old pair is gone"


def _secret_file() -> Path:
    return Path(settings.HOME) / "secret_key"


def _add_secret() -> str:
    secret_key.add(_secret_file())
    return f"a key was added; {_RESTART}, then use it"


def _use_secret() -> str:
    secret_key.use(_secret_file())
    return (
        f"it signs from the next start on; {_RESTART}, and drop the old one in {settings.ENVIRONMENT.pass_hours} hours"
    )


def _drop_secret() -> str:
    return f"dropped: {secret_key.drop(_secret_file())}; {_RESTART}"


KINDS: Mapping[str, Kind] = {
    CREDENTIALS: Kind(
        "credentials and secrets in the database are sealed with them",
        _sealing,
        {"add": _add_sealing, "drop": _drop_sealing},
    ),
    SIGNING: Kind(
        "pilots know by them that a job is as it was submitted",
        _signing,
        {"add": _add_signing, "use": _use_signing, "drop": _drop_signing},
    ),
    SECRET: Kind(
        "passes of pilots and sessions of browsers are signed with them",
        lambda: {"count": len(_secret_file().read_text().split())},
        {"add": _add_secret, "use": _use_secret, "drop": _drop_secret},
    ),
}
