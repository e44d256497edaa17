"""The addresses of the factory's own calls."""

from __future__ import annotations

from django.urls import path

from server.factory import views

urlpatterns = [
    path("api/v1/factory/get_overview", views.get_overview),
    path("api/v1/factory/explain", views.explain),
    path("api/v1/factory/replay", views.replay),
    path("api/v1/factory/switch", views.switch),
    path("api/v1/factory/confirm", views.confirm),
]
