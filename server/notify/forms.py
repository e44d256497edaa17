"""The forms of a channel: a person's own, and an administrator's for anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from zoneinfo import available_timezones

from django import forms
from django.contrib.auth.models import User
from django.core.exceptions import ValidationError
from django.core.validators import validate_email

from server.notify.addresses import BadAddress, target_of
from server.notify.models import Channel
from server.notify.registry import declared
from server.notify.sending import webhook_hosts
from server.notify.states import Kind

if TYPE_CHECKING:
    ChannelModelForm = forms.ModelForm[Channel]
else:
    ChannelModelForm = forms.ModelForm

#: As wide as a phone, and no wider than an address.
WIDE = "width: 100%; max-width: 32rem"

#: Characters of a secret.
SHORTEST, LONGEST = 16, 200


def zones() -> list[tuple[str, str]]:
    """Answer the time zones to choose from, UTC first."""
    places = sorted(name for name in available_timezones() if "/" in name and not name.startswith(("Etc/", "SystemV/")))
    return [(name, name) for name in ("UTC", *places)]


def events() -> list[tuple[str, str]]:
    return [(one.name, f"{one.what} ({one.name})") for one in declared().values()]


def may_be_told(person: User, name: str) -> bool:
    """Say whether somebody may choose an event."""
    needs = declared()[name].needs
    return not needs or person.has_perm(needs)


class AnyChannelForm(ChannelModelForm):
    """Anybody's channel, to any address."""

    events = forms.MultipleChoiceField(
        choices=events, widget=forms.CheckboxSelectMultiple, label="Tell of", help_text="Choose at least one."
    )
    zone = forms.ChoiceField(choices=zones, initial="UTC", label="Time zone", help_text="Of quiet hours and digests.")
    secret = forms.CharField(
        required=False,
        min_length=SHORTEST,
        max_length=LONGEST,
        label="Secret of the webhook",
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="What calls are signed with (HMAC-SHA256), at least 16 characters. It is never shown;"
        " leave it empty to keep the one there is.",
    )

    class Meta:
        model = Channel
        fields = (
            *("name", "person", "kind", "address", "secret", "events", "owners", "queues", "enabled", "digest"),
            *("quiet_from", "quiet_to", "zone"),
        )

    def clean(self) -> dict[str, Any]:
        found: dict[str, Any] = super().clean() or {}
        kind, address = found.get("kind"), found.get("address") or ""
        if kind == Kind.MAIL and address:
            self._check_mail(address)
        if kind == Kind.WEBHOOK and address:
            self._check_webhook(address, found.get("secret") or "")
        if (found.get("quiet_from") is None) != (found.get("quiet_to") is None):
            self.add_error("quiet_to", "Give both ends of the quiet hours, or none.")
        return found

    def _check_mail(self, address: str) -> None:
        try:
            validate_email(address)
        except ValidationError:
            self.add_error("address", "This is no mail address; write name@host.")

    def _check_webhook(self, address: str, secret: str) -> None:
        try:
            target_of(address, webhook_hosts())
        except BadAddress as wrong:
            self.add_error("address", str(wrong))
        if not secret and not self.instance.sealed:
            self.add_error("secret", "Give a secret: by the signature the receiver knows that we call.")


class OwnChannelForm(AnyChannelForm):
    """A person's own channel: its mail goes to the address of the account, and to nobody else."""

    class Meta:
        model = Channel
        fields = (
            *("name", "kind", "address", "secret", "events", "owners", "queues", "enabled", "digest"),
            *("quiet_from", "quiet_to", "zone"),
        )
        widgets = {
            **{name: forms.TextInput(attrs={"style": WIDE}) for name in ("name", "address", "owners", "queues")},
            "quiet_from": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
            "quiet_to": forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        }

    def __init__(self, *args: Any, person: User, **options: Any) -> None:
        """Take whose it is: mail goes to its address, events are those it may be told of; administrators may all."""
        super().__init__(*args, **options)
        self._mail, self._anywhere = person.email, person.is_superuser
        field = cast("forms.MultipleChoiceField", self.fields["events"])
        field.choices = [(name, words) for name, words in events() if may_be_told(person, name)]
        if not self.instance.pk:
            self.initial.setdefault("address", self._mail)

    def _check_mail(self, address: str) -> None:
        super()._check_mail(address)
        if not self._anywhere and address.lower() != self._mail.lower():
            own = f"to that of your account, {self._mail}" if self._mail else "when an administrator has entered yours"
            self.add_error("address", f"Mail goes only {own}.")
