"""``compass-server admin``: make, list and switch off administrators of the pages, and give them passwords."""

from __future__ import annotations

import getpass
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.core.management.base import BaseCommand, CommandError

from server.accounts import people
from server.accounts.people import Wishes
from server.manage.home import write_secret

#: A password that is made up is of so many bytes of chance.
_BYTES = 24
_VERBS = {"password": "set_password"}


class Command(BaseCommand):
    help = "Make, list and switch off administrators of the pages, and give them passwords."

    def add_arguments(self, parser: ArgumentParser) -> None:
        verbs = parser.add_subparsers(dest="verb", required=True)
        create = verbs.add_parser("create", help="make an administrator, or make somebody one who has an account")
        _named(create)
        create.add_argument("--email", default="", help="where to write to")
        create.add_argument("--no-password", action="store_true", help="who logs in by a certificate or an issuer")
        _passwords(create)
        password = verbs.add_parser("password", help="give an account another password; its sessions end")
        _named(password)
        _passwords(password)
        for verb, words in (("off", "switch an account off; its sessions end"), ("on", "switch an account on again")):
            _named(verbs.add_parser(verb, help=words))
        verbs.add_parser("list", help="who is an administrator")

    def handle(self, *args: Any, verb: str, **options: Any) -> None:
        getattr(self, f"_{_VERBS.get(verb, verb)}")(**options)

    def _create(self, *, name: str, email: str, no_password: bool, **options: Any) -> None:
        password = None if no_password else self._password(options)
        wishes = Wishes(email=email or None, administrator=True, active=True, password=password)
        new = self._write(name, wishes, make=True)
        self.stdout.write(f"{name} is an administrator{'' if new else ', who had an account before'}")

    def _write(self, name: str, wishes: Wishes, *, make: bool = False) -> bool:
        try:
            return people.write(name, wishes, make=make)
        except people.AccountRefused as refused:
            raise CommandError(str(refused)) from refused

    def _password(self, options: dict[str, Any]) -> str:
        """Answer a password that was given by a file or typed; or one that is made up, and written to a file.

        Raises:
            CommandError: the file cannot be read, or is there already.
        """
        read, write = options["password_file"], options["make_password"]
        if write is not None:
            if write.exists():
                raise CommandError(f"--make-password: {write} exists; remove it, or name another")
            made = secrets.token_urlsafe(_BYTES)
            write_secret(write, made)
            self.stdout.write(f"written: {write}")
            return made
        try:
            said = read.read_text().rstrip("\n") if read is not None else getpass.getpass("Password: ")
        except (OSError, EOFError, UnicodeDecodeError) as wrong:
            where = f"--password-file: {read}" if read is not None else "the password cannot be asked for here"
            raise CommandError(f"{where}: {str(wrong) or 'nothing was typed'}; name a --password-file") from wrong
        return str(said)

    def _set_password(self, *, name: str, **options: Any) -> None:
        try:
            people.refuse_unknown(name)  # before a password is asked for
        except people.AccountRefused as refused:
            raise CommandError(str(refused)) from refused
        self._write(name, Wishes(password=self._password(options)))
        self.stdout.write(f"{name} has another password")

    def _off(self, *, name: str, **_: Any) -> None:
        self._switch(name, on=False)

    def _on(self, *, name: str, **_: Any) -> None:
        self._switch(name, on=True)

    def _switch(self, name: str, *, on: bool) -> None:
        self._write(name, Wishes(active=on))
        self.stdout.write(f"{name} is switched {'on' if on else 'off'}")

    def _list(self, **_: Any) -> None:
        for user in get_user_model().objects.filter(is_superuser=True).order_by("username"):
            seen = f"{user.last_login:%Y-%m-%d %H:%M}" if user.last_login else "never"
            how = "" if user.has_usable_password() else ", without a password"
            off = "" if user.is_active else ", switched off"
            self.stdout.write(f"{user.get_username()}, last login {seen}{how}{off}")


def _named(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="by which the person logs in")


def _passwords(parser: ArgumentParser) -> None:
    either = parser.add_mutually_exclusive_group()
    either.add_argument("--password-file", type=Path, help="file that holds it; it is asked for without")
    either.add_argument("--make-password", type=Path, metavar="FILE", help="make one up, and write it there, mode 0600")
