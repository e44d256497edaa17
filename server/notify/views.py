"""Where people say what they want to be told, and how; each sees and changes its own channels alone."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.auth.views import redirect_to_login
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseNotAllowed
from django.shortcuts import redirect
from django.views.decorators.http import require_http_methods, require_safe

from server.accounts.rights import may_read
from server.accounts.rules import everyone
from server.credentials.keyring import KeysMissing
from server.lib.pages import answer_page
from server.notify import logic, queries
from server.notify.forms import OwnChannelForm
from server.notify.models import Channel, Delivery

#: Channels that one person may have, and deliveries that a page shows of one.
MOST_CHANNELS, LATEST = 20, 10


def _own(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if not request.user.is_authenticated:
            return redirect_to_login(request.path, str(settings.LOGIN_URL))
        if not may_read(request.user):
            return redirect("welcome")
        return view(request, request.user, *args, **kwargs)

    return everyone(because="it lets in people who have logged in and may read, each to its own channels")(guarded)


@_own
@require_safe
def show_channels(request: HttpRequest, person: User) -> HttpResponse:
    """Show somebody's channels, and how their last deliveries went."""
    shown = {"page": "notifications", "channels": list(queries.channels_of(person.pk)), "most": MOST_CHANNELS}
    return answer_page(request, "notify/channels.html", shown)


@_own
@require_http_methods(["GET", "HEAD", "POST"])
def edit_channel(request: HttpRequest, person: User, number: int | None = None) -> HttpResponse:
    """Make a channel, or change one."""
    channel = Channel(person=person) if number is None else _channel(person, number)
    if number is None and Channel.objects.filter(person=person).count() >= MOST_CHANNELS:
        return redirect("notifications")
    entered = request.POST if request.method == "POST" else None
    form = OwnChannelForm(entered, instance=channel, person=person)
    if entered is not None and form.is_valid():
        try:
            logic.save_channel(form.save(commit=False), form.cleaned_data["secret"])
        except KeysMissing as wrong:
            form.add_error("secret", f"{wrong}; tell an administrator")
        else:
            return redirect("notifications")
    latest = [] if number is None else list(Delivery.objects.filter(channel=channel)[:LATEST])
    shown = {"page": "notifications", "form": form, "channel": channel if number else None, "latest": latest}
    return answer_page(request, "notify/channel.html", shown, status=400 if form.errors else 200)


@_own
def try_channel(request: HttpRequest, person: User, number: int) -> HttpResponse:
    """Send a trial message, and show the channel with what becomes of it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    logic.send_trial(_channel(person, number), person.get_username())
    return redirect("channel", number)


@_own
def delete_channel(request: HttpRequest, person: User, number: int) -> HttpResponse:
    """Delete a channel with all that waits for it."""
    if request.method != "POST":
        return HttpResponseNotAllowed(["POST"])
    _channel(person, number).delete()
    return redirect("notifications")


def _channel(person: User, number: int) -> Channel:
    """Answer somebody's channel; another's is as if there were none."""
    found = Channel.objects.filter(pk=number, person=person).first()
    if found is None:
        raise Http404
    return found
