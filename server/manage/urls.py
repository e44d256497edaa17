"""The addresses for those who run the server."""

from __future__ import annotations

from django.urls import path

from server.manage import keys_views, views

urlpatterns = [
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("metrics", views.show_metrics),
    path("api/v1/keys/get_keys", keys_views.get_keys),
    path("api/v1/keys/change_key", keys_views.change_key),
]
