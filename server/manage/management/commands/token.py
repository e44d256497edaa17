"""``compass-server token``: make, revoke and list the tokens that pilots and tools call with."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from server.accounts import logic
from server.accounts.models import Role, Token
from server.manage.home import write_secret


class Command(BaseCommand):
    help = "Make, revoke and list the tokens that pilots and tools call with."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a token; it is shown, or written to a file, this once")
        create.add_argument("name", help="who will use it; stands in events and logs")
        create.add_argument("--role", required=True, choices=[role.value for role in Role])
        create.add_argument("--days", type=int, help="how long it is valid (default: until it is revoked)")
        create.add_argument("--file", type=Path, help="write it there, mode 0600, instead of showing it")
        revoke = verbs.add_parser("revoke", help="end a token now")
        revoke.add_argument("name")
        verbs.add_parser("list", help="show all tokens, without what they are")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, options["verb"])(options)
        except logic.TokenRefused as refused:
            raise CommandError(str(refused)) from refused

    def create(self, options: dict[str, Any]) -> None:
        days, path = options["days"], options["file"]
        if days is not None and days < 1:
            raise CommandError(f"--days: {days} is less than 1")
        if path is not None and path.exists():
            raise CommandError(f"--file: {path} exists; remove it, or name another")
        lifetime = None if days is None else timedelta(days=days)
        token = logic.create_token(options["name"], Role(options["role"]), lifetime=lifetime)
        if path is None:
            self.stdout.write(token)
        else:
            write_secret(path, token)
            self.stdout.write(f"written: {path}")

    def revoke(self, options: dict[str, Any]) -> None:
        logic.revoke_token(options["name"])
        self.stdout.write(f"revoked: {options['name']}; it ends within a second")

    def list(self, options: dict[str, Any]) -> None:
        for token in Token.objects.all():
            ends = token.revoked_at or token.expires_at
            word = "revoked" if token.revoked_at else "until"
            until = f"{word} {ends:%Y-%m-%d %H:%M}" if ends else "until revoked"
            self.stdout.write(f"{token.name:30} {token.role:12} {until}")
