from __future__ import annotations

import email
import email.policy
import hashlib
import hmac
import json

import pytest
from django.utils import timezone

from server.credentials.logic import keys as credential_keys
from server.notify import logic
from server.notify.models import Channel, Delivery
from server.notify.registry import Event, Notice
from server.notify.states import DeliveryState, Kind

pytestmark = pytest.mark.django_db

SECRET = "a secret of sixteen"


def nothing() -> None:
    """Stand for a sign of life."""


def tell(channel: Channel, subject: str = "Task dvcs is done") -> Delivery:
    """Have a channel told of something, and answer its delivery afterwards."""
    now = timezone.now()
    found = [Notice("17", subject, "18 jobs", now, path="/tasks/dvcs")]
    logic.collect(now, {"task.done": Event("task.done", "A task is done", lambda since, now: found)})
    logic.pack(now)
    logic.deliver(now, keep=nothing)
    return Delivery.objects.get(channel=channel)


def mail_channel(address: str = "ann@example.org") -> Channel:
    return logic.save_channel(Channel(name="mine", address=address, events=["task.done"]))


def hook_channel(hook, secret: str = SECRET) -> Channel:
    address = f"http://localhost:{hook.port}/hooks/1"
    return logic.save_channel(Channel(name="hook", kind=Kind.WEBHOOK, address=address, events=["task.done"]), secret)


def test_a_mail_comes_from_the_server_with_what_happened_and_a_number(mailbox, keys):
    keys(url="https://server.example.org")
    sent = tell(mail_channel(), "Täsk\r\nBcc: all@example.org")
    assert sent.state == DeliveryState.SENT
    ((to, text),) = mailbox.mails
    mail = email.message_from_string(text, policy=email.policy.default)
    assert to == ["ann@example.org"]
    assert mail["Bcc"] is None
    assert mail["Subject"] == "[COMPASS] Täsk Bcc: all@example.org"
    assert (mail["From"], mail["Auto-Submitted"]) == ("compass@server.example.org", "auto-generated")
    assert mail["Message-ID"] == f"<{sent.pk}@server.example.org>"
    assert "https://server.example.org/tasks/dvcs" in mail.get_content()


@pytest.mark.parametrize(
    ("address", "answer", "words", "state"),
    [
        ("nobody@example.org", "250 OK", "550 no such user", DeliveryState.GIVEN_UP),
        ("ann@example.org", "554 no such words", "554", DeliveryState.GIVEN_UP),
        ("ann@example.org", "451 come again", "451", DeliveryState.WAITING),
    ],
)
def test_a_mail_that_is_refused_for_good_is_given_up_and_any_other_waits(mailbox, address, answer, words, state):
    mailbox.answer = answer
    sent = tell(mail_channel(address))
    assert (sent.state, sent.tries) == (state, 1)
    assert words in sent.last_error


def test_without_a_mail_server_it_is_said_what_to_set(settings):
    settings.EMAIL_HOST = ""
    assert "COMPASS_SERVER_SMTP_HOST" in tell(mail_channel()).last_error


def test_a_webhook_gets_json_that_is_signed_with_its_secret(hook, keys):
    keys(webhook_hosts="localhost")
    sent = tell(hook_channel(hook))
    assert sent.state == DeliveryState.SENT
    path, headers, body = hook.got[0]
    words = json.loads(body)
    assert (path, words["delivery"], headers["X-Compass-Delivery"]) == ("/hooks/1", str(sent.pk), str(sent.pk))
    moment, _, signature = headers["X-Compass-Signature"].partition(",")
    expected = hmac.new(SECRET.encode(), moment.removeprefix("t=").encode() + b"." + body, hashlib.sha256).hexdigest()
    assert signature == f"v1={expected}"


def test_a_private_webhook_is_not_called_unless_the_setting_names_it(hook, keys):
    channel = hook_channel(hook)
    assert "http is not safe" in tell(channel).last_error
    assert hook.got == []


def test_a_webhook_that_fails_is_called_again_with_the_same_number_and_words(hook, keys):
    keys(webhook_hosts="localhost")
    hook.status = 503
    sent = tell(hook_channel(hook))
    assert (sent.state, sent.last_error) == (DeliveryState.WAITING, "localhost answered 503")
    hook.status = 200
    logic.deliver(sent.next_try, keep=nothing)
    assert Delivery.objects.get().state == DeliveryState.SENT
    assert hook.got[0][2] == hook.got[1][2]


def test_a_webhook_that_is_gone_is_not_called_again(hook, keys):
    keys(webhook_hosts="localhost")
    hook.status = 410
    sent = tell(hook_channel(hook))
    assert (sent.state, sent.last_error) == (DeliveryState.GIVEN_UP, "localhost answered 410")


def test_the_secret_is_sealed_and_outlives_a_change_of_keys(hook, keys):
    home = keys(webhook_hosts="localhost")
    channel = hook_channel(hook)
    assert SECRET.encode() not in bytes(Channel.objects.get().sealed)
    credential_keys.add_key()
    assert credential_keys.seal_anew() == 1
    assert credential_keys.drop_keys() == 1
    assert len((home / "credential_keys").read_text().split()) == 1
    assert tell(channel).state == DeliveryState.SENT


def test_a_secret_whose_key_is_gone_is_told_and_nothing_is_sent_unsigned(hook, keys):
    home = keys(webhook_hosts="localhost")
    channel = hook_channel(hook)
    (home / "credential_keys").unlink()
    assert "compass-server init" in tell(channel).last_error
    assert hook.got == []
