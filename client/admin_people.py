"""``compass admin person|token|key``: who may log in and call, and the server's keys, for scripts."""

from __future__ import annotations

import getpass
import os
from argparse import ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from client.actions import answer, connect
from client.errors import ClientError
from client.show import table

_GROUPS = ("production", "site_admin", "user", "reader")
_ROLES = ("pilot", "production", "user", "site_admin", "admin", "reader")


def add_verbs(verbs: Any, common: ArgumentParser, parser_class: type[ArgumentParser]) -> None:
    """Add the three to ``compass admin``."""

    def nouns(name: str, words: str) -> Any:
        said = {"dest": "step", "required": True, "metavar": "VERB", "parser_class": parser_class}
        return verbs.add_parser(name, help=words).add_subparsers(**said)

    _add_person(nouns("person", "who has an account at the pages, and with which rights"), common)
    _add_token(nouns("token", "what pilots, tools and people call with"), common)
    _add_key(nouns("key", "keys in files of the server: list, add, use, drop"), common)


def _add_person(steps: Any, common: ArgumentParser) -> None:
    steps.add_parser("list", parents=[common], help="all accounts").set_defaults(action=list_people)
    create = steps.add_parser("create", parents=[common], help="make an account, or change it where there is one")
    _wishes(create)
    create.set_defaults(action=set_person, make=True)
    change = steps.add_parser("set", parents=[common], help="change an account: what is not named stays")
    _wishes(change)
    change.set_defaults(action=set_person, make=False)


def _wishes(parser: ArgumentParser) -> None:
    parser.add_argument("name", help="by which the person logs in")
    parser.add_argument("--email", help="where to write to")
    parser.add_argument("--administrator", action=BooleanOptionalAction, default=None, help="everything is theirs")
    parser.add_argument("--on", dest="active", action="store_true", default=None, help="let them log in")
    parser.add_argument("--off", dest="active", action="store_false", help="log them out, and let them in no more")
    words = "; all that there shall be, may be given again; '' for none"
    parser.add_argument("--group", action="append", choices=[*_GROUPS, ""], help=f"rights{words}")
    parser.add_argument("--site", action="append", help=f"site that somebody of site_admin looks after{words}")
    parser.add_argument("--queue", action="append", help=f"queue that somebody of site_admin looks after{words}")
    parser.add_argument("--certificate", metavar="SUBJECT", help="one more certificate by which they log in")
    secret = parser.add_mutually_exclusive_group()
    secret.add_argument("--password", action="store_true", help="ask for another password")
    secret.add_argument("--password-file", type=Path, help="file that holds it")


def _add_token(steps: Any, common: ArgumentParser) -> None:
    steps.add_parser("list", parents=[common], help="all tokens, without what they are").set_defaults(
        action=list_tokens
    )
    make = steps.add_parser("create", parents=[common], help="make a token; it is shown, or written, this once")
    make.add_argument("name", help="who will use it; stands in events and logs")
    make.add_argument("--role", required=True, choices=_ROLES)
    make.add_argument("--person", default="", help="whose it is; a token of the role user needs that")
    make.add_argument("--queue", action="append", default=[], help="a queue that it is for; may be given again")
    make.add_argument("--certificate", default="", metavar="SUBJECT", help="the token is this certificate")
    make.add_argument("--days", type=int, help="how long it is good (default: until it is revoked)")
    _file(make)
    make.set_defaults(action=create_token)
    turn = steps.add_parser("rotate", parents=[common], help="make another in the place of one, which ends later")
    turn.add_argument("name", help="the token's name; the new one has it from now on")
    turn.add_argument("--hours", type=float, help="how long the old one, and its passes, are still good (default: 336)")
    turn.add_argument("--days", type=int, help="how long the new one is good (default: as long as the old one was)")
    _file(turn)
    turn.set_defaults(action=rotate_token)
    end = steps.add_parser("revoke", parents=[common], help="end a token, and passes made of it, within a second")
    end.add_argument("name")
    end.set_defaults(action=revoke_token)


def _add_key(steps: Any, common: ArgumentParser) -> None:
    steps.add_parser("list", parents=[common], help="which keys there are; only public ones are shown").set_defaults(
        action=list_keys
    )
    words = {
        "add": "make another key",
        "use": "use the one that was added; the old one is still believed",
        "drop": "drop the old one",
    }
    for step, help_text in words.items():
        parser = steps.add_parser(step, parents=[common], help=help_text)
        parser.add_argument("kind", choices=("credentials", "signing", "secret"))
        parser.add_argument("--only-here", action="store_true", help="no other machine has these keys in its own files")
        parser.set_defaults(action=change_key)


def _file(parser: ArgumentParser) -> None:
    parser.add_argument("--file", type=Path, help="write it there, mode 0600, instead of showing it")


def _all(arguments: Namespace, method: str, name: str) -> list[dict[str, Any]]:
    connection, rows, after = connect(arguments), [], ""
    while True:
        found = connection.get(method, **({"after": after} if after else {}))
        rows += found[name]
        after = found["next"]
        if not after:
            return rows


def list_people(arguments: Namespace) -> int:
    """Show who has an account."""
    return answer(arguments, _all(arguments, "accounts/get_accounts", "accounts"), people_shown)


def set_person(arguments: Namespace) -> int:
    """Make or change an account."""
    said = {name: getattr(arguments, name) for name in ("email", "administrator", "active", "certificate")}
    for name, listed in (("groups", arguments.group), ("sites", arguments.site), ("queues", arguments.queue)):
        said[name] = None if listed is None else [one for one in listed if one]
    said["password"] = _password(arguments)
    wishes = {name: value for name, value in said.items() if value is not None}
    body = {"name": arguments.name, "make": arguments.make, **wishes}
    found = connect(arguments).post("accounts/write_account", body)
    return answer(arguments, found, lambda one: Text(f"{one['name']} is {'made' if one['new'] else 'changed'}"))


def _password(arguments: Namespace) -> str | None:
    path: Path | None = arguments.password_file
    if path is not None:
        try:
            return path.read_text(encoding="utf-8").rstrip("\n")
        except (OSError, UnicodeDecodeError) as wrong:
            raise ClientError(f"--password-file: {path} cannot be read: {wrong}", "name another file") from wrong
    return getpass.getpass("Password: ") if arguments.password else None


def list_tokens(arguments: Namespace) -> int:
    """Show which tokens there are."""
    return answer(arguments, _all(arguments, "accounts/get_tokens", "tokens"), tokens_shown)


def create_token(arguments: Namespace) -> int:
    """Make a token."""
    _refuse_existing(arguments.file)
    names = ("name", "role", "person", "certificate")
    body = {name: getattr(arguments, name) for name in names} | {"queues": arguments.queue, "days": arguments.days}
    return _give(arguments, connect(arguments).post("accounts/create_token", {k: v for k, v in body.items() if v}))


def rotate_token(arguments: Namespace) -> int:
    """Make another token in the place of one."""
    _refuse_existing(arguments.file)
    body = {"name": arguments.name, "hours": arguments.hours, "days": arguments.days}
    said = {name: value for name, value in body.items() if value is not None}
    return _give(arguments, connect(arguments).post("accounts/rotate_token", said))


def revoke_token(arguments: Namespace) -> int:
    """End a token."""
    found = connect(arguments).post("accounts/revoke_token", {"name": arguments.name})
    return answer(arguments, found, lambda one: Text(f"revoked: {one['name']}; it ends within a second"))


def list_keys(arguments: Namespace) -> int:
    """Show which keys the server has."""
    return answer(arguments, connect(arguments).get("keys/get_keys"), keys_shown)


def change_key(arguments: Namespace) -> int:
    """Do one step of a key's change."""
    body = {"kind": arguments.kind, "step": arguments.step, "only_here": arguments.only_here}
    found = connect(arguments).post("keys/change_key", body)
    return answer(arguments, found, lambda one: Text(f"{one['machine']}: {one['said']}"))


def _refuse_existing(path: Path | None) -> None:
    # Before the token is made: afterwards nobody would have it.
    if path is not None and path.exists():
        raise ClientError(f"--file: {path} exists", "remove it, or name another")


def _give(arguments: Namespace, found: dict[str, Any]) -> int:
    """Show a secret this once, or write it to a file that nobody else can read."""
    if arguments.file is not None and found["token"]:
        handle = os.open(arguments.file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(found.pop("token") + "\n")
        found["file"] = str(arguments.file)
    return answer(arguments, found, token_shown)


def token_shown(found: Mapping[str, Any]) -> RenderableType:
    """Show a token that was made."""
    # A token is never broken into lines: it is copied from there.
    made = found.get("token") or f"made: {found['name']}"
    lines = [Text(made, overflow="ignore", no_wrap=True)]
    if "file" in found:
        lines.append(Text(f"written: {found['file']}"))
    if "old" in found:
        lines.append(Text(f"the old one is '{found['old']}' now, and ends at {_time(found['old_ends_at'])} UTC"))
    return Group(*lines)


def people_shown(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show a line for each account."""
    shown = table("name", "rights", "looks after", "logs in by", "last login")
    for one in rows:
        rights = ["administrator"] * one["administrator"] + one["groups"]
        ways = ["password"] * one["has_password"] + one["certificates"]
        state = "" if one["active"] else " (off)"
        places = [f"site {name}" for name in one["sites"]] + one["queues"]
        shown.add_row(
            one["name"] + state, ", ".join(rights), ", ".join(places), "\n".join(ways), _time(one["last_login"])
        )
    return shown if rows else Text("nobody has an account")


def tokens_shown(rows: Sequence[Mapping[str, Any]]) -> RenderableType:
    """Show a line for each token."""
    shown = table("name", "role", "person", "queues", "good until", "last used")
    for one in rows:
        ends = (
            f"revoked {_time(one['revoked_at'])}" if one["revoked_at"] else _time(one["expires_at"]) or "it is revoked"
        )
        person = one["person"] + (" (banned)" if one["banned"] else "")
        queues = ", ".join(one["queues"])
        shown.add_row(one["name"], one["role"], person, queues, ends, _time(one["last_used_at"]))
    return shown if rows else Text("there are no tokens")


def keys_shown(found: Mapping[str, Any]) -> RenderableType:
    """Show the keys of each kind."""
    lines = [f"files of {found['machine']}"]
    for name, kind in found["kinds"].items():
        lines.append(f"{name}: {kind['what']} (steps: {', '.join(kind['steps'])})")
        if "wrong" in kind:
            lines.append(f"  {kind['wrong']}")
        if "count" in kind:
            lines.append(f"  {kind['count']} in the file; the first signs")
        if kind.get("in_use") is False:
            lines.append("  jobs are not signed: COMPASS_SERVER_SIGNING_KEY names no file")
        for key in kind.get("keys", ()):
            does = key["does"] if "does" in key else f"{key['sealed']} sealed{', the newest' * key['used']}"
            lines.append(f"  {does}: {key['key']}")
        if kind.get("unopened"):
            lines.append(f"  by keys that are not there any more: {kind['unopened']} sealed, to be entered anew")
    return Text("\n".join(lines))


def _time(written: str | None) -> str:
    return "" if written is None else written[:16].replace("T", " ")
