"""``compass-server admin``: make, list and switch off administrators of the pages, and give them passwords."""

from __future__ import annotations

import getpass
import secrets
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError

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
        users: Any = get_user_model().objects
        user, new = users.get_or_create(username=name, defaults={"email": email})
        user.is_staff = user.is_superuser = user.is_active = True
        user.email = email or user.email
        if password is not None:
            user.set_password(password)
        elif new:
            user.set_unusable_password()
        user.save()
        self.stdout.write(f"{name} is an administrator{'' if new else ', who had an account before'}")

    def _password(self, options: dict[str, Any]) -> str:
        """Answer a password that was given by a file or typed; or one that is made up, and written to a file.

        Raises:
            CommandError: it is too simple, the file cannot be read, or is there already.
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
        try:
            validate_password(said)
        except ValidationError as wrong:
            raise CommandError(f"this password is refused: {' '.join(wrong.messages)}") from wrong
        return str(said)

    def _user(self, name: str) -> Any:
        user = get_user_model().objects.filter(username=name).first()
        if user is None:
            raise CommandError(f"name: nobody has an account {name!r}; `compass-server admin create` makes one")
        return user

    def _set_password(self, *, name: str, **options: Any) -> None:
        user = self._user(name)
        user.set_password(self._password(options))
        user.save(update_fields=["password"])
        self.stdout.write(f"{name} has another password")

    def _off(self, *, name: str, **_: Any) -> None:
        user = self._user(name)
        others = get_user_model().objects.filter(is_superuser=True, is_active=True).exclude(pk=user.pk)
        if user.is_superuser and not others.exists():
            raise CommandError(f"name: {name} is the last administrator; make another one first")
        self._switch(user, on=False)

    def _on(self, *, name: str, **_: Any) -> None:
        self._switch(self._user(name), on=True)

    def _switch(self, user: Any, *, on: bool) -> None:
        user.is_active = on
        user.save(update_fields=["is_active"])
        self.stdout.write(f"{user.get_username()} is switched {'on' if on else 'off'}")

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
