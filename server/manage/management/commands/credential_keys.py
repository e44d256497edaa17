"""``compass-server credential_keys``: change the keys that credentials and secrets are sealed with in the database."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from server.credentials.keyring import KeysMissing, SealBroken, keyring
from server.credentials.logic import keys

_WORDS = {
    "list": "say which keys there are, and how much each has sealed",
    "add": "make a new key, and seal everything with it anew",
    "drop": "remove the keys that nothing is sealed with any more",
}


class Command(BaseCommand):
    help = "Change the keys that credentials and secrets are sealed with in the database; no key is ever shown."

    def add_arguments(self, parser: ArgumentParser) -> None:
        actions = parser.add_subparsers(dest="action", required=True)
        for name, words in _WORDS.items():
            actions.add_parser(name, help=words)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            getattr(self, f"do_{options['action']}")()
        except (KeysMissing, SealBroken) as wrong:
            raise CommandError(str(wrong)) from wrong
        except OSError as wrong:
            raise CommandError(f"{wrong.filename}: {wrong.strerror}") from wrong

    def do_list(self) -> None:
        """Say which keys there are; an id tells nothing of its key."""
        found, used = keyring(), keys.in_use()
        for name in found.ids:
            newest = ", the newest" if name == found.newest else ""
            self.stdout.write(f"{name.hex()}: {used[name]} sealed{newest}")
        if lost := keys.unopened(found):
            self.stdout.write(f"by keys that are not there any more: {lost} sealed, which have to be entered anew")

    def do_add(self) -> None:
        """Make a new key; if this breaks off, the next run goes on with what is still sealed by an older one."""
        path = keys.add_key()
        self.stdout.write(f"written: {path}; sealed anew: {keys.seal_anew()}")

    def do_drop(self) -> None:
        """Remove what is not needed, a while after the last ``add``."""
        self.stdout.write(f"dropped: {keys.drop_keys()}")
