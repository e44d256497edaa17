"""The tables of the notifications: whom to tell what, what there is to tell, and the mails and calls that carry it."""

from __future__ import annotations

import uuid
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db import models
from django.utils import timezone

from server.notify.states import DeliveryState, Digest, Kind


class Channel(models.Model):
    """A way by which somebody is told of events."""

    name = models.CharField(max_length=80, help_text="What you call it.")
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="channels",
        help_text="Whose it is; nobody's are the administrators'.",
    )
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.MAIL)
    address = models.CharField(max_length=500, help_text="The mail address, or the webhook's https://... address.")
    events = models.JSONField(default=list, blank=True, help_text="What to tell of.")
    owners = models.CharField(
        max_length=250, blank=True, help_text="Only tasks of these people; * and ? may stand in it, commas between."
    )
    queues = models.CharField(max_length=250, blank=True, help_text="Only these queues; written in the same way.")
    enabled = models.BooleanField(default=True)
    digest = models.CharField("how often", max_length=10, choices=Digest.choices, default=Digest.AT_ONCE)
    quiet_from = models.TimeField(null=True, blank=True, help_text="Nothing is sent from this hour on ...")
    quiet_to = models.TimeField(null=True, blank=True, help_text="... until this one, by the channel's time zone.")
    zone = models.CharField("time zone", max_length=60, default="UTC")
    sealed = models.BinaryField(null=True, editable=False)  # what calls are signed with
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    class Meta:
        ordering = ("name", "id")

    def __str__(self) -> str:
        return self.name

    @property
    def tzinfo(self) -> ZoneInfo:
        return ZoneInfo(self.zone)

    @property
    def patterns(self) -> dict[str, str]:
        """What a notice must be about."""
        return {"owner": self.owners, "queue": self.queues}


class Delivery(models.Model):
    """One mail or one call: its number is the same when it is sent again, so that a receiver can drop the second."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="deliveries")
    state = models.CharField(max_length=10, choices=DeliveryState.choices, default=DeliveryState.WAITING)
    tries = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField()
    next_try = models.DateTimeField()
    sent_at = models.DateTimeField(null=True)
    last_error = models.CharField(max_length=250, blank=True)

    class Meta:
        ordering = ("-created_at",)
        verbose_name_plural = "deliveries"
        indexes = [
            models.Index(fields=["state", "next_try"], name="notify_due"),
            models.Index(fields=["channel", "-created_at"], name="notify_of_channel"),
        ]

    def __str__(self) -> str:
        return f"{self.channel} {self.created_at:%Y-%m-%d %H:%M}"


class Message(models.Model):
    """The outbox: one occurrence of an event for one channel, there once whatever happens."""

    channel = models.ForeignKey(Channel, on_delete=models.CASCADE, related_name="messages")
    delivery = models.ForeignKey(Delivery, null=True, on_delete=models.CASCADE, related_name="messages")
    event = models.CharField(max_length=60)
    key = models.CharField(max_length=200)
    subject = models.CharField(max_length=250)
    text = models.TextField(blank=True)
    about = models.JSONField(default=dict, blank=True)
    path = models.CharField(max_length=250, blank=True)
    at = models.DateTimeField(help_text="When it happened, or began.")
    created_at = models.DateTimeField()

    class Meta:
        ordering = ("-id",)
        constraints = [models.UniqueConstraint(fields=["channel", "event", "key"], name="notify_told_once")]
        indexes = [models.Index(fields=["created_at"], name="notify_by_age")]

    def __str__(self) -> str:
        return self.subject
