"""The page on which a command is given to Harvesters: written by hand, and given when it is confirmed."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.utils import timezone

from pilot.contract.codec import OBJECT, ContractError, read
from server.accounts.rules import Role, everyone, may_produce
from server.harvester import logic, queries
from server.lib.pages import answer_page

_FIELDS = ("kind", "harvester", "queue", "parameters")


@everyone(because="it lets in people who have logged in, and are administrators or of the group production")
def order_command(request: HttpRequest) -> HttpResponse:
    """Show what can be ordered of Harvesters; order it when that is sent."""
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "HEAD", "POST"])
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path(), str(settings.LOGIN_URL))
    said = {name: (request.POST or request.GET).get(name, "").strip() for name in _FIELDS}
    shown: dict[str, Any] = {"page": "pilots", "said": said, "kinds": logic.KINDS, "may_act": may_produce(request.user)}
    shown["known"] = [one.name for one in queries.instances(timezone.now())]
    if not shown["may_act"]:
        wrong = f"{request.user} may only look; an administrator can put you into the group {Role.PRODUCTION.value}"
        return answer_page(request, "harvester/order.html", {**shown, "wrong": wrong}, status=403)
    if request.method != "POST":
        return answer_page(request, "harvester/order.html", shown)
    try:
        told = _order(said, by=request.user.get_username())
    except ContractError as wrong:
        return answer_page(request, "harvester/order.html", {**shown, "wrong": str(wrong)}, status=400)
    if not told:
        words = f"no Harvester is known to have workers at {said['queue']}; nobody was told"
        return answer_page(request, "harvester/order.html", {**shown, "wrong": words}, status=409)
    return redirect("harvester")


def _order(said: dict[str, str], *, by: str) -> int:
    parameters = read(said["parameters"], OBJECT, "parameters") if said["parameters"] else {}
    return logic.order(
        said["kind"], parameters, harvester=said["harvester"], queue=said["queue"], by=by, now=timezone.now()
    )
