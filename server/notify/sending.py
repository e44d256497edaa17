"""Carries one delivery: a mail by the server's own mail settings, or a signed call of a webhook."""

from __future__ import annotations

import smtplib
from collections.abc import Sequence
from datetime import datetime

from django.conf import settings
from django.core.mail import EmailMessage, get_connection

from server.credentials.keyring import KeysMissing, SealBroken, keyring
from server.notify.addresses import BadAddress, target_of
from server.notify.calling import NotTaken, call
from server.notify.choosing import Said, body_of, mail_of, signature_of, subject_of
from server.notify.models import Channel, Delivery, Message
from server.notify.states import Kind

_FOR_GOOD = 500


def place(channel: Channel) -> str:
    """Name what a channel's secret is sealed for: it opens for no other."""
    return f"secret of notification channel {channel.pk}"


def webhook_hosts() -> list[str]:
    """Answer the hosts that the setting names."""
    return [one.strip().lower() for one in settings.ENVIRONMENT.webhook_hosts.split(",") if one.strip()]


def send(delivery: Delivery, messages: Sequence[Message], now: datetime) -> None:
    """Send a delivery; a second time it is the same, by its number and its words.

    Raises:
        NotTaken: it was not taken; the words say why.
    """
    said = [Said(one.event, one.key, one.subject, one.text, one.at, one.path) for one in messages]
    if delivery.channel.kind == Kind.MAIL:
        _mail(delivery, said)
    else:
        _call(delivery, said, now)


def _mail(delivery: Delivery, said: Sequence[Said]) -> None:
    if not settings.EMAIL_HOST:
        raise NotTaken("no mail server is set; an administrator sets COMPASS_SERVER_SMTP_HOST")
    # A receiver that has seen this number need not show it again.
    headers = {
        "Message-ID": f"<{delivery.pk}@{settings.DEFAULT_FROM_EMAIL.rpartition('@')[2].strip('> ') or 'compass'}>",
        "X-Compass-Delivery": str(delivery.pk),
        "Auto-Submitted": "auto-generated",
    }
    mail = EmailMessage(
        subject_of(said),
        mail_of(said, settings.ENVIRONMENT.url),
        to=[delivery.channel.address],
        headers=headers,
        connection=get_connection(),
    )
    try:
        mail.send()
    except (smtplib.SMTPException, OSError, ValueError) as wrong:
        raise NotTaken(_words(wrong), for_good=_is_for_good(wrong)) from wrong


def _is_for_good(wrong: Exception) -> bool:
    """Say whether a mail server refuses an address, or this mail, for good (RFC 5321, 4.2.1: 5yz).

    What it has against this server, its password or its sender, is mended by somebody here, and tried until then.
    """
    if isinstance(wrong, smtplib.SMTPRecipientsRefused):
        return all(code >= _FOR_GOOD for code, _ in wrong.recipients.values())
    return isinstance(wrong, smtplib.SMTPDataError) and wrong.smtp_code >= _FOR_GOOD


def _words(wrong: Exception) -> str:
    if isinstance(wrong, smtplib.SMTPAuthenticationError):
        return f"the mail server refuses user and password ({wrong.smtp_code})"  # its words may repeat them
    if isinstance(wrong, smtplib.SMTPRecipientsRefused):
        return "the mail server refuses the address: " + "; ".join(
            f"{code} {words.decode(errors='replace')}" for code, words in wrong.recipients.values()
        )
    return f"{type(wrong).__name__}: {wrong}"


def _call(delivery: Delivery, said: Sequence[Said], now: datetime) -> None:
    channel = delivery.channel
    try:
        target = target_of(channel.address, webhook_hosts())
        secret = keyring().open(channel.sealed, place(channel)) if channel.sealed else ""
    except (BadAddress, KeysMissing, SealBroken) as wrong:
        raise NotTaken(str(wrong)) from wrong
    body = body_of(str(delivery.pk), said, settings.ENVIRONMENT.url)
    headers = {"X-Compass-Delivery": str(delivery.pk), "User-Agent": "compass-server"}
    if secret:
        headers["X-Compass-Signature"] = signature_of(secret, int(now.timestamp()), body)
    call(target, body, headers)
