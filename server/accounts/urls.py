"""The addresses by which bearers of tokens ask about themselves."""

from __future__ import annotations

from django.urls import path

from pilot.contract.routes import NEW_PASS
from server.accounts import views

urlpatterns = [
    path(NEW_PASS.removeprefix("/"), views.renew_pass),
    path("api/v1/accounts/who_am_i", views.who_am_i),
]
