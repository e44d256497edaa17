from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from django.contrib.auth.models import Group

from server.notify import logic
from server.notify.calling import NotTaken
from server.notify.models import Channel, Delivery, Message
from server.notify.registry import Event, Notice
from server.notify.states import DeliveryState, Digest
from server.notify.timing import MOST_TRIES

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, 30, tzinfo=UTC)


def nothing() -> None:
    """Stand for a sign of life."""


def channel(**more) -> Channel:
    values = {"name": "mine", "address": "ann@example.org", "events": ["task.done"], "created_at": NOW}
    return Channel.objects.create(**{**values, **more})


def events(*notices: Notice, name: str = "task.done") -> dict[str, Event]:
    return {name: Event(name, "A task is done", lambda since, now: notices)}


def notice(key: str = "17", **more) -> Notice:
    return Notice(key, f"Task {key} is done", "words", more.pop("at", NOW), **more)


class Carrier:
    """Takes deliveries, or refuses them while it is told to."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, list[str]]] = []
        self.refuses = False

    def __call__(self, delivery, messages, now) -> None:
        if self.refuses:
            raise NotTaken("the mail server is away")
        self.taken.append((str(delivery.pk), [one.key for one in messages]))


@pytest.fixture
def carrier() -> Carrier:
    return Carrier()


def test_an_event_is_told_to_those_alone_who_may_see_what_it_is_about(django_user_model):
    ann = django_user_model.objects.create_user("ann", is_superuser=True)
    bob = django_user_model.objects.create_user("bob")
    bob.groups.add(Group.objects.get_or_create(name="reader")[0])
    for person in (ann, bob, None):
        channel(name=str(person), person=person, events=["credential.expiring"])
    needs = "credentials.view_credential"
    told = {"credential.expiring": Event("credential.expiring", "One ends", lambda *_: [notice()], needs)}
    assert logic.collect(NOW, told) == 2
    assert set(Message.objects.values_list("channel__name", flat=True)) == {"ann", "None"}


def test_what_waited_while_its_persons_right_was_taken_is_not_sent(django_user_model, carrier):
    ann = django_user_model.objects.create_user("ann", is_superuser=True)
    ann.groups.add(Group.objects.get_or_create(name="reader")[0])
    both = channel(person=ann, events=["task.done", "credential.expiring"])
    channel(person=ann, name="one", events=["credential.expiring"])
    logic.collect(NOW, {**events(notice("17")), **events(notice("secret"), name="credential.expiring")})
    assert logic.pack(NOW + timedelta(minutes=2)) == 2
    django_user_model.objects.update(is_superuser=False)
    assert logic.deliver(NOW + timedelta(minutes=2), keep=nothing, carry=carrier)["given_up"] == 1
    assert [keys for _, keys in carrier.taken] == [["17"]]
    assert Delivery.objects.get(state="given_up").last_error == "whose channel it is may not see this any more"
    assert both.deliveries.get().state == "sent"


def test_an_occurrence_is_told_to_each_channel_that_wants_it_and_once(carrier):
    first, second = channel(), channel(name="other", owners="bob")
    channel(name="no", events=["task.stuck"])
    channel(name="off", enabled=False)
    told = events(notice("17", about={"owner": "ann"}), notice("18", about={"owner": "bob"}))
    assert logic.collect(NOW, told) == 3
    assert logic.collect(NOW, told) == 0
    assert set(Message.objects.values_list("channel", "key")) == {
        (first.pk, "17"),
        (first.pk, "18"),
        (second.pk, "18"),
    }


def test_what_happened_before_a_channel_was_made_is_not_told_unless_it_lasts():
    channel()
    before = NOW - timedelta(hours=1)
    assert logic.collect(NOW, events(notice("17", at=before), notice("18", at=before, lasting=True))) == 1
    assert Message.objects.get().key == "18"


def test_who_may_not_log_in_any_more_is_told_nothing(django_user_model, carrier):
    channel(person=django_user_model.objects.create(username="gone", is_active=False))
    assert logic.collect(NOW, events(notice())) == 0


def test_who_lost_all_rights_is_told_nothing(django_user_model):
    from django.contrib.auth.models import Group

    ann = django_user_model.objects.create_user("ann")
    group = Group.objects.get_or_create(name="production")[0]
    ann.groups.add(group)
    channel(person=ann)
    assert logic.collect(NOW, events(notice())) == 1
    ann.groups.clear()
    assert logic.collect(NOW, events(notice("18"))) == 0
    assert logic.pack(NOW) == 0


def test_an_event_that_cannot_be_looked_for_holds_up_no_other_and_is_told_as_a_failure():
    def broken(since, now):
        raise LookupError("no such column")

    channel(events=["a.broken", "task.done"])
    with pytest.raises(LookupError, match="no such column"):
        logic.collect(NOW, {"a.broken": Event("a.broken", "Breaks", broken), **events(notice())})
    assert Message.objects.get().event == "task.done"


def test_odd_and_endless_words_are_stored_and_keys_stay_apart():
    channel()
    odd = [notice("k" * 300 + str(number), at=NOW) for number in range(2)]
    logic.collect(NOW, events(*odd, Notice("x\0", "a\r\nb" * 200, "\ud800" + "t" * 50_000, NOW)))
    assert Message.objects.count() == 3
    assert "\n" not in Message.objects.get(text__startswith="\ufffd").subject


def test_what_gathered_goes_as_one_and_a_second_run_sends_nothing(carrier):
    channel()
    logic.collect(NOW, events(notice("17"), notice("18")))
    assert logic.pack(NOW) == 1
    assert logic.deliver(NOW, keep=nothing, carry=carrier) == {"sent": 1, "failed": 0, "given_up": 0}
    assert [keys for _, keys in carrier.taken] == [["17", "18"]]
    assert logic.pack(NOW) == 0
    assert logic.deliver(NOW, keep=nothing, carry=carrier)["sent"] == 0


def test_digests_and_quiet_hours_are_waited_for(carrier):
    channel(digest=Digest.HOURLY)
    channel(name="quiet", quiet_from=time(12), quiet_to=time(14))
    logic.collect(NOW, events(notice()))
    assert logic.pack(NOW) == 0
    assert logic.pack(NOW + timedelta(minutes=30)) == 1
    assert logic.pack(NOW + timedelta(minutes=90)) == 1


def test_what_is_not_taken_is_tried_later_and_in_the_end_given_up_and_can_be_asked_for_again(carrier):
    channel()
    logic.collect(NOW, events(notice()))
    logic.pack(NOW)
    carrier.refuses, now, tries = True, NOW, 0
    while Delivery.objects.get().state == DeliveryState.WAITING:
        logic.deliver(now, keep=nothing, carry=carrier)
        found, tries = Delivery.objects.get(), tries + 1
        assert (found.tries, found.last_error) == (tries, "the mail server is away")
        assert logic.deliver(now, keep=nothing, carry=carrier) == {"sent": 0, "failed": 0, "given_up": 0}
        now = found.next_try
    assert (found.state, tries) == (DeliveryState.GIVEN_UP, MOST_TRIES)
    assert logic.try_again(Delivery.objects.all()) == 1
    carrier.refuses = False
    assert logic.deliver(Delivery.objects.get().next_try, keep=nothing, carry=carrier)["sent"] == 1


def test_who_is_killed_between_sending_and_writing_it_down_sends_the_same_again(carrier):
    class Killed(BaseException):
        pass

    def killed(delivery, messages, now):
        carrier(delivery, messages, now)
        raise Killed

    channel()
    logic.collect(NOW, events(notice()))
    logic.pack(NOW)
    with pytest.raises(Killed):
        logic.deliver(NOW, keep=nothing, carry=killed)
    logic.collect(NOW, events(notice("later")))
    logic.pack(NOW)
    logic.deliver(NOW + timedelta(minutes=2), keep=nothing, carry=carrier)
    first, again, other = sorted(carrier.taken, key=lambda one: one[1] == ["later"])
    assert first == again == (first[0], ["17"])
    assert other[0] != first[0]


def test_one_that_fails_does_not_hold_up_another(carrier):
    def half(delivery, messages, now):
        if delivery.channel.name == "bad":
            raise NotTaken("away")
        carrier(delivery, messages, now)

    channel(name="bad")
    channel(name="good")
    logic.collect(NOW, events(notice()))
    logic.pack(NOW)
    assert logic.deliver(NOW, keep=nothing, carry=half) == {"sent": 1, "failed": 1, "given_up": 0}


def test_a_trial_goes_at_once_also_in_quiet_hours(carrier, settings, tmp_path):
    settings.HOME = tmp_path
    mine = channel(quiet_from=time(0), quiet_to=time(23, 59), digest=Digest.DAILY)
    sent = logic.send_trial(mine, "ann")
    logic.deliver(sent.next_try, keep=nothing, carry=carrier)
    assert carrier.taken[0][0] == str(sent.pk)


def test_what_is_old_is_forgotten(carrier):
    channel()
    logic.collect(NOW, events(notice()))
    logic.pack(NOW)
    assert logic.prune(NOW + timedelta(days=59), keep=nothing) == 0
    assert logic.prune(NOW + timedelta(days=61), keep=nothing) == 1
    assert not Delivery.objects.exists()


def test_looking_asks_as_often_for_many_occurrences_as_for_one(django_assert_num_queries):
    channel()
    channel(name="other")
    with django_assert_num_queries(3):
        logic.collect(NOW, events(notice()))
    with django_assert_num_queries(3):
        logic.collect(NOW, events(*(notice(str(number)) for number in range(20))))
