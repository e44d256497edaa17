"""Columns of PanDA's tables: their lengths and digits are limits, and a NULL of an older database reads as nothing.

PanDA leaves most columns NULL where nothing is said; here that is "" and 0, on our own database as on an existing one,
so that code asks one question.
"""

from __future__ import annotations

import json
import math
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

if TYPE_CHECKING:
    _Text = models.CharField[str, str]
    _Whole = models.BigIntegerField[int, int]
    _Number = models.FloatField[float, float]
    _Time = models.DateTimeField[Any, Any]
else:
    _Text, _Whole, _Number, _Time = models.CharField, models.BigIntegerField, models.FloatField, models.DateTimeField

#: MariaDB keeps a row of short texts in one page, and there is no room in it for a hundred; longer ones lie beside it.
_BESIDE_THE_PAGE, _TEXT = 64, 256
#: Numbers of 19 digits end a little earlier in a database.
_LARGEST = 2**63 - 1


def printable(text: str) -> None:
    """Refuse what would break a line of a log or of a file, or a terminal.

    Raises:
        ValidationError: there is a control character in it, other than a tabulator or the end of a line.
    """
    odd = next((sign for sign in text if (ord(sign) < 32 and sign not in "\t\n\r") or ord(sign) == 127), "")
    if odd:
        raise ValidationError(f"there is a control character ({odd!r}) in {text[:40]!r}; leave it out")


class TextColumn(_Text):
    """VARCHAR2(n) of PanDA; as text beside the row where MariaDB has no room."""

    default_validators = [printable]

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("blank", True)
        if not options.get("primary_key"):  # Django takes a row whose key has a default for a new one
            options.setdefault("default", "")
        super().__init__(*args, **options)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "blank": self.blank}

    def db_type(self, connection: BaseDatabaseWrapper) -> str | None:
        if connection.vendor != "mysql" or self.primary_key or self.max_length is None:
            return super().db_type(connection)
        return "text" if self.max_length >= _TEXT else f"varchar({max(self.max_length, _BESIDE_THE_PAGE)})"

    def from_db_value(self, value: Any, *_: Any) -> str:
        return "" if value is None else str(value)

    def to_python(self, value: Any) -> Any:
        return "" if value is None else super().to_python(value)


class WholeColumn(_Whole):
    """NUMBER(digits) of PanDA, a whole number; below 0 only where ``low`` says so."""

    def __init__(self, *args: Any, digits: int = 10, low: int | None = 0, **options: Any) -> None:
        self.digits, self.low = digits, low
        options.setdefault("default", 0)
        super().__init__(*args, **options)

    @property
    def high(self) -> int:
        """The largest value."""
        largest: int = 10**self.digits - 1
        return min(largest, _LARGEST)

    @property
    def validators(self) -> Any:
        """Its range, beside what the field has of itself."""
        low = -self.high if self.low is None else self.low
        return [*super().validators, MinValueValidator(low), MaxValueValidator(self.high)]

    def formfield(self, *args: Any, **options: Any) -> Any:
        low = -self.high if self.low is None else self.low
        return super().formfield(*args, **{"min_value": low, "max_value": self.high, "required": False, **options})

    def clean(self, value: Any, model_instance: Any) -> Any:
        return super().clean(0 if value in (None, "") else value, model_instance)

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(0 if value is None else value)

    def deconstruct(self) -> Any:
        name, path, args, options = super().deconstruct()
        return name, path, args, {**options, "digits": self.digits, "low": self.low}

    def from_db_value(self, value: Any, *_: Any) -> int:
        return 0 if value is None else int(value)

    def to_python(self, value: Any) -> Any:
        if isinstance(value, bool) or (isinstance(value, float) and not value.is_integer()):
            raise ValidationError("a whole number is expected")
        return 0 if value is None else super().to_python(value)


class NumberColumn(_Number):
    """NUMBER of PanDA, with decimals; not below 0."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("default", 0)
        super().__init__(*args, **options)

    @property
    def validators(self) -> Any:
        """Its range, beside what the field has of itself."""
        return [*super().validators, MinValueValidator(0), MaxValueValidator(1e12)]

    def formfield(self, *args: Any, **options: Any) -> Any:
        return super().formfield(*args, **{"required": False, **options})

    def clean(self, value: Any, model_instance: Any) -> Any:
        return super().clean(0 if value in (None, "") else value, model_instance)

    def get_prep_value(self, value: Any) -> Any:
        return super().get_prep_value(0 if value is None else value)

    def from_db_value(self, value: Any, *_: Any) -> float:
        return 0.0 if value is None else float(value)

    def to_python(self, value: Any) -> Any:
        try:
            found = 0.0 if value is None or isinstance(value, bool) else super().to_python(value)
        except OverflowError:
            found = math.inf
        if isinstance(value, bool) or not math.isfinite(found):
            raise ValidationError("a number is expected")
        return found


class TimeColumn(_Time):
    """DATE of PanDA, which has no time zone and no parts of a second: it is UTC, whatever zone somebody wrote."""

    def __init__(self, *args: Any, **options: Any) -> None:
        options.setdefault("null", True)
        options.setdefault("blank", True)
        super().__init__(*args, **options)

    def from_db_value(self, value: Any, *_: Any) -> datetime | None:
        if isinstance(value, datetime) and value.tzinfo is None:
            return value.replace(tzinfo=UTC)
        found: datetime | None = value
        return found

    def to_python(self, value: Any) -> Any:
        if value is None or value == "":
            return None
        if not isinstance(value, str | date):
            raise ValidationError("a time is expected, as 2026-11-23T12:00:00Z")
        if isinstance(value, date) and not isinstance(value, datetime):
            value = datetime(value.year, value.month, value.day, tzinfo=UTC)
        found = super().to_python(value)
        try:
            return found.replace(tzinfo=UTC) if found.tzinfo is None else found.astimezone(UTC)
        except OverflowError:
            raise ValidationError("this time is not between the years 1 and 9999 of UTC") from None

    def clean(self, value: Any, model_instance: Any) -> Any:
        found = super().clean(value, model_instance)
        return None if found is None else found.replace(microsecond=0)


class JsonColumn(models.JSONField):
    """A JSON object, in a column of whatever kind the database has for it; NULL is an empty one."""

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        if value is None:
            return {}
        if isinstance(value, str | bytes):
            return json.loads(value)
        return value  # a driver has read it already
