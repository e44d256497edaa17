"""The address of uploads."""

from __future__ import annotations

from django.urls import path

from server.uploads import views

urlpatterns = [path("cache/<str:name>", views.fetch)]
