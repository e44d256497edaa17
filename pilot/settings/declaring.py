"""How a section of settings, and each setting in it, is declared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import Field, FrozenInstanceError, dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Optional

if TYPE_CHECKING:
    from typing import dataclass_transform
else:

    def dataclass_transform(**_: Any) -> Any:
        """Tell type checkers, and nobody else, what `Section` makes of its heirs."""
        return lambda kind: kind


#: The longest that any setting in seconds may be, thirty years: the platform cannot wait much longer.
LONGEST = 1e9
MIB = 2**20


def key(default: Any, unit: str = "", *, help: str, low: Optional[float] = None, high: Optional[float] = None) -> Any:
    """Declare one setting: its default, its unit, what it does, the least and the most it may be."""
    return field(default=default, metadata={"unit": unit, "help": help, "low": low, "high": high})


def choice(default: str, *words: str, help: str) -> Any:
    """Declare a setting that is one of some words."""
    return field(default=default, metadata={"unit": "", "help": help, "words": (default, *words)})


@dataclass_transform(frozen_default=True, eq_default=False)
class Section:
    """Makes each class that inherits it a frozen dataclass, whose instances differ from each other whatever they hold.

    It has the methods that `dataclass` would write: those are compiled anew for each class at every start of a pilot,
    which takes half a millisecond for each.
    """

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls) -> None:
        dataclass(init=False, eq=False, repr=False)(cls)

    def __init__(self, *given: Any, **named: Any) -> None:
        values: Mapping[str, Any] = {**dict(zip(self.__dataclass_fields__, given)), **named}
        if unknown := values.keys() - self.__dataclass_fields__.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(unknown))}")
        vars(self).update(values)  # what is not given is found in the class

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")
