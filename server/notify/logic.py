"""All writes of the notifications: channels, the outbox, and how far each delivery is."""

from __future__ import annotations

import hashlib
import logging
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.db import DatabaseError, transaction
from django.db.models import Min, QuerySet
from django.utils import timezone

from server.accounts.rights import may_read
from server.credentials.keyring import keyring
from server.lib.texts import storable
from server.notify.calling import NotTaken
from server.notify.choosing import is_wanted
from server.notify.models import Channel, Delivery, Message
from server.notify.registry import Event, Notice, declared
from server.notify.sending import place, send
from server.notify.states import DeliveryState, Digest
from server.notify.timing import is_quiet, is_ripe, wait_after
from server.services.wake import wake

log = logging.getLogger(__name__)

#: How far back it is looked for what happened: so long no service may have run without anything being lost.
LOOK_BACK = timedelta(days=3)
#: Occurrences of one event that one look takes; the others come with the next.
MOST_NOTICES = 500
#: Notices that one delivery carries, and deliveries of one run.
MOST_IN_ONE, MOST_DELIVERIES = 500, 200
#: Days for which is kept what was told: within them nothing is told twice.
KEPT_DAYS = 60

#: What a finder may raise because of what it has read; other events are looked for all the same.
_FAILURES = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError, DatabaseError)

Send = Callable[[Delivery, Sequence[Message], datetime], None]


def collect(now: datetime, known: Mapping[str, Event] | None = None) -> int:
    """Look for what happened, and write each occurrence to the outbox of each channel that wants it, once.

    Raises:
        Exception: an event could not be looked for; all others were.
    """
    channels, made, wrong = _of_readers(_living()), 0, None
    for one in (declared() if known is None else known).values():
        wanting = [channel for channel in channels if one.name in channel.events and _may_be_told(channel, one)]
        if not wanting:
            continue
        try:
            notices = list(islice(one(now - LOOK_BACK, now), MOST_NOTICES))
        except _FAILURES as failed:
            log.warning("%s could not be looked for: %s", one.name, failed)
            wrong = failed
            continue
        made += _write(one.name, notices, wanting, now)
    if wrong is not None:
        raise wrong
    return made


def _living() -> QuerySet[Channel]:
    """Answer the channels that are on, but for those of people who may not log in any more."""
    return Channel.objects.filter(enabled=True).exclude(person__is_active=False)


def _of_readers(channels: QuerySet[Channel]) -> list[Channel]:
    """Answer those whose person may still read what there is; nobody's are the administrators'."""
    found = list(channels.select_related("person"))
    people = {channel.person_id: channel.person for channel in found if channel.person is not None}
    readers = {None, *(key for key, person in people.items() if may_read(person))}
    return [channel for channel in found if channel.person_id in readers]


def _may_be_told(channel: Channel, one: Event) -> bool:
    """Say whether a channel's person may be told of an event now, whenever it was chosen; nobody's are the admins'."""
    return not one.needs or channel.person is None or channel.person.has_perm(one.needs)


def _write(name: str, notices: Iterable[Notice], channels: Iterable[Channel], now: datetime) -> int:
    rows = [
        _message(channel, name, notice, now)
        for notice in notices
        for channel in channels
        if (notice.lasting or notice.at >= channel.created_at) and is_wanted(notice.about, channel.patterns)
    ]
    told: set[tuple[int, str]] = set()
    keys = [row.key for row in rows]
    for begin in range(0, len(keys), 500):
        found = Message.objects.filter(event=name, key__in=keys[begin : begin + 500])
        told.update(found.values_list("channel_id", "key"))
    new = [row for row in rows if (row.channel_id, row.key) not in told]
    # Another worker may have written them this moment; who comes second writes nothing.
    Message.objects.bulk_create(new, ignore_conflicts=True, batch_size=200)
    return len(new)


def _message(channel: Channel, name: str, notice: Notice, now: datetime) -> Message:
    key = notice.key if len(notice.key) <= 200 else hashlib.sha256(notice.key.encode()).hexdigest()
    return Message(
        channel=channel,
        event=name,
        key=storable(key),
        subject=storable(" ".join(notice.subject.split()))[:250],
        text=storable(notice.text)[:20_000],
        about=dict(notice.about),
        path=notice.path[:250],
        at=notice.at,
        created_at=now,
    )


def pack(now: datetime) -> int:
    """Make a delivery of what has gathered for each channel whose time has come; answer how many."""
    waiting = Message.objects.filter(delivery=None).order_by()
    oldest = dict(waiting.values_list("channel").annotate(oldest=Min("created_at")))
    packed = 0
    for channel in _of_readers(_living().filter(pk__in=list(oldest))):
        quiet = is_quiet(now, channel.quiet_from, channel.quiet_to, channel.tzinfo)
        if quiet or not is_ripe(Digest(channel.digest), oldest[channel.pk], now, channel.tzinfo):
            continue
        packed += _pack(channel, now)
    return packed


@transaction.atomic
def _pack(channel: Channel, now: datetime) -> int:
    keys = list(
        Message.objects.filter(channel=channel, delivery=None).order_by("id").values_list("pk", flat=True)[:MOST_IN_ONE]
    )
    if not keys:
        return 0
    delivery = Delivery.objects.create(channel=channel, created_at=now, next_try=now)
    Message.objects.filter(pk__in=keys, delivery=None).update(delivery=delivery)
    return 1


def deliver(now: datetime, *, keep: Callable[[], None], carry: Send = send) -> dict[str, int]:
    """Send the deliveries whose time has come; answer how many were sent, failed and were given up.

    The try is written before it is made, and the success after: who is killed in between sends it again, with the
    same number, and never loses it.
    """
    figures = {"sent": 0, "failed": 0, "given_up": 0}
    due = Delivery.objects.filter(state=DeliveryState.WAITING, next_try__lte=now, channel__enabled=True)
    for delivery in (
        due.exclude(channel__person__is_active=False)
        .select_related("channel__person")
        .order_by("next_try")[:MOST_DELIVERIES]
    ):
        keep()
        figures[_try(delivery, now, carry)] += 1
    return figures


def _try(delivery: Delivery, now: datetime, carry: Send) -> str:
    tries = delivery.tries + 1
    wait = wait_after(tries)
    mine = Delivery.objects.filter(pk=delivery.pk, state=DeliveryState.WAITING)
    mine.update(tries=tries, next_try=now + (wait or timedelta()))
    messages = _still_told(delivery)
    if not messages:
        mine.update(last_error="whose channel it is may not see this any more", state=DeliveryState.GIVEN_UP)
        return "given_up"
    try:
        carry(delivery, messages, now)
    except NotTaken as wrong:
        log.warning("notification %s for %s was not taken: %s", delivery.pk, delivery.channel.name, wrong)
        again = wait is not None and not wrong.for_good
        state = DeliveryState.WAITING if again else DeliveryState.GIVEN_UP
        mine.update(last_error=storable(str(wrong))[:250], state=state)
        return "failed" if again else "given_up"
    mine.update(state=DeliveryState.SENT, sent_at=timezone.now(), last_error="")
    return "sent"


def _still_told(delivery: Delivery) -> list[Message]:
    """Answer what a delivery's person may still be told of: rights may have gone since it was gathered."""
    channel, messages = delivery.channel, list(delivery.messages.order_by("id"))
    if channel.person is not None and not may_read(channel.person):
        return []
    known = declared()
    return [one for one in messages if one.event not in known or _may_be_told(channel, known[one.event])]


def send_trial(channel: Channel, by: str) -> Delivery:
    """Put a trial message into a channel's outbox, that goes at once, also in its quiet hours."""
    now = timezone.now()
    words = f"{by} asked for this trial message of the channel {channel.name}. If you read it, the channel works."
    notice = Notice(uuid.uuid4().hex, "Trial message", words, now, path="/notifications")
    with transaction.atomic():
        delivery = Delivery.objects.create(channel=channel, created_at=now, next_try=now)
        row = _message(channel, "trial", notice, now)
        row.delivery = delivery
        row.save()
    wake("notify.deliver")
    return delivery


def save_channel(channel: Channel, secret: str = "") -> Channel:
    """Write a channel; a secret that is given replaces the one there was.

    Raises:
        KeysMissing: a secret was given, and there are no keys to seal it with.
    """
    with transaction.atomic():
        channel.save()
        if secret:
            channel.sealed = keyring().seal(secret, place(channel))
            channel.save(update_fields=["sealed"])
    return channel


def try_again(deliveries: QuerySet[Any]) -> int:
    """Have deliveries that were given up, or wait, tried at once; answer how many."""
    changed = deliveries.exclude(state=DeliveryState.SENT).update(
        state=DeliveryState.WAITING, tries=0, next_try=timezone.now()
    )
    if changed:
        wake("notify.deliver")
    return changed


def prune(now: datetime, *, keep: Callable[[], None]) -> int:
    """Delete what was told long ago, and what nobody can be told any more; answer how many messages."""
    deleted = 0
    old = Message.objects.filter(created_at__lt=now - timedelta(days=KEPT_DAYS)).order_by("pk")
    while keys := list(old.values_list("pk", flat=True)[:1000]):
        keep()
        deleted += Message.objects.filter(pk__in=keys).delete()[0]
    Delivery.objects.filter(created_at__lt=now - timedelta(days=KEPT_DAYS), messages=None).delete()
    return deleted
