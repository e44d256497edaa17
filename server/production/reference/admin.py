"""Sites, types of task, templates and releases in the admin: what no task could use is refused in the form."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Func, IntegerField, Model, OuterRef, Q, QuerySet, Subquery
from django.http import HttpRequest

from server.lib.admin import TableAdmin
from server.production.models import Task
from server.production.reference.forms import KindForm, ReleaseForm, SiteForm, TemplateForm
from server.production.reference.kinds import BUILT_IN
from server.production.reference.models import Site, SoftwareRelease, TaskKind, Template


class UsedTableAdmin(TableAdmin):
    """Rows that tasks name: the page tells how many do, and none of these is deleted; switch it off instead."""

    #: What is never changed once a row is there.
    fixed: ClassVar[tuple[str, ...]] = ("name",)

    def tasks_of(self, outer: Any) -> Q:
        """Select the tasks that name a row, whose columns are taken by ``outer``."""
        raise NotImplementedError

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        named = Task.objects.filter(self.tasks_of(OuterRef)).order_by()
        counted = named.annotate(n=Func("pk", function="COUNT", output_field=IntegerField())).values("n")
        rows: QuerySet[Any] = super().get_queryset(request).annotate(named_by=Subquery(counted))
        return rows

    @admin.display(description="used by tasks", ordering="named_by")
    def used(self, row: Any) -> int:
        return int(row.named_by)

    def get_readonly_fields(self, request: HttpRequest, obj: Model | None = None) -> tuple[str, ...]:
        return (*self.fixed, "used") if obj else ()

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        allowed: bool = super().has_delete_permission(request, obj)
        return allowed and (obj is None or not self._is_used(obj))

    def _is_used(self, row: Any) -> bool:
        return Task.objects.filter(self.tasks_of(lambda column: getattr(row, column))).exists()

    def get_actions(self, request: HttpRequest) -> dict[str, Any]:
        """Leave out the deletion of several: whether tasks name a row is looked at on its own page."""
        return {name: action for name, action in super().get_actions(request).items() if name != "delete_selected"}


@admin.register(Site)
class SiteAdmin(UsedTableAdmin):
    form = SiteForm
    list_display = ("name", "queue", "tape", "hpc", "enabled", "used", "limits")
    list_filter = ("enabled", "hpc")
    search_fields = ("name", "queue")

    def tasks_of(self, outer: Any) -> Q:
        return Q(site=outer("pk"))


@admin.register(TaskKind)
class TaskKindAdmin(UsedTableAdmin):
    form = KindForm
    list_display = ("word", "label", "chain", "priority", "enabled", "used", "limits")
    list_filter = ("enabled", "chain")
    search_fields = ("word", "label")
    # Tasks of it were made by its chain.
    fixed = ("word", "chain")

    def tasks_of(self, outer: Any) -> Q:
        return Q(kind=outer("word")) | Q(kind="", type=outer("word"))

    def _is_used(self, row: TaskKind) -> bool:
        """Keep those that come with the product: without its row one would be there all the same."""
        return row.word in BUILT_IN or super()._is_used(row)


@admin.register(Template)
class TemplateAdmin(UsedTableAdmin):
    form = TemplateForm
    list_display = ("name", "file", "fits", "enabled", "used")
    list_filter = ("enabled", "kinds")
    search_fields = ("name", "file")
    filter_horizontal = ("kinds",)

    def get_queryset(self, request: HttpRequest) -> QuerySet[Template]:
        rows: QuerySet[Template] = super().get_queryset(request).prefetch_related("kinds")
        return rows

    @admin.display(description="for")
    def fits(self, row: Template) -> str:
        return ", ".join(kind.word for kind in row.kinds.all()) or "all types"

    def tasks_of(self, outer: Any) -> Q:
        return Q(template=outer("name")) | (Q(template=outer("file")) & ~Q(template=""))


@admin.register(SoftwareRelease)
class SoftwareReleaseAdmin(UsedTableAdmin):
    form = ReleaseForm
    list_display = ("name", "home", "path", "phast", "enabled", "checked", "used")
    list_filter = ("enabled",)
    search_fields = ("name", "path")
    fixed = ("name", "home", "path")

    def tasks_of(self, outer: Any) -> Q:
        return Q(soft=outer("name"), path=outer("path"))
