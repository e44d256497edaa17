"""The audit log in the admin: administrators alone read it, nobody writes it, and who exports it stands in it."""

from __future__ import annotations

from typing import Any, cast

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.urls import URLPattern, path, reverse
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from server.lib import paging
from server.lib.admin import MachineTableAdmin, link
from server.trail import queries
from server.trail.models import Entry


class Period(admin.SimpleListFilter):
    title = "period"
    parameter_name = "period"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(word, words) for word, (words, _) in queries.PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        if (value := self.value()) not in queries.PERIODS:
            return queryset
        return queryset.filter(at__gte=timezone.now() - queries.PERIODS[value][1])


class Of(admin.SimpleListFilter):
    """Who: the accounts that were there last; others by a click on their name."""

    title = "person"
    parameter_name = "person"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        chosen = request.GET.get(self.parameter_name, "")
        names = queries.people()
        return [(name, name) for name in ([chosen] if chosen and chosen not in names else []) + names]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        return queryset.filter(person=self.value()) if self.value() else queryset


@admin.register(Entry)
class EntryAdmin(MachineTableAdmin):
    list_display = ("when", "who", "did", "of", "what", "page", "outcome", "took", "came")
    list_filter = ("action", Period, Of)
    search_fields = ("path", "filters", "key", "what", "reason")
    search_help_text = "Words in address, filters, row, what and reason: the latest 1000 that have them."
    sortable_by = ()
    paginator = paging.Bounded
    actions = None
    list_before_template = "trail/before.html"

    def has_view_permission(self, request: HttpRequest, obj: Entry | None = None) -> bool:
        """Only administrators: it says of everybody what they look at."""
        user = request.user
        return user.is_active and bool(getattr(user, "is_superuser", False))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Look for words once, and not once more to count what was found: the latest that have them."""
        found, may_repeat = super().get_search_results(request, queryset, search_term)
        if not search_term.strip():
            return found, may_repeat
        latest = found.order_by("-at", "-id").values_list("pk", flat=True)[: queries.MOST_FOUND]
        return Entry.objects.filter(pk__in=list(latest)), False

    @admin.display(description="at (UTC)")
    def when(self, one: Entry) -> SafeString:
        return format_html('<span class="whitespace-nowrap">{}</span>', f"{one.at:%Y-%m-%d %H:%M:%S}")

    @admin.display(description="action")
    def did(self, one: Entry) -> str:
        return one.action

    @admin.display(description="from")
    def came(self, one: Entry) -> str:
        return f"{one.address} ({one.how})" if one.how else one.address

    @admin.display(description="person")
    def who(self, one: Entry) -> SafeString | str:
        return link("trail_entry", one.person, person=one.person) if one.person else "nobody"

    @admin.display(description="of")
    def of(self, one: Entry) -> SafeString | str:
        if not one.key:
            return link("trail_entry", one.table, table=one.table) if one.table else ""
        return link("trail_entry", f"{one.table} {one.key}", table=one.table, key=one.key)

    @admin.display(description="what, and why")
    def what(self, one: Entry) -> str:
        return ": ".join(words for words in (one.what, one.reason) if words)

    @admin.display(description="page")
    def page(self, one: Entry) -> SafeString:
        shown = one.path if not one.filters else f"{one.path}?{one.filters}"
        return format_html('<span title="{}">{}</span>', shown, shown if len(shown) <= 60 else f"{shown[:59]}…")

    @admin.display(description="took")
    def took(self, one: Entry) -> str:
        return f"{one.duration}\N{NO-BREAK SPACE}ms"

    def get_urls(self) -> list[URLPattern]:
        export = self.admin_site.admin_view(self.export)
        return [path("export/", export, name="trail_entry_export"), *super().get_urls()]

    def export(self, request: HttpRequest) -> HttpResponse:
        """Answer the rows of the list as it is filtered, as CSV."""
        if not self.has_view_permission(request):
            return HttpResponse("The audit log is for administrators alone.", status=403, content_type="text/plain")
        rows = self.get_changelist_instance(request).get_queryset(request)
        headers = {"Content-Disposition": 'attachment; filename="trail.csv"', "Cache-Control": "no-store"}
        whole = StreamingHttpResponse(queries.as_csv(rows), content_type="text/csv; charset=utf-8", headers=headers)
        return cast("HttpResponse", whole)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        query = request.META.get("QUERY_STRING", "")
        context = {
            "export": f"{reverse('admin:trail_entry_export')}{'?' if query else ''}{query}",
            "most": queries.MOST,
            "counted": paging.MOST,
        }
        return super().changelist_view(request, {**(extra_context or {}), **context})
