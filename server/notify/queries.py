"""Reading the notifications, for pages and for who changes keys."""

from __future__ import annotations

from collections.abc import Iterator

from django.db.models import Count, OuterRef, Q, QuerySet, Subquery

from server.notify.models import Channel, Delivery
from server.notify.sending import place
from server.notify.states import DeliveryState


def channels_of(person: int) -> QuerySet[Channel]:
    """Answer somebody's channels, each with its last delivery's state, time and words, and how many wait; one query."""
    last = Delivery.objects.filter(channel=OuterRef("pk")).order_by("-created_at")
    return Channel.objects.filter(person=person).annotate(
        last_state=Subquery(last.values("state")[:1]),
        last_at=Subquery(last.values("created_at")[:1]),
        last_error=Subquery(last.values("last_error")[:1]),
        waiting=Count("deliveries", filter=Q(deliveries__state=DeliveryState.WAITING)),
    )


def sealed() -> Iterator[tuple[Channel, str, str]]:
    """Answer what is sealed here: the row, its column, and what it is sealed for."""
    for channel in Channel.objects.exclude(sealed=None):
        yield channel, "sealed", place(channel)
