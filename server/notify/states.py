"""How people are told, how often, and how far a delivery is."""

from __future__ import annotations

from django.db import models


class Kind(models.TextChoices):
    MAIL = "mail", "mail"
    WEBHOOK = "webhook", "webhook"


class Digest(models.TextChoices):
    AT_ONCE = "at_once", "at once"
    HOURLY = "hourly", "once an hour"
    DAILY = "daily", "once a day, at seven"


class DeliveryState(models.TextChoices):
    WAITING = "waiting", "waits"
    SENT = "sent", "sent"
    GIVEN_UP = "given_up", "given up"
