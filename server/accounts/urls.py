"""The addresses by which bearers of tokens ask about themselves."""

from __future__ import annotations

from django.urls import path

from server.accounts import views

urlpatterns = [
    path("api/v1/accounts/renew_pass", views.renew_pass),
    path("api/v1/accounts/who_am_i", views.who_am_i),
]
