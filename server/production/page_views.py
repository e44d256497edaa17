"""What people do on the pages of tasks: a cross-check that found a difference is accepted, or made again."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.urls import reverse

from pilot.contract.codec import shown
from server.accounts.rules import Role, everyone, may_produce
from server.lib.pages import answer_page
from server.lib.texts import storable
from server.production import acceptance

#: Characters of a reason.
LONGEST = 400


@everyone(because="it lets in people who have logged in, and are administrators or of the group production")
def settle_check(request: HttpRequest, name: str, number: int, kind: str) -> HttpResponse:
    """Accept what a run's cross-check has found, with a reason, or have it made again; then show the run."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    back = reverse("run", args=[name, number])
    if not request.user.is_authenticated:
        return redirect_to_login(back, str(settings.LOGIN_URL))
    by = request.user.get_username()
    if not may_produce(request.user):
        wrong = f"{by} may only look; an administrator can put you into the group {Role.PRODUCTION.value}"
        return _refused(request, back, wrong, 403)
    why, act = storable(request.POST.get("why", "").strip()), request.POST.get("act", "")
    if len(why) > LONGEST or (act == "accept" and not why):
        return _refused(request, back, f"why: give a reason of 1 to {LONGEST} characters", 400)
    try:
        if act == "accept":
            acceptance.accept(name, number, kind, by=by, reason=why)
        elif act == "again":
            acceptance.check_again(name, number, kind, by=by, reason=why)
        else:
            return _refused(request, back, f"act: {shown(act)} is neither accept nor again", 400)
    except acceptance.CheckRefused as refused:
        return _refused(request, back, str(refused), 400)
    return redirect(f"{back}#checks")


def _refused(request: HttpRequest, back: str, wrong: str, status: int) -> HttpResponse:
    return answer_page(request, "production/not_done.html", {"wrong": wrong, "back": back}, status=status)
