"""Logins by password, of the admin and the pages: from where too many went wrong, none is looked at for a while."""

from __future__ import annotations

import logging
from typing import Any

from django.conf import settings
from django.contrib.auth.backends import ModelBackend
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest

from server.accounts.addresses import address_of
from server.accounts.certificates import secret_in
from server.accounts.sessions import why_refused
from server.lib import metrics
from server.lib.rates import Rates

log = logging.getLogger(__name__)

#: Seconds after which as many wrong passwords are taken again.
WINDOW = 600.0

#: What went wrong at each address, in this worker.
FAILURES = Rates(burst=WINDOW)


class LimitedBackend(ModelBackend):
    """Django's own, which costs much time for each password, and so is not to be had as often as anybody likes."""

    def authenticate(
        self, request: HttpRequest | None, username: str | None = None, password: str | None = None, **kwargs: Any
    ) -> User | None:
        """Look at a password.

        Raises:
            PermissionDenied: too many wrong ones came from there; Django says then what it says of a wrong one.
        """
        meta = {} if request is None else request.META
        address = address_of(meta, secret_in(settings.ENVIRONMENT.front_secret_file))
        rate = settings.ENVIRONMENT.login_failures / WINDOW
        if FAILURES.wait_of(address, rate):
            metrics.refused("too_many_logins")
            log.warning(
                "refused (too_many_logins): more than %g wrong passwords from %s", rate * WINDOW, address or "here"
            )
            raise PermissionDenied
        user = super().authenticate(request, username, password, **kwargs)
        if user is None and password is not None:
            metrics.refused("bad_password")
            FAILURES.take(address, rate)
        return user

    def user_can_authenticate(self, user: User | AnonymousUser | None) -> bool:
        """Leave out who is switched off or banned."""
        return isinstance(user, User) and not why_refused(user)

    def get_user(self, user_id: int) -> User | None:
        """Answer a session's account; none any more from the moment that its person is banned."""
        user = User.objects.select_related("person").filter(pk=user_id).first()
        return user if self.user_can_authenticate(user) else None
