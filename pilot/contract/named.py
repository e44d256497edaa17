"""Named tuples that cost little to declare.

`typing.NamedTuple` compiles a method for each class, and an expression for each of its fields, whenever a module is
imported. A pilot has some eighty such classes, and a whole job takes it two hundred milliseconds: here all of them
share their methods, and each is made in a tenth of the time.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING, Any

__all__ = ["NamedTuple"]

if TYPE_CHECKING:
    from typing import NamedTuple
else:

    class _Declaring(type):
        """Makes classes of tuples from annotations and defaults; an heir of such a class is an ordinary one."""

        def __new__(cls, name: str, bases: tuple[type, ...], body: dict[str, Any]) -> type:
            if any(base.__bases__ == (tuple,) for base in bases):
                names = tuple(body.get("__annotations__", ()))
                body["_field_defaults"] = {one: body[one] for one in names if one in body}
                body["_fields"] = body["__match_args__"] = names
                body.update((one, property(itemgetter(place))) for place, one in enumerate(names))
                body["__slots__"] = ()
            return super().__new__(cls, name, bases, body)

    class NamedTuple(tuple, metaclass=_Declaring):
        """What the one of `typing` is: a tuple whose places have names, and perhaps defaults."""

        __slots__ = ()
        _fields: tuple[str, ...] = ()
        _field_defaults: dict[str, Any] = {}

        def __new__(cls, *given: Any, **named: Any) -> Any:
            """Make one; raises `TypeError` for what does not fit."""
            names = cls._fields
            if named or len(given) != len(names):
                values = {**cls._field_defaults, **dict(zip(names, given)), **named}
                twice = named.keys() & set(names[: len(given)])
                if twice or len(given) > len(names) or values.keys() != set(names):
                    said = ", ".join([*map(repr, given), *(f"{name}={value!r}" for name, value in named.items())])
                    raise TypeError(f"{cls.__name__} takes ({', '.join(names)}), not ({said})")
                given = tuple(values[name] for name in names)
            return tuple.__new__(cls, given)

        @classmethod
        def _make(cls, values: Any) -> Any:
            return cls(*values)

        def _replace(self, **changes: Any) -> Any:
            return type(self)(**{**self._asdict(), **changes})

        def _asdict(self) -> dict[str, Any]:
            return dict(zip(self._fields, self))

        def __getnewargs__(self) -> tuple[Any, ...]:
            return tuple(self)

        def __repr__(self) -> str:
            said = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({said})"
