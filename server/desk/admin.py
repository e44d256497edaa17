"""The pages of tables that are not ours, on the theme's classes: people, groups, schedules and results of services."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import admin
from django.contrib.auth.admin import GroupAdmin as DjangoGroups
from django.contrib.auth.admin import UserAdmin as DjangoUsers
from django.contrib.auth.models import Group, User
from django.http import HttpRequest
from django_celery_beat import admin as beat
from django_celery_beat import models as schedules
from django_celery_results import admin as results
from django_celery_results.models import GroupResult, TaskResult

from server.accounts.models import SiteRight
from server.accounts.rights import is_administrator
from server.lib.admin import ReadOnly, RowsInline, TableAdmin

if TYPE_CHECKING:
    from django.contrib.auth.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

    Users = DjangoUsers[User]
else:
    Users = DjangoUsers
    from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm

#: Those of the packages come first, as they are imported above; each is replaced by one that looks like all others.
admin.site.unregister((
    User, Group, TaskResult, GroupResult, schedules.PeriodicTask, schedules.IntervalSchedule,
    schedules.CrontabSchedule, schedules.SolarSchedule, schedules.ClockedSchedule,
))  # fmt: skip


#: What an account may do, beside the sites that it looks after.
_RIGHTS = ("is_staff", "is_superuser", "groups", "user_permissions")


class _Sites(RowsInline):
    """The sites that somebody of the group site_admin looks after."""

    model = SiteRight
    fields = ("site", "queue")
    extra = 0
    verbose_name_plural = "Sites and queues that somebody of the group site_admin looks after"


@admin.register(User)
class UserAdmin(Users, TableAdmin):
    form = UserChangeForm  # type: ignore[assignment]
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "email", "first_name", "last_name", "is_active", "is_staff", "last_login")
    readonly_fields = ("last_login", "date_joined")
    # Django's two boxes side by side are wider than the page.
    filter_horizontal = ()
    inlines = (_Sites,)

    def get_readonly_fields(self, request: HttpRequest, obj: User | None = None) -> tuple[str, ...]:
        """Let administrators alone give rights: whoever else may change accounts would become one."""
        own: tuple[str, ...] = () if is_administrator(request.user) else _RIGHTS
        return (*self.readonly_fields, *own)

    def has_change_permission(self, request: HttpRequest, obj: User | None = None) -> bool:
        """Leave administrators, and their passwords, to administrators."""
        is_above = obj is not None and obj.is_superuser and not is_administrator(request.user)
        return not is_above and super().has_change_permission(request, obj)


@admin.register(Group)
class GroupAdmin(DjangoGroups, TableAdmin):
    list_display = ("name",)


@admin.register(schedules.PeriodicTask)
class PeriodicTaskAdmin(beat.PeriodicTaskAdmin, TableAdmin):  # type: ignore[misc]
    #: The package's own templates write a script into the page, which the desk's policy does not let run.
    change_form_template = None
    change_list_template = None


class _Users(RowsInline):
    """The tasks that follow a schedule."""

    model = schedules.PeriodicTask
    fields = readonly_fields = ("name", "task", "args", "kwargs")
    can_delete = False
    extra = 0
    show_change_link = True
    verbose_name_plural = "Periodic tasks with this schedule"

    def has_add_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return False


@admin.register(schedules.IntervalSchedule, schedules.SolarSchedule, schedules.ClockedSchedule)
class ScheduleAdmin(TableAdmin):
    inlines = (_Users,)


@admin.register(schedules.CrontabSchedule)
class CrontabAdmin(beat.CrontabScheduleAdmin, TableAdmin):  # type: ignore[misc]
    inlines = (_Users,)


@admin.register(TaskResult)
class TaskResultAdmin(ReadOnly, results.TaskResultAdmin, TableAdmin):
    show_full_result_count = False


@admin.register(GroupResult)
class GroupResultAdmin(ReadOnly, results.GroupResultAdmin, TableAdmin):
    show_full_result_count = False
