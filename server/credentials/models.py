"""The tables of credentials and secrets. What is secret is sealed here, and shown by nothing; see ``keyring``."""

from __future__ import annotations

from typing import Any

from django.db import models


def _words(length: int, help: str) -> Any:
    return models.CharField(max_length=length, default="", blank=True, help_text=help)


class Kind(models.TextChoices):
    """What can be handed out."""

    PROXY = "proxy", "proxy, with its key"
    TOKEN = "token", "token"
    KEY_PAIR = "key_pair", "key pair of an object storage"


class Source(models.TextChoices):
    """Where a credential comes from."""

    ENTERED = "entered", "entered here, and not renewed"
    FILE = "file", "a file that somebody else renews"
    COMMAND = "command", "a program of this machine"
    ENDPOINT = "endpoint", "a token endpoint (OAuth 2)"


class Credential(models.Model):
    """A credential that pilots may ask for: where it comes from, who may have it, and the thing itself, sealed."""

    name = models.CharField(max_length=80, unique=True, help_text="What logs and the record of hand-outs call it.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    asked_as = _words(
        200,
        "How pilots ask for it: the role of a proxy, the client's name of a token, both names of a key pair"
        " with a blank between them.",
    )
    enabled = models.BooleanField(default=True, help_text="Whether it is renewed, and handed out.")
    queues = models.JSONField(default=list, blank=True, help_text="The queues whose pilots may have it; none: all.")
    person = _words(250, "Whose it is: given to the pilots of this person's jobs alone, while they have one.")
    working_group = _words(20, "Given to pilots alone that have a job of this working group.")
    key_days = models.PositiveSmallIntegerField(
        default=0, help_text="Days for which the key is good that a token is asked for with; 0: no key is wanted."
    )
    renew_ahead = models.PositiveIntegerField(
        default=21600, help_text="Seconds before its end at which it is renewed, or half of its life if that is less."
    )
    source = models.CharField(max_length=10, choices=Source.choices)
    path = _words(500, "The file: absolute, this user's own, mode 0600 or 0400. It is looked at every minute.")
    command = models.JSONField(
        default=list,
        blank=True,
        help_text="The program and its arguments, as a list. What it writes is taken: to {output} where that stands"
        " among the arguments, else to its standard output.",
    )
    endpoint = _words(500, "Address of the token endpoint, https://...")
    client_id = _words(200, "Who asks there.")
    scope = _words(500, "What is asked for, with blanks between.")
    audience = _words(500, "Whom the token is for.")
    ca_file = _words(500, "File with the authorities by which the endpoint is known; the usual ones when left out.")
    sealed_grant = models.BinaryField(null=True, editable=False)
    sealed = models.BinaryField(null=True, editable=False)
    ends_at = models.DateTimeField(null=True, blank=True, editable=False)
    obtained_at = models.DateTimeField(null=True, blank=True, editable=False)
    tried_at = models.DateTimeField(null=True, blank=True, editable=False)
    failures = models.PositiveIntegerField(default=0, editable=False, help_text="Since it was last renewed.")
    last_error = models.CharField(max_length=250, default="", blank=True, editable=False)

    class Meta:
        ordering = ("name",)
        indexes = (models.Index(fields=("kind", "asked_as"), name="credentials_asked"),)

    def __str__(self) -> str:
        return self.name


class HandOut(models.Model):
    """Something that was handed out: what, to whom, for which job or queues, and until when it is good."""

    at = models.DateTimeField(db_index=True)
    what = models.CharField(max_length=80, help_text="The credential's name, or whose secrets.")
    kind = models.CharField(max_length=10)
    to = models.CharField(max_length=80, db_column="given_to", help_text="The name of the caller's token.")
    queues = _words(250, "The queues that the caller is for; none: all.")
    job = models.BigIntegerField(null=True, db_index=True)
    attempt = models.PositiveSmallIntegerField(null=True)
    ends_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ("-id",)

    def __str__(self) -> str:
        return f"{self.what} to {self.to}"


class UserSecret(models.Model):
    """A secret that a user has given for its jobs, under a name."""

    owner = models.CharField(max_length=250)
    name = models.CharField(max_length=60)
    sealed = models.BinaryField(editable=False)
    changed_at = models.DateTimeField()

    class Meta:
        ordering = ("owner", "name")
        constraints = (models.UniqueConstraint(fields=("owner", "name"), name="user_secret_once"),)

    def __str__(self) -> str:
        return f"{self.name} of {self.owner}"


class JobSecrets(models.Model):
    """The secrets that came with one job; they go when it has ended."""

    job = models.BigIntegerField(primary_key=True)
    sealed = models.BinaryField(editable=False)

    class Meta:
        verbose_name_plural = "job secrets"

    def __str__(self) -> str:
        return f"secrets of {self.job}"
