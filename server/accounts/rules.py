"""Who may call a view: a decorator on each, and a test that no view lacks one."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any, Concatenate, ParamSpec

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse

from pilot.contract.codec import Dialect
from pilot.contract.messages import StatusCode
from server.accounts.addresses import address_of, is_known
from server.accounts.certificates import secret_in
from server.accounts.identity import Identity, IdentityRefused, identify_caller
from server.accounts.models import Role
from server.accounts.rights import groups_of, is_administrator, may_read
from server.lib.http import dialect_of, refusal
from server.lib.logs import about
from server.lib.rates import Rates

#: What a view needs of this app; views import it from here and from nowhere deeper.
__all__ = [
    "OWNERS",
    "READERS",
    "REFUSED_FOR",
    "Identity",
    "NotAllowed",
    "Role",
    "Rule",
    "allow",
    "everyone",
    "may_produce",
    "may_read",
    "refuse_others",
    "rule_of",
]

#: Who may see what there is.
READERS = (Role.READER, Role.PRODUCTION, Role.USER, Role.SITE_ADMIN)
#: Who may end jobs and look into them: a user into its own, a site's administrator into those of its queues.
OWNERS = (Role.PRODUCTION, Role.USER, Role.SITE_ADMIN)

#: How often each identity has called this worker, and each address that nobody was known at.
RATES, STRANGERS = Rates(), Rates()

#: Under which a request's META has its caller, and why it was refused: what is around all views reads it there.
CALLER, REFUSED_FOR = "compass.caller", "compass.refused"

P = ParamSpec("P")
View = Callable[..., HttpResponse]


class NotAllowed(Exception):
    """The caller's role is right, and yet this is not for it: another queue's, or somebody's. The text says why."""

    def __init__(self, text: str, *, status: int = 403) -> None:
        """``status`` is that of the newer dialect: PanDA answers 200 to who is not a job's owner."""
        super().__init__(text)
        self.status = status


@dataclass(frozen=True)
class Rule:
    """Who may call a view: the bearers of these roles, or everybody for a stated reason."""

    roles: frozenset[Role] = frozenset()
    open_because: str = ""


def allow(*roles: Role) -> Callable[[Callable[Concatenate[HttpRequest, Identity, P], HttpResponse]], View]:
    """Let in the bearers of these roles, and administrators. The view gets the identity after the request."""
    allowed = frozenset({*roles, Role.ADMIN})

    def decorate(view: Callable[Concatenate[HttpRequest, Identity, P], HttpResponse]) -> View:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponse:
            try:
                identity = identify_caller(request.META)
            except IdentityRefused as refused:
                if wait := _wait_of_stranger(request):
                    return _too_many_strangers(request, wait)
                return _refuse(request, StatusCode.INVALID_TOKEN, str(refused), reason=refused.reason)
            about(identity=identity.name)
            request.META[CALLER] = identity
            if identity.role not in allowed:
                wanted = " or ".join(sorted(allowed))
                text = f"the token {identity.name} has the role {identity.role.value}; this needs {wanted}"
                return _refuse(request, StatusCode.INVALID_ROLE, text, reason="role")
            if wait := RATES.take(identity.name, _rate_of(identity.role)):
                return _too_often(request, identity, wait)
            try:
                return view(request, identity, *args, **kwargs)
            except NotAllowed as refused:
                return _refuse(
                    request, StatusCode.PERMISSION_DENIED, str(refused), status=refused.status, reason="not_allowed"
                )

        _declare(guarded, Rule(roles=allowed))
        return guarded

    return decorate


def everyone(because: str) -> Callable[[View], View]:
    """Let in everybody, for a reason that is written down, though from one address not as often as it likes."""

    def decorate(view: View) -> View:
        @wraps(view)
        def counted(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
            if wait := _wait_of_stranger(request):
                return _too_many_strangers(request, wait)
            return view(request, *args, **kwargs)

        _declare(counted, Rule(open_because=because))
        return counted

    return decorate


def refuse_others(identity: Identity, owners: Mapping[int, tuple[str, str]]) -> None:
    """Refuse who may not end these jobs, or look into them, by the (owner, queue) of each.

    Raises:
        NotAllowed: one of them is somebody else's.
    """
    for number, (owner, queue) in owners.items():
        if not identity.may_act_on(owner=owner, queue=queue):
            whose = f"jobs at {', '.join(sorted(identity.queues))}" if identity.queues else "your own jobs"
            text = f"job {number} is {owner or 'nobody'}'s, at {queue}; you may act on {whose} alone; nothing was done"
            raise NotAllowed(text, status=200)


def may_produce(user: AbstractBaseUser | AnonymousUser) -> bool:
    """Say whether who has logged in may steer productions: an administrator, or one of the group production."""
    return is_administrator(user) or Role.PRODUCTION.value in groups_of(user)


def rule_of(view: Any) -> Rule | None:
    """Answer the rule that a view was declared with."""
    return getattr(view, "rule", None)


def _declare(view: Any, rule: Rule) -> None:
    view.rule = rule


def _rate_of(role: Role) -> int:
    services = {Role.PILOT, Role.PRODUCTION, Role.ADMIN}
    rate: int = settings.ENVIRONMENT.service_rate if role in services else settings.ENVIRONMENT.user_rate
    return rate


def _wait_of_stranger(request: HttpRequest) -> float:
    """Count a call of somebody whom we do not know; answer the seconds to wait when its address has too many."""
    address = address_of(request.META, secret_in(settings.ENVIRONMENT.front_secret_file))
    return STRANGERS.take(address, settings.ENVIRONMENT.stranger_rate) if is_known(address) else 0.0


def _too_many_strangers(request: HttpRequest, wait: float) -> HttpResponse:
    most = settings.ENVIRONMENT.stranger_rate
    text = f"more than {most} calls a second come from your address without a token that is good; wait {wait:.2f} s"
    return _send_away(request, text, wait, reason="too_many_strangers")


def _too_often(request: HttpRequest, identity: Identity, wait: float) -> HttpResponse:
    """Send somebody away for a while, who finds in the answer for how long."""
    text = (
        f"the token {identity.name} calls more often than {_rate_of(identity.role)} times a second; wait {wait:.2f} s"
    )
    return _send_away(request, text, wait, reason="too_often")


def _send_away(request: HttpRequest, text: str, wait: float, *, reason: str) -> HttpResponse:
    answer = _refuse(request, StatusCode.TIMEOUT, text, status=429, reason=reason)
    answer.headers["Retry-After"] = str(math.ceil(wait))
    return answer


def _refuse(request: HttpRequest, code: StatusCode, text: str, *, status: int = 403, reason: str) -> HttpResponse:
    """PanDA's manners: its legacy dialect says so in the status of a well-sent answer, everything newer by HTTP 403."""
    http_status = 200 if dialect_of(request) is Dialect.LEGACY else status
    request.META[REFUSED_FOR] = reason
    return refusal(request, text, status=http_status, code=code, reason=reason)
