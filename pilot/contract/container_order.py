"""What a job says of its container, as PanDA writes it: ``containerOptions``, and an image among the job's parameters.

Facts: ``containerOptions`` comes from a task's ``multiStepExec``. ``containerExec`` is a line for a shell in the
container, which runs in the transformation's stead; ``containerImage`` is the image; ``execArgs`` are options for the
runtime.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pilot.contract.codec import OBJECT, TEXT, ContractError, read, says_something, shown
from pilot.contract.named import NamedTuple

FIELD = "containerOptions"
_KEYS = ("containerExec", "containerImage", "execArgs")
#: How a job's parameters name an image; such words are the pilot's, and no argument of the payload.
IMAGE_WORDS = ("--containerImage", "--containerimage")


class ContainerOrder(NamedTuple):
    """The image, the line for its shell, and options for the runtime that starts it."""

    image: str = ""
    script: str = ""
    options: tuple[str, ...] = ()


def read_container(name: Any, options: Any, among_arguments: str = "") -> ContainerOrder:
    """Put together what a job says. Of several images that of ``container_name`` counts first, then the parameters'.

    Args:
        name: The field ``container_name``, read.
        options: The field ``containerOptions``, as it came.
        among_arguments: The image that `take_image` has found.

    Raises:
        ContractError: a key that is not known, a value of the wrong kind, or a line for a shell without an image.
    """
    said = _read_options(options)
    order = ContainerOrder(
        image=name or among_arguments or said.get("containerImage", ""),
        script=said.get("containerExec", ""),
        options=_words(said.get("execArgs", "")),
    )
    for key, value in (("containerExec", order.script), ("execArgs", order.options)):
        if value and not order.image:
            field_name = f"{FIELD}.{key}"
            raise ContractError(
                f"{field_name}: {shown(value)} wants a container, and no image is named", field_name=key
            )
    return order


def take_image(arguments: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Take ``--containerImage X`` out of a job's parameters; answer the rest, and the image or "".

    Raises:
        ContractError: the image itself is missing.
    """
    rest: list[str] = []
    image = ""
    words = iter(arguments)
    for word in words:
        name, equals, value = word.partition("=")
        if name not in IMAGE_WORDS:
            rest.append(word)
            continue
        image = value if equals else next(words, "")
        if not image or image.startswith("-"):
            raise ContractError(f"jobPars: {name} lacks its image", field_name="jobPars")
    return tuple(rest), image


def container_to_panda(image: str, script: str, options: Sequence[str]) -> dict[str, Any]:
    """Write what `read_container` reads; nothing for a job without a container."""
    said: dict[str, Any] = {"container_name": image} if image else {}
    more = {"containerExec": script, "execArgs": shlex.join(options)}
    if any(more.values()):
        said[FIELD] = {key: value for key, value in more.items() if value}
    return said


def _read_options(raw: Any) -> dict[str, str]:
    if not says_something(raw) or raw == "{}":
        return {}
    said: Mapping[str, Any] = read(raw, OBJECT, FIELD)
    for key in said:
        if key not in _KEYS:
            raise ContractError(f"{FIELD}.{key}: not one of {', '.join(_KEYS)}", field_name=f"{FIELD}.{key}")
    return {key: read(value, TEXT, f"{FIELD}.{key}") for key, value in said.items() if says_something(value)}


def _words(text: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(text))
    except ValueError as wrong:
        field_name = f"{FIELD}.execArgs"
        raise ContractError(f"{field_name}: {shown(text)}: {wrong}", field_name=field_name) from wrong
