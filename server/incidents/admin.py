"""Incidents in the admin: what goes wrong inside the server, how often, and what people say of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin, messages
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from server.incidents import charts, logic, queries
from server.incidents.models import Incident, IncidentCount
from server.incidents.states import State
from server.lib import paging
from server.lib.admin import MachineTableAdmin, TableAdmin
from server.trail.logic import note

if TYPE_CHECKING:
    IncidentModelForm = forms.ModelForm[Incident]
else:
    IncidentModelForm = forms.ModelForm

#: How far back lists look, by the word for it.
PERIODS = {
    "hour": ("seen in the last hour", timedelta(hours=1)),
    "day": ("seen in the last day", timedelta(days=1)),
    "week": ("seen in the last week", timedelta(days=7)),
}
#: Hours of the small bars beside each incident, and of the large ones.
DAY, WEEK = 24, 168


class IncidentForm(IncidentModelForm):
    """State and note; both tell what was known when the page was opened."""

    was = forms.CharField(widget=forms.HiddenInput)

    class Meta:
        model = Incident
        fields = ("state", "note")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is = self.instance.state
        self.initial["was"] = self._is

    def clean_was(self) -> str:
        was: str = self.cleaned_data["was"]
        if was != self._is:
            words = f"It was {was} when this page was opened, and is {self._is} now: somebody has moved it, or it came"
            raise forms.ValidationError(f"{words} again. Open the page anew, and save what still holds.")
        return was


class Period(admin.SimpleListFilter):
    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, words) for word, (words, _) in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (value := self.value()) not in PERIODS:
            return queryset
        return queryset.filter(last_seen__gte=timezone.now() - PERIODS[value][1])


class App(admin.SimpleListFilter):
    title = "app"
    parameter_name = "app"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(name, name) for name in queries.apps()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(app=self.value()) if self.value() else queryset


@admin.register(Incident)
class IncidentAdmin(TableAdmin):
    form = IncidentForm
    list_display = ("what", "app", "level", "count", "day", "last", "state")
    list_filter = ("state", "level", Period, App)
    search_fields = ("words", "exception", "logger", "place", "sample", "note")
    search_help_text = "Words of the message, the exception, the logger, the place, the sample or the note."
    show_full_result_count = False
    list_per_page = 50
    paginator = paging.Bounded
    actions = ("mark_seen", "resolve", "open_again")
    list_before_template = "incidents/sum.html"
    change_form_before_template = "incidents/sample.html"
    fieldsets = (
        ("What people say of it", {"fields": ("state", "note", "was", "by", "moved_at", "reopened")}),
        ("What it is", {"fields": ("level", "app", "logger", "words", "exception", "place")}),
        ("How often, and where last", {"fields": ("count", "first_seen", "last_seen", "host", "process", "work")}),
    )
    readonly_fields = (
        *("by", "moved_at", "reopened", "level", "app", "logger", "words", "exception", "place"),
        *("count", "first_seen", "last_seen", "host", "process", "work"),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Incident | None = None) -> bool:
        return False

    @admin.display(description="what", ordering="words")
    def what(self, incident: Incident) -> SafeString:
        """Answer the words, and below them how the sample's traceback ends."""
        last = incident.sample.rstrip().rpartition("\n")[2].strip() if incident.exception else ""
        return format_html('{}<br><small class="dim">{}</small>', incident.words, last[:120])

    @admin.display(description="last 24 hours")
    def day(self, incident: Incident) -> SafeString:
        hours: charts.Hours = getattr(incident, "hours", [])
        return charts.bars(hours, width=96, height=20, titles=False)

    @admin.display(description="last seen (UTC)", ordering="last_seen")
    def last(self, incident: Incident) -> SafeString:
        return format_html('<span class="whitespace-nowrap">{}</span>', f"{incident.last_seen:%Y-%m-%d %H:%M}")

    @admin.display(description="first seen", ordering="first_seen")
    def first(self, incident: Incident) -> SafeString:
        return format_html('<span class="whitespace-nowrap">{}</span>', f"{incident.first_seen:%Y-%m-%d %H:%M}")

    @admin.display(description="in hand")
    def work(self, incident: Incident) -> str:
        return ", ".join(f"{name} {value}" for name, value in incident.about.items()) or "nothing that is known"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        now = timezone.now()
        answer = super().changelist_view(request, extra_context)
        if isinstance(answer, TemplateResponse) and answer.context_data and "cl" in answer.context_data:
            shown = answer.context_data["cl"].result_list
            counts = queries.by_hour([one.pk for one in shown], since=now - timedelta(hours=DAY - 1))
            for one in shown:
                one.hours = queries.hours(counts[one.pk], now=now, length=DAY)
            total = queries.all_by_hour(since=now - timedelta(hours=WEEK - 1))
            week = queries.hours(total, now=now, length=WEEK)
            answer.context_data["last_hour"] = queries.last_hour(now)
            answer.context_data["week"] = charts.bars(week, width=840, height=48, fits=True)
            answer.context_data["week_total"] = sum(count for _, count in week)
        return answer

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        now = timezone.now()
        number = int(object_id) if object_id.isascii() and object_id.isdigit() and len(object_id) < 19 else 0
        counts = queries.by_hour([number], since=now - timedelta(hours=WEEK - 1))[number]
        week = queries.hours(counts, now=now, length=WEEK)
        busy = [(moment, count) for moment, count in reversed(week) if count][:DAY]
        context = {"week": charts.bars(week, width=840, height=72, fits=True), "busy": busy}
        return super().change_view(request, object_id, form_url, {**(extra_context or {}), **context})

    def save_model(self, request: HttpRequest, obj: Incident, form: Any, change: bool) -> None:
        after, words = State(form.cleaned_data["state"]), form.cleaned_data["note"]
        self._move(request, [Incident.objects.get(pk=obj.pk)], after, words)

    def _move(self, request: HttpRequest, incidents: list[Incident], after: State, words: str | None = None) -> None:
        moved = 0
        for incident in incidents:
            try:
                logic.move(incident, after, by=request.user.get_username(), note=words)
            except logic.IncidentRefused as refused:
                self.message_user(request, f"{incident}: {refused}", messages.ERROR)
            else:
                moved += 1
                key = str(incident.pk)
                note(request, "change", f"incident {after.label}", words or "", table="incidents.incident", key=key)
        if words is None and moved:
            self.message_user(request, f"{moved} of the incidents are {after.label} now.")

    @admin.action(description="Mark as seen", permissions=["change"])
    def mark_seen(self, request: HttpRequest, chosen: QuerySet[Incident]) -> None:
        self._move(request, list(chosen), State.SEEN)

    @admin.action(description="Resolve: new again when it comes again", permissions=["change"])
    def resolve(self, request: HttpRequest, chosen: QuerySet[Incident]) -> None:
        self._move(request, list(chosen), State.RESOLVED)

    @admin.action(description="Open again", permissions=["change"])
    def open_again(self, request: HttpRequest, chosen: QuerySet[Incident]) -> None:
        self._move(request, list(chosen), State.NEW)


@admin.register(IncidentCount)
class IncidentCountAdmin(MachineTableAdmin):
    """Not in the side bar: an incident's page shows its own."""

    list_display = ("incident", "slot", "count")
    list_select_related = ("incident",)
    paginator = paging.Bounded

    def has_module_permission(self, request: HttpRequest) -> bool:
        return False
