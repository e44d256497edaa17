"""``compass-server token``: make, revoke and list the tokens that pilots, tools and people call with; ban people."""

from __future__ import annotations

from argparse import ArgumentParser
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from server.accounts import logic
from server.accounts.models import Role, Token
from server.manage.home import write_secret

#: `pass` is a word of Python.
_VERBS = {"pass": "make_pass"}


def _refuse_existing(path: Path | None) -> None:
    if path is not None and path.exists():
        raise CommandError(f"--file: {path} exists; remove it, or name another")


def _whose(token: Token) -> str:
    person = token.person
    whose = "" if person is None else f" of {person}{' (banned)' if person.banned_at else ''}"
    return whose + (f" at {', '.join(token.queues)}" if token.queues else "")


class Command(BaseCommand):
    help = "Make, revoke and list the tokens that pilots, tools and people call with; ban people."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make a token; it is shown, or written to a file, this once")
        create.add_argument("name", help="who will use it; stands in events and logs")
        create.add_argument("--role", required=True, choices=[role.value for role in Role])
        create.add_argument("--days", type=int, help="how long it is valid (default: until it is revoked)")
        create.add_argument("--file", type=Path, help="write it there, mode 0600, instead of showing it")
        create.add_argument("--person", default="", help="whose it is; a token of the role user needs that")
        create.add_argument(
            "--queue",
            action="append",
            default=[],
            help="a queue that it is for; may be given again (pilot, site_admin)",
        )
        create.add_argument(
            "--certificate", default="", metavar="SUBJECT", help="the token is this certificate, verified by a front"
        )
        short = verbs.add_parser("pass", help="make a pass of a pilots' token: good for hours, written down nowhere")
        short.add_argument("name", help="the token's name")
        short.add_argument("--hours", type=int, help="how long it is good (default: COMPASS_SERVER_PASS_HOURS)")
        short.add_argument("--file", type=Path, help="write it there, mode 0600, instead of showing it")
        ban = verbs.add_parser("ban", help="refuse whatever a person asks for, with any token")
        ban.add_argument("person")
        ban.add_argument("--because", default="", help="told to the person")
        lift = verbs.add_parser("lift_ban", help="let a person's tokens be good again")
        lift.add_argument("person")
        login = verbs.add_parser("login", help="take whom an issuer of web tokens means by a subject for a person")
        login.add_argument("person")
        login.add_argument("--issuer", required=True, help="its address, as its tokens have it")
        login.add_argument("--subject", required=True, help="what its tokens have in `sub`")
        rotate = verbs.add_parser("rotate", help="make another in the place of one, which ends some hours later")
        rotate.add_argument("name", help="the token's name; the new one has it from now on")
        rotate.add_argument(
            "--hours", type=float, default=logic.OVERLAP_HOURS, help="the old one stays good (default: %(default)g)"
        )
        rotate.add_argument("--days", type=int, help="the new one is good (default: as long as the old one was)")
        rotate.add_argument("--file", type=Path, help="write it there, mode 0600, instead of showing it")
        revoke = verbs.add_parser("revoke", help="end a token now")
        revoke.add_argument("name")
        verbs.add_parser("list", help="show all tokens, without what they are")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, _VERBS.get(options["verb"], options["verb"]))(options)
        except logic.TokenRefused as refused:
            raise CommandError(str(refused)) from refused

    def create(self, options: dict[str, Any]) -> None:
        days, path = options["days"], options["file"]
        if days is not None and days < 1:
            raise CommandError(f"--days: {days} is less than 1")
        _refuse_existing(path)
        lifetime = None if days is None else timedelta(days=days)
        token = logic.create_token(
            options["name"],
            Role(options["role"]),
            lifetime=lifetime,
            person=options["person"],
            queues=options["queue"],
            certificate=options["certificate"],
        )
        if token:
            self.give(token, path)
        else:
            self.stdout.write(f"known: {options['certificate']} as {options['name']}")

    def rotate(self, options: dict[str, Any]) -> None:
        days, hours = options["days"], options["hours"]
        if days is not None and days < 1:
            raise CommandError(f"--days: {days} is less than 1")
        if not 0 <= hours <= 24 * 366:
            raise CommandError(f"--hours: {hours:g} is not between 0 and {24 * 366}")
        _refuse_existing(options["file"])
        lifetime = None if days is None else timedelta(days=days)
        token, old, ends = logic.rotate_token(options["name"], overlap=timedelta(hours=hours), lifetime=lifetime)
        self.give(token, options["file"])
        self.stderr.write(f"the old one is {old!r} now, and ends at {ends:%Y-%m-%d %H:%M} UTC")

    def make_pass(self, options: dict[str, Any]) -> None:
        hours = settings.ENVIRONMENT.pass_hours if options["hours"] is None else options["hours"]
        if hours < 1:
            raise CommandError(f"--hours: {hours} is less than 1")
        _refuse_existing(options["file"])
        self.give(logic.make_pass(options["name"], lifetime=timedelta(hours=hours)), options["file"])

    def give(self, token: str, path: Path | None) -> None:
        """Show a secret this once, or write it to a file."""
        if path is None:
            self.stdout.write(token)
        else:
            write_secret(path, token)
            self.stdout.write(f"written: {path}")

    def revoke(self, options: dict[str, Any]) -> None:
        logic.revoke_token(options["name"])
        self.stdout.write(f"revoked: {options['name']}; it ends within a second")

    def ban(self, options: dict[str, Any]) -> None:
        logic.ban(options["person"], options["because"])
        self.stdout.write(f"banned: {options['person']}; it holds within a second")

    def lift_ban(self, options: dict[str, Any]) -> None:
        logic.lift_ban(options["person"])
        self.stdout.write(f"may come again: {options['person']}")

    def login(self, options: dict[str, Any]) -> None:
        logic.join_login(options["person"], options["issuer"], options["subject"])
        self.stdout.write(f"known: {options['subject']} of {options['issuer']} as {options['person']}")

    def list(self, options: dict[str, Any]) -> None:
        for token in Token.objects.select_related("person"):
            ends = token.revoked_at or token.expires_at
            word = "revoked" if token.revoked_at else "until"
            until = f"{word} {ends:%Y-%m-%d %H:%M}" if ends else "until revoked"
            self.stdout.write(f"{token.name:30} {token.role:12} {until}{_whose(token)}")
