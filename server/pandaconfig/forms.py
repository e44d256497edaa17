"""Forms of the tables: what cannot be stored is refused by its column; who comes second is told of the first."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from django import forms
from django.contrib.admin import widgets
from django.http import QueryDict
from django.utils import timezone

from server.pandaconfig import logic, queries
from server.pandaconfig.groups import help_of
from server.pandaconfig.models import Schedconfig
from server.pandaconfig.readable import Refused, check
from server.pandaconfig.tables import Row, plain, table_of

if TYPE_CHECKING:
    _ModelForm = forms.ModelForm[Any]
else:
    _ModelForm = forms.ModelForm

#: Columns of so many characters get a field of several lines.
_LONG = 400


class RowForm(_ModelForm):
    """A row of one of the tables; the database is written by `logic`, not by the form."""

    reason = forms.CharField(
        required=False,
        max_length=500,
        label="Why",
        help_text="For the history: why this is changed.",
        widget=widgets.AdminTextInputWidget,
    )
    seen = forms.CharField(required=False, widget=forms.HiddenInput)

    #: Asked with the row before and after; answers why this person may not write it, or "".
    may_write: Callable[[Row | None, Row], str] = staticmethod(lambda _before, _after: "")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.table = table_of(self._meta.model)
        self._before = None if self.instance._state.adding else self.table.read(self.instance.pk)
        if not self.is_bound or "seen" not in self.data:
            self.initial["seen"] = logic.digest(self._before)
        for name, column in self.fields.items():
            if isinstance(column, forms.CharField) and (column.max_length or 0) >= _LONG and name != "reason":
                column.widget = widgets.AdminTextareaWidget(attrs={"rows": 3})

    def row(self) -> Row:
        """Answer the columns that were sent; who leaves some out means that they stay."""
        shown = {name: value for name, value in self.cleaned_data.items() if name in self.table.columns}
        shown = {name: value for name, value in shown.items() if not self._is_left_out(name)}
        return {name: plain(self.table.fields[name].to_python(value)) for name, value in shown.items()}

    def _is_left_out(self, name: str) -> bool:
        widget = self.fields[name].widget
        return bool(widget.value_omitted_from_data(self.data, self.files, self.add_prefix(name)))

    def as_seen(self) -> str | None:
        """Answer the digest of the row that was looked at; nothing from a program that did not look."""
        return self.cleaned_data.get("seen") or None

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        if self.errors:
            return values
        start = self._before or self.table.fresh()
        if self._before is None and self.table.find({**start, **self.row()}) is not None:
            words = f"there is a {self.table.words} of {self.table.named(self.row())} already; change that one"
            self.add_error(self.table.known_by[0], words)
            return values
        if words := self.may_write(self._before, {**start, **self.row()}):
            self.add_error("siteid" if "siteid" in self.changed_data else None, words)
            return values
        if not self._is_fresh():
            return values
        try:
            check(self.table, {**start, **self.row()}, self._before, queries.known())
        except Refused as refused:
            for column, words in refused.errors.items():
                self.add_error(self._field_of(column), words)
        return values

    def _field_of(self, column: str) -> str | None:
        return column if column in self.fields else None

    def _is_fresh(self) -> bool:
        """Refuse what was read before somebody else wrote; shown again with what it says now, it may be saved over."""
        if self.as_seen() in {None, logic.digest(self._before)}:
            return True
        before = self._before or self.table.fresh()
        mine = self.row()
        differ = [name for name in mine if name in before and mine[name] != before[name]]
        pairs = [(name, _short(before[name]), _short(mine[name])) for name in differ[:8]]
        shown = "; ".join(f"{name} says {now} by now, yours {wanted}" for name, now, wanted in pairs)
        words = f"{logic.who_was_it(self.table, self.instance.pk)}. {shown or 'It says what yours does'}."
        self.add_error(None, f"{words} Save again to have it your way.")
        posted = cast("QueryDict", self.data).copy()
        posted[self.add_prefix("seen")] = logic.digest(self._before)
        self.data = posted
        return False

    def _post_clean(self) -> None:
        """Let `check` judge instead of the model: an older row may keep what a new one may not say."""
        for name, value in self.cleaned_data.items():
            if name in self.table.fields:
                setattr(self.instance, name, value)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


class QueueForm(RowForm):
    """The columns, and the JSON beside them, as one form."""

    beside = forms.JSONField(
        required=False,
        label="JSON beside the columns",
        help_text="CRIC's keys: copytools, acopytools, astorages, aprotocols, params ... A key that has a column counts"
        " where the column is at its default.",
        widget=forms.Textarea(attrs={"rows": 20, "cols": 100, "spellcheck": "false", "class": "vLargeTextField"}),
    )

    class Meta:
        model = Schedconfig
        fields = "__all__"

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.initial["beside"] = (self._before or {}).get("data", {})
        for name, column in self.fields.items():
            if name in self.table.fields:
                column.help_text = help_of(name, str(column.help_text))

    def row(self) -> Row:
        found = super().row()
        if self._is_left_out("beside"):
            return found
        beside = self.cleaned_data.get("beside")
        return {**found, "data": {} if beside is None else beside}

    def _field_of(self, column: str) -> str | None:
        return "beside" if column == "data" else super()._field_of(column)


class StatusForm(forms.Form):
    """A status for some queues: why, and for how long."""

    status = forms.ChoiceField(choices=Schedconfig.Status.choices)
    reason = forms.CharField(
        max_length=500, label="Why", help_text="Everybody who wonders about these queues reads it.",
        widget=forms.TextInput(attrs={"size": 80, "autofocus": True}),
    )  # fmt: skip
    hours = forms.FloatField(
        required=False, min_value=0.01, max_value=24 * 366, label="For how many hours",
        help_text="Then each queue gets back what it has now. Empty: until somebody changes it.",
    )  # fmt: skip

    def until(self) -> Any:
        """Answer when it ends; nothing when it stays."""
        hours = self.cleaned_data["hours"]
        return None if hours is None else timezone.now() + timedelta(hours=hours)


class ImportForm(forms.Form):
    """A file of rows, an address that has one, or the text itself."""

    file = forms.FileField(required=False, help_text="CSV with a line of names, or JSON as exported here or by CRIC.")
    address = forms.URLField(required=False, assume_scheme="https", label="Address of a JSON")
    text = forms.CharField(
        required=False, label="Or the text itself",
        widget=forms.Textarea(attrs={"rows": 8, "cols": 100, "spellcheck": "false"}),
    )  # fmt: skip
    make_clouds = forms.BooleanField(required=False, label="Make clouds that queues name and that there are not")

    def clean(self) -> dict[str, Any]:
        values: dict[str, Any] = super().clean() or self.cleaned_data
        given = [name for name in ("file", "address", "text") if values.get(name)]
        if not self.errors and len(given) != 1:
            raise forms.ValidationError("Give a file, or an address, or the text: one of the three.")
        return values
