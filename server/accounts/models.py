"""Who may call: people, and tokens of pilots, tools and people. A token itself is stored nowhere, only its SHA-256."""

from __future__ import annotations

import hashlib

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models

from server.accounts.subjects import BadFront, subject_of


class Role(models.TextChoices):
    """What the bearer of a token may do; each view says which of these it lets in."""

    PILOT = "pilot", "runs jobs"
    PRODUCTION = "production", "defines and kills jobs and tasks"
    USER = "user", "submits jobs, and acts on its own alone"
    SITE_ADMIN = "site_admin", "acts on the jobs of its queues"
    ADMIN = "admin", "may do everything"
    READER = "reader", "reads"


class Person(models.Model):
    """Whose tokens there are: a user's jobs belong to a person, and who is banned is refused with every token."""

    name = models.CharField(max_length=250, unique=True, help_text="What jobs say of whose they are.")
    created_at = models.DateTimeField(auto_now_add=True)
    banned_at = models.DateTimeField(null=True, blank=True)
    banned_because = models.CharField(max_length=250, default="", blank=True, help_text="Told to whom is refused.")
    account = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, blank=True, related_name="person",
        help_text="Whose account at the pages this is.",
    )  # fmt: skip

    class Meta:
        ordering = ("name",)
        verbose_name_plural = "people"

    def __str__(self) -> str:
        return self.name


class Login(models.Model):
    """Whom an issuer of web tokens means by a subject: a person has any number of these, each is one person's."""

    digest = models.CharField(max_length=64, unique=True, editable=False)  # of both that follow
    issuer = models.CharField(max_length=250)
    subject = models.CharField(max_length=250)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, related_name="logins")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ("issuer", "subject")

    def __str__(self) -> str:
        return f"{self.subject} of {self.issuer}"


class Token(models.Model):
    """One token: its name is what logs and events say, its digest is what a request is looked up by."""

    name = models.CharField(max_length=80, unique=True)
    role = models.CharField(max_length=20, choices=Role.choices)
    person = models.ForeignKey(Person, on_delete=models.PROTECT, null=True, blank=True, related_name="tokens")
    queues = models.JSONField(
        default=list, blank=True, help_text="The queues that it is for; a pilot's with none is for all."
    )
    digest = models.CharField(max_length=64, unique=True, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, help_text="To the hour.")
    is_own = models.BooleanField(
        "made by its person", default=False, help_text="Good only while its person has the role at the pages, too."
    )

    class Meta:
        ordering = ("name",)

    def __str__(self) -> str:
        return f"{self.name} ({self.role})"


class UserCertificate(models.Model):
    """A certificate by which somebody logs in at the pages: a person has any number of these, each is one account's."""

    digest = models.CharField(max_length=64, unique=True, editable=False)  # of the subject, whose case matters
    subject = models.CharField(
        max_length=250, help_text="As in /DC=org/CN=Somebody, or CN=Somebody,DC=org; without the parts of proxies."
    )
    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="certificates")
    enabled = models.BooleanField(default=True, help_text="Switched off, it logs nobody in, and its sessions end.")
    added_at = models.DateTimeField(auto_now_add=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False, help_text="When it last logged in.")

    class Meta:
        ordering = ("subject",)

    def __str__(self) -> str:
        return self.subject

    def clean(self) -> None:
        """Write the subject in one spelling; refuse what is none, and one that is known."""
        try:
            self.subject = subject_of(self.subject)
        except BadFront as bad:
            text = f"{self.subject!r} is no subject; write it as /DC=org/CN=Somebody: openssl x509 -noout -subject"
            raise ValidationError({"subject": text}) from bad
        self.digest = hashlib.sha256(self.subject.encode()).hexdigest()
        known = UserCertificate.objects.filter(digest=self.digest).exclude(pk=self.pk).select_related("account").first()
        if known is not None:
            raise ValidationError(
                {"subject": f"{self.subject} logs in {known.account}; take it from that account first"}
            )


class SiteRight(models.Model):
    """A site, or one queue, that somebody of the group site_admin looks after."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="site_rights")
    site = models.CharField(max_length=60, blank=True, default="", help_text="The site's name: siteid of its queues.")
    queue = models.CharField(max_length=60, blank=True, default="", help_text="Or the name of one queue: nickname.")
    origin = models.CharField(
        max_length=250, blank=True, default="", editable=False, help_text="The issuer that gave it; empty: by hand."
    )

    class Meta:
        ordering = ("account", "site", "queue")
        constraints = (models.UniqueConstraint(fields=("account", "site", "queue"), name="accounts_one_site_right"),)

    def __str__(self) -> str:
        return f"site {self.site}" if self.site else f"queue {self.queue}"

    def clean(self) -> None:
        """Refuse what names nothing, or two things."""
        if bool(self.site) == bool(self.queue):
            raise ValidationError("Name a site, or else a queue.")


class GivenRight(models.Model):
    """A right that an issuer's groups have given, and take away again; those that were given by hand are not here."""

    account = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="given_rights")
    role = models.CharField(max_length=20, choices=Role.choices)
    origin = models.CharField(max_length=250)
    at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering = ("account", "role", "origin")

    def __str__(self) -> str:
        return f"{self.role} by {self.origin}"
