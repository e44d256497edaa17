"""How a section of settings, and each setting in it, is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, Optional

from pilot.contract.frozen import Frozen

#: The longest that any setting in seconds may be, thirty years: the platform cannot wait much longer.
LONGEST = 1e9
MIB = 2**20


def key(default: Any, unit: str = "", *, help: str, low: Optional[float] = None, high: Optional[float] = None) -> Any:
    """Declare one setting: its default, its unit, what it does, the least and the most it may be."""
    return field(default=default, metadata={"unit": unit, "help": help, "low": low, "high": high})


def choice(default: str, *words: str, help: str) -> Any:
    """Declare a setting that is one of some words."""
    return field(default=default, metadata={"unit": "", "help": help, "words": (default, *words)})


class Section(Frozen):
    """Makes each class that inherits it a section: a frozen dataclass, each instance of which equals only itself.

    An instance holds what it was given; everything else is read from the class.
    """

    def __init__(self, *given: Any, **named: Any) -> None:
        values: Mapping[str, Any] = {**dict(zip(self.__dataclass_fields__, given)), **named}
        if unknown := values.keys() - self.__dataclass_fields__.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        vars(self).update(values)

    __eq__ = object.__eq__
    __hash__ = object.__hash__
    __repr__ = object.__repr__  # an address may hold a password
