"""The addresses where people log in and out, and by which bearers of tokens ask about themselves."""

from __future__ import annotations

from django.urls import path

from pilot.contract.routes import NEW_PASS
from server.accounts import (
    account_views,
    certificate_views,
    login_views,
    oidc_views,
    people_views,
    views,
    welcome_views,
)

urlpatterns = [
    path(NEW_PASS.removeprefix("/"), views.renew_pass),
    path("api/v1/accounts/who_am_i", views.who_am_i),
    path("api/v1/accounts/get_accounts", people_views.get_accounts),
    path("api/v1/accounts/write_account", people_views.write_account),
    path("api/v1/accounts/get_tokens", people_views.get_tokens),
    path("api/v1/accounts/create_token", people_views.create_token),
    path("api/v1/accounts/rotate_token", people_views.rotate_token),
    path("api/v1/accounts/revoke_token", people_views.revoke_token),
    path("account", account_views.account, name="account"),
    path("account/tokens", account_views.make_token, name="account_token"),
    path("account/tokens/<int:number>/revoke", account_views.revoke_token, name="account_revoke"),
    path("login", login_views.log_in, name="login"),
    path("login/certificate", certificate_views.log_in, name="login_certificate"),
    path("welcome", welcome_views.welcome, name="welcome"),
    path("login/with/<slug:name>", oidc_views.go, name="login_with"),
    path("login/with/<slug:name>/back", oidc_views.come_back, name="login_back"),
    path("login/with/<slug:name>/leave", oidc_views.leave, name="login_leave"),
    path("logout", login_views.log_out, name="logout"),
]
