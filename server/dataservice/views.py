"""The pages that act on a request: what will be done and to what is shown, and done when it is confirmed."""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils import timezone

from server.accounts.rules import Role, everyone, may_produce
from server.dataservice import queries
from server.dataservice.logic import RequestRefused, act_on
from server.dataservice.states import Act
from server.lib.pages import answer_page

#: The group of people who may do what tokens of the role production may.
GROUP = Role.PRODUCTION.value
ACTS = {act.address: act for act in Act}


@everyone(because="it lets in people who have logged in, and are administrators or of the group production")
def act_on_request(request: HttpRequest, number: int, act: str) -> HttpResponse:
    """Show what a release, another try or giving up would do to a request; do it when that is confirmed."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), str(settings.LOGIN_URL))
    found, wanted = queries.request_page(number, now=timezone.now()), ACTS.get(act)
    if found is None or wanted is None:
        what = f"request {number}" if found is None else f"act {act!r} on a request; there are {', '.join(ACTS)}"
        return answer_page(request, "monitor/missing.html", {"what": "request", "name": what}, status=404)
    shown = {**vars(found), "one": found.request, "page": "data", "act": wanted, "why": "", "wrong": ""}
    if not may_produce(request.user):
        wrong = f"{request.user} may only look; an administrator can put you into the group {GROUP}"
        return answer_page(request, "dataservice/act.html", {**shown, "act": None, "wrong": wrong}, status=403)
    if request.method != "POST":
        return answer_page(request, "dataservice/act.html", shown)
    why = request.POST.get("why", "").strip()
    try:
        act_on(number, wanted, by=request.user.get_username(), why=why)
    except RequestRefused as refused:
        return answer_page(request, "dataservice/act.html", {**shown, "why": why, "wrong": str(refused)}, status=409)
    return redirect("request", number=number)
