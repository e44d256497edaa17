"""The form of a service: its switch, and when it runs: by a period, or by a crontab in a time zone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import available_timezones

from django import forms
from unfold.widgets import (
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
    UnfoldBooleanSwitchWidget,
)

from server.services.crontabs import Crontab, parse
from server.services.models import Service

if TYPE_CHECKING:
    ServiceModelForm = forms.ModelForm[Service]
else:
    ServiceModelForm = forms.ModelForm


def zones() -> list[tuple[str, str]]:
    """Answer the time zones to choose from, UTC first; those of no place are left out."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return [(name, name) for name in ("UTC", *places)]


class ServiceForm(ServiceModelForm):
    """Period or crontab: the one that is filled in is the one that holds."""

    on = forms.BooleanField(label="Enabled", required=False, widget=UnfoldBooleanSwitchWidget)
    seconds = forms.IntegerField(
        label="Period",
        min_value=1,
        max_value=366 * 86400,
        required=False,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="Seconds between two runs. Leave it empty to run by a crontab.",
    )
    crontab = forms.CharField(
        label="Crontab",
        max_length=250,
        required=False,
        widget=UnfoldAdminTextInputWidget,
        help_text="minute hour day-of-month month day-of-week, such as 30 4 * * 1-5. Leave it empty to run by a period."
        " What is said of the day must hold at once; Sunday is 0.",
    )
    zone = forms.ChoiceField(
        label="Time zone",
        choices=zones,
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="The crontab's. When clocks change: a time that is left out comes an hour later, one that is shown"
        " twice comes once, unless the crontab is for every hour.",
    )

    class Meta:
        model = Service
        fields: list[str] = []

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        period, crontab = self.instance.period, self.instance.crontab
        self.initial.update(
            on=self.instance.enabled,
            seconds=None if period is None else round(period),
            crontab=str(crontab or ""),
            zone=crontab.zone if crontab else "UTC",
        )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        seconds, text = found.get("seconds"), (found.get("crontab") or "").strip()
        found["when"] = None
        if self.errors:
            return found
        if (seconds is None) == (not text):
            both = (
                "Both a period and a crontab are given; empty one of them." if text else "Give a period or a crontab."
            )
            raise forms.ValidationError({"seconds": both})
        if text:
            try:
                found["when"] = parse(text, found.get("zone") or "UTC")
            except ValueError as wrong:
                self.add_error("crontab", str(wrong))
        return found

    @property
    def when(self) -> Crontab | None:
        """The crontab that was entered, if one was."""
        found: Crontab | None = self.cleaned_data["when"]
        return found
