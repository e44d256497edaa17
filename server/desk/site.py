"""The admin's site: its pages load from this server only, are not kept by browsers, and begin with the dashboard."""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any, TypeVar, cast

from django.contrib.admin import AdminSite
from django.contrib.auth import REDIRECT_FIELD_NAME
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils import timezone

from server.accounts.rights import may_enter_desk
from server.desk.dashboard import dashboard
from server.desk.navigation import groups

if TYPE_CHECKING:
    ThemedSite = AdminSite
else:
    from unfold.sites import UnfoldAdminSite as ThemedSite

View = TypeVar("View", bound=Callable[..., Any])

#: Scripts come as files of this server, none is written into a page. 'unsafe-eval' is for the theme's Alpine alone,
#: which makes functions of the words in its own templates' attributes; no template of ours puts a value into one.
#: Styles in pages are the theme's colours.
POLICY = "; ".join((
    "default-src 'none'",
    "script-src 'self' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "object-src 'none'",
    "frame-ancestors 'none'",
))  # fmt: skip


class DeskSite(ThemedSite):
    """Django's admin with the theme's templates."""

    site_title = "COMPASS Pilot"
    site_header = "COMPASS Pilot"
    index_title = "Desk"
    index_template = "desk/index.html"
    enable_nav_sidebar = True

    def admin_view(self, view: View, cacheable: bool = False) -> View:
        """Wrap every page of the admin, those of other apps too."""
        inner = super().admin_view(view, cacheable)

        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            return strict(inner(request, *args, **kwargs))

        return cast("View", update_wrapper(guarded, inner))

    def login(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> HttpResponse:
        """Lead to the one page where people log in; tell who has, and may not come in, whom to ask."""
        if request.method == "POST":
            return strict(super().login(request, extra_context))
        after = request.GET.get(REDIRECT_FIELD_NAME) or reverse("admin:index")
        if not request.user.is_authenticated:
            return redirect_to_login(after, reverse("login"))
        if self.has_permission(request):
            return redirect("admin:index")
        return redirect("welcome")

    def has_permission(self, request: HttpRequest) -> bool:
        """Let in whom a group has rights for, whether or not somebody has ticked "staff"."""
        return may_enter_desk(request.user)

    def index(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> TemplateResponse:
        """The first page: what runs, what does not, and where to look."""
        parts = dashboard(request.user.has_perm, timezone.now())
        return super().index(request, {**(extra_context or {}), **parts, "nothing": not parts})

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Answer what every page knows: with the side bar's groups, of what this person may look at."""
        context = super().each_context(request)
        return {**context, "navigation": groups(context["available_apps"], request.path)}


def strict(answer: HttpResponse) -> HttpResponse:
    """Tell the browser to load from this server only, unless a view has said something stricter."""
    answer.headers.setdefault("Content-Security-Policy", POLICY)
    return answer
