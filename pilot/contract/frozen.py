"""Frozen dataclasses that cost nothing to declare.

`dataclasses.dataclass` writes the methods of each class as text and compiles it whenever its module is imported: up to
two milliseconds for a class, of which a pilot has some dozens while a whole job takes two hundred. Here all classes
share their methods, and what `dataclasses` knows of a class is found out when it is first needed.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, FrozenInstanceError, dataclass, field
from typing import TYPE_CHECKING, Any, Callable, ClassVar, Optional

from pilot.contract.named import NamedTuple

if TYPE_CHECKING:
    from typing_extensions import dataclass_transform  # mypy knows it, nothing imports it
else:

    def dataclass_transform(**_: Any) -> Any:
        """Tell type checkers, and nobody else, that heirs of a class are dataclasses."""
        return lambda kind: kind


_FIELDS = "__dataclass_fields__"
#: Two threads may ask for a class's fields at the same time.
_finding = threading.RLock()


class _Fields:
    """Stands in a class until somebody asks for its fields; `dataclasses` then puts these here."""

    def __get__(self, instance: object, owner: type[Frozen]) -> Mapping[str, Field[Any]]:
        with _finding:
            if vars(owner)[_FIELDS] is self:
                dataclass(init=False, eq=False, repr=False)(owner)
        found: Mapping[str, Field[Any]] = vars(owner)[_FIELDS]
        return found


class _Layout(NamedTuple):
    """What a new instance holds: every field in its order with its default, how others are made, which are needed."""

    values: Mapping[str, Any]
    makers: Sequence[tuple[str, Callable[[], Any]]]
    needed: Sequence[str]


def _layout_of(kind: type[Frozen]) -> _Layout:
    """Find out how instances are laid out, once for each class."""
    found: Optional[_Layout] = vars(kind).get("_layout")
    if found is None:
        specs = kind.__dataclass_fields__.values()
        makers = tuple((spec.name, spec.default_factory) for spec in specs if spec.default_factory is not MISSING)
        made = {name for name, _ in makers}
        needed = tuple(spec.name for spec in specs if spec.default is MISSING and spec.name not in made)
        found = kind._layout = _Layout({spec.name: spec.default for spec in specs}, makers, needed)
    return found


@dataclass_transform(frozen_default=True, field_specifiers=(field,))
class Frozen:
    """Makes each class that inherits it what ``@dataclass(frozen=True)`` would."""

    if TYPE_CHECKING:
        __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
        _layout: ClassVar[_Layout]

    def __init_subclass__(cls) -> None:
        setattr(cls, _FIELDS, _Fields())

    def __init__(self, *given: Any, **named: Any) -> None:
        layout = _layout_of(type(self))
        values = {**layout.values, **dict(zip(layout.values, given)), **named}
        if len(values) != len(layout.values) or len(given) > len(values):
            raise self._misfit("has no", values.keys() - layout.values.keys() or {f"{len(given)} fields"})
        if given and named and (twice := named.keys() & set(list(values)[: len(given)])):
            raise self._misfit("is given twice", twice)
        for name, make in layout.makers:
            if values[name] is MISSING:
                values[name] = make()
        if missing := [name for name in layout.needed if values[name] is MISSING]:
            raise self._misfit("needs", missing)
        vars(self).update(values)

    def _misfit(self, words: str, names: Any) -> TypeError:
        return TypeError(f"{type(self).__qualname__} {words} {', '.join(sorted(names))}")

    def __setattr__(self, name: str, value: object) -> None:
        raise FrozenInstanceError(f"cannot assign to field {name!r}")

    def __delattr__(self, name: str) -> None:
        raise FrozenInstanceError(f"cannot delete field {name!r}")

    def __eq__(self, other: object) -> bool:
        return vars(self) == vars(other) if type(other) is type(self) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"{type(self).__qualname__}({said})"
