"""What bearers of tokens ask about themselves."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from server.accounts import logic, passes
from server.accounts.identity import bearer_of, pass_of
from server.accounts.models import Role
from server.accounts.rules import READERS, Identity, allow
from server.lib.arguments import described
from server.lib.http import envelope, refusal


@described("POST")
@csrf_exempt
@allow(Role.PILOT)
def renew_pass(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer the pass that follows the one that this is asked with, and when it ends."""
    if request.method != "POST":
        return refusal(request, f"{request.method} is not allowed here; use POST")
    bearer = bearer_of(request.headers.get("Authorization", ""))
    if not bearer.startswith(passes.MARK):
        return refusal(request, f"{identity.name} came with a token; only a pass is renewed, a token is good as it is")
    lifetime = timedelta(hours=settings.ENVIRONMENT.pass_hours)
    try:
        text, new = logic.renew_pass(pass_of(bearer), lifetime=lifetime)
    except passes.BadPass as bad:
        return refusal(request, str(bad))
    return envelope({"token": text, "expires_at": datetime.fromtimestamp(new.ends, UTC).isoformat()})


@described("GET")
@allow(Role.PILOT, *READERS)
@require_safe
def who_am_i(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Answer what the server knows of who asks: name, role, person and queues."""
    return envelope(
        {
            "name": identity.name,
            "role": identity.role.value,
            "person": identity.person,
            "queues": sorted(identity.queues),
        }
    )
