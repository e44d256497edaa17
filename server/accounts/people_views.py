"""Accounts and tokens over HTTP, for administrators' scripts and ``compass admin``."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from pilot.contract.codec import INTEGER, NUMBER, TEXT, TRUTH, ContractError
from server.accounts import logic, people
from server.accounts.models import Role, Token
from server.accounts.rights import GROUPS
from server.accounts.rules import Identity, allow
from server.lib.arguments import Argument, described
from server.lib.calls import Fields, body, query, taken
from server.trail.logic import note

#: Rows of one answer.
MOST = 1000
#: Groups, sites and queues of one call.
_FEW = 200
_YEARS = 10 * 366

_AFTER = (Argument("after", TEXT, "Names behind that one alone; where the answer before ended.", ""),)


@described("GET", takes=_AFTER)
@allow()
@require_safe
@taken(_AFTER, query)
def get_accounts(fields: Fields, identity: Identity) -> Any:
    """Answer who has an account at the pages, and with which rights, up to 1000; ``next`` is where to go on."""
    found = people.listed(after=fields["after"], most=MOST + 1)
    shown = [asdict(one) | {"last_login": _written(one.last_login)} for one in found[:MOST]]
    return {"accounts": shown, "next": shown[-1]["name"] if len(found) > MOST else ""}


_WRITE = (
    Argument("name", TEXT, "By which the person logs in."),
    Argument("email", TEXT, "Where to write to.", None),
    Argument("administrator", TRUTH, "Whether everything is theirs.", None),
    Argument("active", TRUTH, "Whether they may log in at all.", None),
    Argument("groups", TEXT, f"All groups that they are in, of {', '.join(sorted(GROUPS))}.", None, most=_FEW),
    Argument("sites", TEXT, "All sites whose queues somebody of site_admin may change.", None, most=_FEW),
    Argument("queues", TEXT, "And single queues.", None, most=_FEW),
    Argument("password", TEXT, "Another one; their sessions end.", None),
    Argument("certificate", TEXT, "Subject of one more certificate by which they log in.", None),
    Argument("make", TRUTH, "Whether the account is made when there is none.", True),
)


@described("POST", takes=_WRITE)
@csrf_exempt
@allow()
def write_account(request: HttpRequest, identity: Identity) -> HttpResponse:
    """Make or change an account at the pages: what is left out stays, lists replace what there was."""
    answer: HttpResponse = _write_account(request, identity)
    note(request, "change", _told(request))
    return answer


def _told(request: HttpRequest) -> str:
    """Say for the audit log what was asked for, but no password."""
    try:
        said = dict(body(request))
    except ContractError:
        return ""
    shown = [
        f"{name}={said[name]!r}" for name in sorted({one.name for one in _WRITE} & set(said) - {"password", "name"})
    ]
    return ", ".join([*shown, *(["another password"] if "password" in said else [])])


@taken(_WRITE, body)
def _write_account(fields: Fields, identity: Identity) -> Any:
    wishes = {name: value for name, value in fields.items() if name not in {"name", "make"}}
    try:
        new = people.write(fields["name"], people.Wishes(**wishes), make=fields["make"])
    except people.AccountRefused as refused:
        raise ContractError(str(refused)) from refused
    return {"name": fields["name"], "new": new}


@described("GET", takes=_AFTER)
@allow()
@require_safe
@taken(_AFTER, query)
def get_tokens(fields: Fields, identity: Identity) -> Any:
    """Answer the tokens of pilots, tools and people, without what they are, up to 1000; ``next`` is where to go on."""
    rows = Token.objects.filter(name__gt=fields["after"]).order_by("name").select_related("person")[: MOST + 1]
    shown = [_shown(one) for one in rows]
    return {"tokens": shown[:MOST], "next": shown[MOST - 1]["name"] if len(shown) > MOST else ""}


def _shown(token: Token) -> dict[str, Any]:
    person = token.person
    times = {name: _written(getattr(token, name)) for name in ("created_at", "expires_at", "revoked_at")}
    return {
        **{"name": token.name, "role": token.role, "person": "" if person is None else person.name},
        "banned": person is not None and person.banned_at is not None,
        **{"queues": token.queues, "is_own": token.is_own, "last_used_at": _written(token.last_used_at)},
        **times,
    }


def _written(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


_DAYS = "How many days it is good; until it is revoked when left out."
_CREATE = (
    Argument("name", TEXT, "Who will use it; stands in events and logs."),
    Argument("role", TEXT, f"One of {', '.join(role.value for role in Role)}."),
    Argument("days", INTEGER, _DAYS, None),
    Argument("person", TEXT, "Whose it is; one of the role user needs that.", ""),
    Argument("queues", TEXT, "Queues that it is for; of pilot and site_admin.", (), most=_FEW),
    Argument("certificate", TEXT, "Subject of the certificate that is the token; nothing is answered then.", ""),
)


@described("POST", takes=_CREATE)
@csrf_exempt
@allow()
@taken(_CREATE, body)
def create_token(fields: Fields, identity: Identity) -> Any:
    """Make a token and answer it, for the only time."""
    role = fields["role"]
    if role not in {one.value for one in Role}:
        there = ", ".join(one.value for one in Role)
        raise ContractError(f"role: {role!r} is none; there are {there}", field_name="role")
    rest = {name: fields[name] for name in ("person", "queues", "certificate")}
    try:
        token = logic.create_token(fields["name"], Role(role), lifetime=_lifetime(fields["days"]), **rest)
    except logic.TokenRefused as refused:
        raise ContractError(str(refused)) from refused
    return {"name": fields["name"], "token": token}


_ROTATE = (
    Argument("name", TEXT, "The token's name; the new one has it from now on."),
    Argument("hours", NUMBER, "How long the old one, and passes made of it, are still good.", logic.OVERLAP_HOURS),
    Argument("days", INTEGER, "How many days the new one is good; as long as the old one was made for.", None),
)


@described("POST", takes=_ROTATE)
@csrf_exempt
@allow()
@taken(_ROTATE, body)
def rotate_token(fields: Fields, identity: Identity) -> Any:
    """Make another token in the place of one and answer it, for the only time; the old one ends some hours later."""
    hours = fields["hours"]
    if not 0 <= hours <= 24 * 366:
        raise ContractError(f"hours: {hours:g} is not between 0 and {24 * 366}", field_name="hours")
    try:
        token, old, ends = logic.rotate_token(
            fields["name"], overlap=timedelta(hours=hours), lifetime=_lifetime(fields["days"])
        )
    except logic.TokenRefused as refused:
        raise ContractError(str(refused)) from refused
    return {"name": fields["name"], "token": token, "old": old, "old_ends_at": ends.isoformat()}


_NAME = (Argument("name", TEXT, "The token's name."),)


@described("POST", takes=_NAME)
@csrf_exempt
@allow()
@taken(_NAME, body)
def revoke_token(fields: Fields, identity: Identity) -> Any:
    """End a token, and all passes made of it, within a second."""
    try:
        logic.revoke_token(fields["name"])
    except logic.TokenRefused as refused:
        raise ContractError(str(refused)) from refused
    return {"name": fields["name"]}


def _lifetime(days: int | None) -> timedelta | None:
    if days is None:
        return None
    if not 0 < days <= _YEARS:
        raise ContractError(f"days: {days} is not between 1 and {_YEARS}", field_name="days")
    return timedelta(days=days)
