"""The addresses of transformations; PanDA's server has those of users' jobs below ``/trf/user/``."""

from __future__ import annotations

from django.urls import path

from server.transforms import views

urlpatterns = [
    path("trf/<str:name>", views.fetch),
    path("trf/user/<str:name>", views.fetch),
    path("trf/<str:sha256>/<str:name>", views.fetch),
]
