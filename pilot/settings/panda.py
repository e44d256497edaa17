"""PanDA's own variables as settings: what a node or a factory made for its pilots sets already. Every other layer wins.

A token's file is looked for as the variables of `TOKENS` name it. Where one holds no whole path, that is in this order:
the folder that ``OIDC_AUTH_DIR``, else ``PANDA_AUTH_DIR``, names; the one of the proxy (``X509_USER_PROXY``);
``PILOT_SOURCE_DIR``, ``PILOT_WORK_DIR``, ``HOME``. The first file that exists is taken.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Callable, Optional

from pilot.settings.token import TOKEN_VARIABLE

#: Each holds the name of a file with a token; the first whose file exists counts.
TOKENS = ("OIDC_REFRESHED_AUTH_TOKEN", "OIDC_AUTH_TOKEN", "PANDA_AUTH_TOKEN")
#: Names the file with the key by which tokens are renewed; it is looked for as those are.
RENEWAL = "PANDA_AUTH_TOKEN_KEY"
ORIGINS = ("OIDC_AUTH_ORIGIN", "PANDA_AUTH_ORIGIN")
DIRECTORIES = ("OIDC_AUTH_DIR", "PANDA_AUTH_DIR")
#: Folders in which PanDA's pilots keep what belongs to them.
HOMES = ("PILOT_SOURCE_DIR", "PILOT_WORK_DIR", "HOME")
#: Addresses from which transformations may be fetched, separated by commas.
BASE_URLS = "PANDA_BASE_URLS"
#: The longest life of a pilot, in seconds.
LIFETIME = "PANDAPILOT_LIFETIME"
#: Whether jobs are asked for while the node has much to do, and what is much: its load by core.
DELAYS, LOAD = "PILOT_ENABLE_DELAY_TO_GET_JOB", "PILOT_LOAD_FACTOR"
USUAL_LOAD = 1.2
#: The folder of container images.
IMAGE_BASE = "IMAGE_BASE"

Found = tuple[str, Mapping[str, Mapping[str, Any]]]


def panda_layers(environment: Mapping[str, str]) -> list[Found]:
    """Read PanDA's variables, one layer each. What they name and is not there is passed over, as PanDA does.

    With a token, no certificate is taken; with ``COMPASS_PILOT_TOKEN`` neither.
    """
    layers: list[Found] = []
    token = None if environment.get(TOKEN_VARIABLE) else token_file(environment)
    if token is not None:
        variable, path = token
        layers.append(_server(variable, "token_file", str(path)))
        layers += [_server(name, "origin", environment[name]) for name in ORIGINS if environment.get(name)][:1]
    elif not environment.get(TOKEN_VARIABLE):
        layers += _existing(environment, "X509_USER_PROXY", "certificate")
    layers += _existing(environment, "X509_CERT_DIR", "authorities")
    if (key := _file_of(environment, RENEWAL)) is not None:
        layers.append((f"${RENEWAL}", {"credentials": {"token_key_file": str(key)}}))
    layers += _worker(environment)
    if urls := tuple(url.strip() for url in environment.get(BASE_URLS, "").split(",") if url.strip()):
        layers.append((f"${BASE_URLS}", {"verify": {"transformation_urls": urls}}))
    if (lifetime := environment.get(LIFETIME, "")).isdecimal():
        layers.append((f"${LIFETIME}", {"job": {"lifetime": float(lifetime)}}))
    if environment.get(DELAYS):
        layers += _load(environment)
    if environment.get(IMAGE_BASE):
        layers.append((f"${IMAGE_BASE}", {"container": {"image_base": environment[IMAGE_BASE]}}))
    return layers


def token_file(environment: Mapping[str, str]) -> Optional[tuple[str, Path]]:
    """Answer the file with the token and the variable that names it; ``None`` when there is none."""
    for variable in TOKENS:
        if (path := _file_of(environment, variable)) is not None:
            return variable, path
    return None


def _file_of(environment: Mapping[str, str], variable: str) -> Optional[Path]:
    """Answer the file that a variable names, wherever such files lie; ``None`` when there is none."""
    if named := environment.get(variable):
        for path in (Path(named), *(folder / named for folder in _folders(environment))):
            if path.is_absolute() and _may(path.is_file):
                return path
    return None


def _folders(environment: Mapping[str, str]) -> Iterator[Path]:
    if named := next((environment[name] for name in DIRECTORIES if environment.get(name)), None):
        yield Path(named)
        yield Path(named).parent  # what PanDA's pilots take when there is no slash at the end
    if proxy := environment.get("X509_USER_PROXY"):
        yield Path(proxy).parent
    for name in HOMES:
        if environment.get(name):
            yield Path(environment[name])


#: What Harvester tells its workers, and the settings that take it.
WORKER = {"HARVESTER_ID": "id", "HARVESTER_WORKER_ID": "worker", "HARVESTER_WORKDIR": "workdir"}


def _worker(environment: Mapping[str, str]) -> Iterator[Found]:
    for variable, key in WORKER.items():
        text = environment.get(variable, "")
        value = int(text) if key == "worker" and text.isdigit() else text if key != "worker" else ""
        if value:
            yield f"${variable}", {"harvester": {key: value}}


def _server(variable: str, key: str, value: str) -> Found:
    return f"${variable}", {"server": {key: value}}


def _load(environment: Mapping[str, str]) -> Iterator[Found]:
    with contextlib.suppress(ValueError):
        yield f"${LOAD}", {"job": {"most_load": float(environment.get(LOAD) or USUAL_LOAD)}}


def _existing(environment: Mapping[str, str], variable: str, key: str) -> list[Found]:
    path = environment.get(variable)
    return [_server(variable, key, path)] if path and _may(Path(path).exists) else []


def _may(look: Callable[[], bool]) -> bool:
    """Look at a file; one in a folder that this user may not look into is none."""
    with contextlib.suppress(OSError):
        return look()
    return False
