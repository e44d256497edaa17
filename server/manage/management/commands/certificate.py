"""``compass-server certificate``: by which certificates people log in at the pages."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from server.accounts import certificate_logins
from server.accounts.certificate_logins import CertificateRefused
from server.accounts.models import UserCertificate


class Command(BaseCommand):
    help = "Say by which certificates people log in at the pages: join them to accounts, switch them off and on."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        join = verbs.add_parser("join", help="have a certificate log in an account that there is")
        join.add_argument("subject", help="as /DC=org/CN=Somebody, or CN=Somebody,DC=org")
        join.add_argument("account", help="the account's name")
        for verb, words in (
            ("off", "let a certificate log in no more; its sessions end within a second"),
            ("on", "let it log in again"),
        ):
            verbs.add_parser(verb, help=words).add_argument("subject")
        verbs.add_parser("list", help="show all of them, with their accounts")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            self._do(options)
        except CertificateRefused as refused:
            raise CommandError(str(refused)) from refused

    def _do(self, options: dict[str, Any]) -> None:
        if options["verb"] == "join":
            row = certificate_logins.join(options["subject"], options["account"])
            self.stdout.write(f"{row.subject} logs in {row.account}")
        elif options["verb"] == "list":
            for row in UserCertificate.objects.select_related("account"):
                self.stdout.write(f"{row.account.get_username():30} {'on ' if row.enabled else 'off'} {row.subject}")
        else:
            certificate_logins.switch(options["subject"], enabled=options["verb"] == "on")
            self.stdout.write(f"{options['verb']}: {options['subject']}")
