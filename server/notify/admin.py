"""The notifications in the admin: everybody's channels; the outbox and the deliveries are only shown."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from server.lib.admin import MachineTableAdmin, TableAdmin, link
from server.notify import logic
from server.notify.forms import AnyChannelForm
from server.notify.models import Channel, Delivery, Message


@admin.register(Channel)
class ChannelAdmin(TableAdmin):
    form = AnyChannelForm
    list_display = ("name", "person", "kind", "address", "enabled", "digest", "sent")
    list_filter = ("kind", "enabled", "digest")
    list_select_related = ("person",)
    search_fields = ("name", "address", "person__username")
    autocomplete_fields = ("person",)
    actions = ("send_trial",)

    @admin.display(description="deliveries")
    def sent(self, channel: Channel) -> str:
        return link("notify_delivery", "its deliveries", channel__id__exact=str(channel.pk))

    def save_model(self, request: HttpRequest, obj: Channel, form: Any, change: bool) -> None:
        logic.save_channel(obj, form.cleaned_data["secret"])

    @admin.action(description="Send a trial message", permissions=["change"])
    def send_trial(self, request: HttpRequest, chosen: QuerySet[Channel]) -> None:
        for channel in chosen:
            logic.send_trial(channel, request.user.get_username())
        self.message_user(request, "The trial messages are on their way; Deliveries tells what became of them.")


@admin.register(Delivery)
class DeliveryAdmin(MachineTableAdmin):
    list_display = ("created_at", "channel", "state", "tries", "next_try", "sent_at", "last_error")
    list_filter = ("state",)
    list_select_related = ("channel",)
    actions = ("try_again",)

    @admin.action(description="Try again at once", permissions=["view"])
    def try_again(self, request: HttpRequest, chosen: QuerySet[Delivery]) -> None:
        self.message_user(request, f"{logic.try_again(chosen)} deliveries are tried again; sent ones are left alone.")


@admin.register(Message)
class MessageAdmin(MachineTableAdmin):
    list_display = ("created_at", "channel", "event", "subject", "at")
    list_filter = ("event",)
    list_select_related = ("channel",)
    search_fields = ("subject",)
