"""The addresses for those who run the server."""

from __future__ import annotations

from django.urls import path

from server.manage import views

urlpatterns = [
    path("healthz", views.healthz),
    path("readyz", views.readyz),
    path("metrics", views.show_metrics),
]
