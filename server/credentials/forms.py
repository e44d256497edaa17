"""The form of a credential: what is entered there is checked, and no page or error shows it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils import timezone

from server.credentials import endpoints, programs, proofs
from server.credentials.keyring import KeysMissing, keyring
from server.credentials.logic import enter
from server.credentials.models import Credential, Kind, Source

if TYPE_CHECKING:
    CredentialModelForm = forms.ModelForm[Credential]
else:
    CredentialModelForm = forms.ModelForm


def _secret(label: str, help: str, rows: int = 0) -> forms.CharField:
    """Declare a field that is written and never shown."""
    quiet = {"autocomplete": "off", "spellcheck": "false"}
    widget = _Unshown(attrs={**quiet, "rows": rows}) if rows else forms.PasswordInput(render_value=False, attrs=quiet)
    return forms.CharField(label=label, help_text=help, required=False, widget=widget, max_length=proofs.MOST)


class _Unshown(forms.Textarea):
    """A text area that is empty whenever it is shown."""

    def format_value(self, value: Any) -> str | None:
        return ""


class CredentialForm(CredentialModelForm):
    """Every column that may be edited, and three fields for what is sealed."""

    text = _secret("credential", "For what is entered here: PEM, a token, or two lines of keys. Never shown.", rows=8)
    client_secret = _secret("client secret", "For the token endpoint; left empty, what there is stays.")
    refresh_token = _secret("refresh token", "For the token endpoint; left empty, what there is stays.")

    class Meta:
        model = Credential
        fields = (
            *("name", "kind", "asked_as", "enabled", "queues", "person", "working_group", "key_days", "renew_ahead"),
            *("source", "path", "command", "endpoint", "client_id", "scope", "audience", "ca_file"),
        )

    def clean(self) -> dict[str, Any]:
        """Check what belongs together; each source has columns of its own."""
        found = super().clean() or {}
        self._check_lists(found)
        kind, source = found.get("kind") or self.instance.kind, found.get("source")
        if source == Source.ENDPOINT:
            self._check_endpoint(found, kind)
        if source == Source.FILE and not str(found.get("path", "")).startswith("/"):
            self.add_error("path", "the absolute path of a file")
        if source == Source.COMMAND:
            self._refuse(lambda: programs.refuse_others(found.get("command") or [], _allowed()), "command")
        if found.get("text") and source != Source.ENTERED:
            self.add_error("text", "only for what is entered here; it would be replaced at the next renewal")
        elif found.get("text"):
            found["text"] = found["text"].strip()
            self._refuse(lambda: enter.check(kind, found["text"], timezone.now()), "text")
        self._refuse(keyring, "name")
        return found

    def _check_lists(self, found: dict[str, Any]) -> None:
        for name in ("queues", "command"):
            value = found.get(name)
            if value and not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
                self.add_error(name, 'a list of texts, such as ["one", "two"]')

    def _check_endpoint(self, found: dict[str, Any], kind: str) -> None:
        if kind != Kind.TOKEN:
            self.add_error("source", "an endpoint gives tokens alone")
        self._refuse(lambda: endpoints.check_address(found.get("endpoint", "")), "endpoint")

    def _refuse(self, look: Any, field: str) -> None:
        try:
            look()
        except (endpoints.EndpointFailed, programs.ProgramFailed, proofs.NotGood, KeysMissing) as wrong:
            self.add_error(field, str(wrong))

    def grant(self) -> dict[str, str]:
        """Answer what was entered for the endpoint; what was left empty stays as it is."""
        named = {name: self.cleaned_data.get(name, "").strip() for name in ("client_secret", "refresh_token")}
        return {name: value for name, value in named.items() if value}

    def changed_columns(self) -> list[str]:
        """Answer the columns that were changed."""
        return [name for name in self.changed_data if name in self.Meta.fields]


def _allowed() -> list[str]:
    allowed: str = settings.ENVIRONMENT.credential_programs
    return allowed.replace(",", " ").split()
